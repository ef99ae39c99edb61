"""Inputs of every kind, on which the contract is tried."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.inputs import Activations, Codes, Gaussian, Input, Pmf, Posteriors
from pidkd.pid import PIDEstimator
from pidkd.synthetic import gate, histogram, random_pmf

# The data


@functools.cache
def _tables() -> list[Input]:
    """Smooth, sparse, counted, deterministic, of one symbol, with masses over many decades, and of Y = (T, S)."""
    decades = np.full((2, 3, 3), 1e-13)
    decades[[0, 1, 1], [0, 1, 2], [0, 1, 1]] = 1.0, 1e-4, 2.0
    return [
        random_pmf((2, 3, 3), rng=0),
        random_pmf((3, 4, 2), concentration=0.3, rng=1),
        random_pmf((4, 3, 5), support=0.3, rng=2),
        histogram(random_pmf((3, 3, 4), rng=3), 40, rng=3),
        *(random_pmf(shape, rng=4) for shape in ((1, 2, 3), (3, 1, 2), (2, 3, 1), (1, 1, 1))),
        *(gate(name).pmf for name in ("and", "xor", "unq", "rdn", "pwunq")),
        Pmf(decades, normalise=True),
        copied(np.array([[3.0, 1.0], [1.0, 2.0]]) / 7),
    ]


def copied(of_pair: FloatArray) -> Pmf:
    """The table of Y = (T, S), from P(t, s)."""
    n_t, n_s = of_pair.shape
    p = np.zeros((n_t, n_s, n_t, n_s))
    t, s = np.indices(of_pair.shape)
    p[t, s, t, s] = of_pair
    return Pmf(p.reshape(n_t * n_s, n_t, n_s))


def _activations() -> list[Input]:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=200)
    return [Activations(y, y[:, None] + rng.normal(size=(200, 3)), y + rng.normal(size=200))]


def _posteriors() -> list[Input]:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=200)
    p_t, p_s, p_ts = (rng.dirichlet(np.ones(3), size=200) for _ in range(3))
    return [Posteriors(y, p_t, p_s, p_ts)]


def _gaussians() -> list[Input]:
    """Generic ones, of one target variable and of more, a counted one, and a source that is a copy."""
    rng = np.random.default_rng(0)
    examples: list[Input] = []
    for dims in ((1, 2, 1), (2, 2, 3), (3, 1, 4)):
        mixing: FloatArray = rng.normal(size=(sum(dims), sum(dims) + 2))
        examples.append(Gaussian(mixing @ mixing.T, dims))
    cov: FloatArray = mixing @ mixing.T
    copied = [0, 1, 2, 4, 5, 4, 5]
    return [*examples, Gaussian(cov, dims=(3, 1, 4), n_samples=40), Gaussian(cov[np.ix_(copied, copied)], (3, 2, 2))]


def _codes() -> list[Input]:
    rng = np.random.default_rng(0)
    return [Codes(*(rng.integers(3, size=50) for _ in range(3)))]


EXAMPLES: dict[type, Callable[[], list[Input]]] = {
    Pmf: _tables,
    Codes: _codes,
    Gaussian: _gaussians,
    Activations: _activations,
    Posteriors: _posteriors,
}


def examples_for(estimator: PIDEstimator) -> list[Any]:
    """Data of the first kind that the estimator accepts; tables come before all others."""
    return next(list(example()) for kind, example in EXAMPLES.items() if kind in estimator.accepts)
