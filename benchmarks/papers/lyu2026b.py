"""Lyu, Clark and Raviv's table 1: five Gaussian systems of scalars, 1,000 samples, 50 trials, in nats.

For a scalar target BROJA of Gaussians is the minimum mutual information, as the authors see of three estimators.
Their own measure is another one, by copies of the sources that are independent given the target. The table was not at
hand, so nothing is published here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from pidkd import Activations, Gaussian, decompose
from pidkd.benchmarks.papers import CLOSED_FORM, Number, Paper, Setting
from pidkd.result import ATOMS

N_SAMPLES, N_TRIALS = 1_000, 50

SYSTEMS = {
    "redundancy: two noisy copies": np.array([[1.0, 1, 1], [1, 2, 1], [1, 1, 2]]),
    "unique: one source": np.array([[2.0, 1, 0], [1, 1, 0], [0, 0, 1]]),
    "synergy: a noisy sum": np.array([[3.0, 1, 1], [1, 1, 0], [1, 0, 1]]),
    "mixed: a noisy sum of correlated sources": np.array([[3.6, 1.3, 1.3], [1.3, 1, 0.3], [1.3, 0.3, 1]]),
    "mixed: a noisy sum of unequal gains": np.array([[6.0, 2, 1], [2, 1, 0], [1, 0, 1]]),
}
"""Covariance of Y, T and S."""


def truth(cov: np.ndarray) -> dict[str, float]:
    """Atoms in nats: the smaller information is redundant."""

    def information(*sources: int) -> float:
        within = np.linalg.det(cov[np.ix_(sources, sources)])
        return float(np.log(cov[0, 0] * within / np.linalg.det(cov[np.ix_((0, *sources), (0, *sources))])) / 2)

    t, s, both = information(1), information(2), information(1, 2)
    least = min(t, s)
    return dict(zip(ATOMS, (least, t - least, s - least, both - t - s + least), strict=True))


def numbers(cov: np.ndarray) -> Iterator[Number]:
    """Atoms of the system, and their mean over trials with the range of 95 % of these."""
    truths = truth(cov)
    exact = decompose(Gaussian(cov, (1, 1, 1)), estimator="gaussian", units="nats")
    for atom in ATOMS:
        value, bounds = getattr(exact, atom), exact.bounds(atom)
        yield Number(f"{atom}, population", value, None, truths[atom], CLOSED_FORM, bounds, "nats")
    trials = []
    for seed in range(N_TRIALS):
        rows = np.random.default_rng(seed).multivariate_normal(np.zeros(3), cov, N_SAMPLES)
        result = decompose(Activations(*rows.T), estimator="gaussian", units="nats", n_draws=50)
        trials.append([getattr(result, atom) for atom in ATOMS])
    low, high = np.quantile(trials, (0.025, 0.975), axis=0)
    for place, atom in enumerate(ATOMS):
        mean, interval = float(np.mean(trials, axis=0)[place]), (float(low[place]), float(high[place]))
        yield Number(f"{atom}, mean of trials", mean, None, truths[atom], CLOSED_FORM, interval, "nats")


PAPER = Paper([Setting(name, "small", partial(numbers, cov)) for name, cov in SYSTEMS.items()])
