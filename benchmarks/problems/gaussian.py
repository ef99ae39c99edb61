"""Gaussian systems by dimension: random channels from d_Y target variables to sources of d variables each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from pidkd.benchmarks.problems import Asks, Family, Problem, Size, certified_truth
from pidkd.inputs import Gaussian


def channels(d_y: int, d: int, n: int = 1) -> Sequence[Gaussian]:
    """Gains of variance 1 / d_Y, and independent unit noises; S sees half as clearly."""
    systems = []
    for seed in range(n):
        gains = np.random.default_rng((seed, 29)).normal(size=(2 * d, d_y)) / np.sqrt(d_y)
        gains[d:] *= 0.5
        cov = np.block([[np.eye(d_y), gains.T], [gains, gains @ gains.T + np.eye(2 * d)]])
        systems.append(Gaussian(cov, (d_y, d, d)))
    return systems


def _problem(d_y: int, d: int, axis: str) -> Problem:
    size: Size = "tiny" if d_y == 2 and d == 10 else "small" if d <= 100 else "full"
    value = d if axis.startswith("d,") else d_y
    known = "certified: a feasible primal and a dual value"
    return Problem(f"{axis}: {value}", size, partial(channels, d_y, d), certified_truth, known, (axis, value))


PROBLEMS = (
    *(_problem(2, d, "d, with d_Y = 2") for d in (10,)),
    *(_problem(10, d, "d, with d_Y = 10") for d in (10, 30, 100, 300, 1000)),
    *(_problem(d_y, 100, "d_Y, with d = 100") for d_y in (2, 5, 10, 20, 40, 80)),
    Problem("10,000 systems, d_Y = d = 2", "full", partial(channels, 2, 2, 10_000)),
)

FAMILY = Family(PROBLEMS, Asks(Gaussian, "BROJA of Gaussian variables"), settings=({}, {"confirm": False}))
