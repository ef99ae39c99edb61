"""Sampling bias of Gaussian atoms, and the remainder after each correction.

Random channels from d_Y target variables to sources of d variables each, with independent unit noises and gains of
variance 1 / d_Y. Of each a sample covariance is drawn, from 200 samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.benchmarks.problems import Asks, Family, Problem, Size, Truth, certified_truth
from pidkd.estimators.solvers.gaussian.wishart import sample_covariances
from pidkd.inputs import Gaussian

N_SAMPLES = 200

KINDS = {
    "mixed": "two channels",
    "redundant": "equal channels",
    "unique": "S is noise",
    "null": "T and S are noise",
}


def channel(kind: str, d_y: int, d: int, seed: int) -> Gaussian:
    """A system of one of the ``KINDS``."""
    gains: FloatArray = np.random.default_rng(seed).normal(size=(2, d, d_y)) / np.sqrt(d_y)
    if kind == "redundant":
        gains[1] = gains[0]
    gains[1] *= kind not in ("unique", "null")
    gains[0] *= kind != "null"
    h = np.concatenate([gains[0], gains[1]])
    return Gaussian(np.block([[np.eye(d_y), h.T], [h, h @ h.T + np.eye(2 * d)]]), (d_y, d, d))


def samples(kind: str, d_y: int, d: int, n_systems: int) -> Sequence[Gaussian]:
    """One sample covariance of each system."""
    drawn = []
    for seed in range(n_systems):
        system = channel(kind, d_y, d, seed)
        (cov,) = next(sample_covariances(system.cov, N_SAMPLES, 1, seed))
        drawn.append(Gaussian(cov, system.dims, n_samples=N_SAMPLES))
    return drawn


def _truth(kind: str, d_y: int, d: int, data: Sequence[Any]) -> Sequence[Truth]:
    return certified_truth([channel(kind, d_y, d, seed) for seed in range(len(data))])


def _problem(kind: str, d_y: int, d: int, n_systems: int, size: Size) -> Problem:
    name = f"{kind} ({KINDS[kind]}), d_Y = {d_y}, d = {d}, {n_systems} systems"
    known = "closed form of the covariance that was sampled"
    return Problem(name, size, partial(samples, kind, d_y, d, n_systems), partial(_truth, kind, d_y, d), known)


PROBLEMS = (
    _problem("redundant", 5, 5, 4, "tiny"),
    _problem("redundant", 10, 10, 10, "small"),
    *(
        _problem(kind, d_y, d, 40, "full")
        for kind, d_y, d in (
            ("mixed", 5, 10),
            ("mixed", 10, 10),
            ("mixed", 5, 50),
            ("redundant", 10, 10),
            ("redundant", 5, 50),
            ("unique", 5, 50),
            ("null", 5, 50),
        )
    ),
)

FAMILY = Family(
    PROBLEMS,
    Asks(Gaussian, "BROJA of Gaussian variables"),
    section="atoms",
    settings=({"debias": "none"}, {"debias": "venkatesh"}, {"debias": "bootstrap"}, {}),
)
