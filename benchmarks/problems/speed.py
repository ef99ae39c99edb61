"""Batches, resamples and wide layers. An accelerator is compared with one cor"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from pidkd.benchmarks.problems import Family, Problem, Size
from pidkd.benchmarks.problems.broja import dense
from pidkd.inputs import Activations, Codes, Gaussian, Pmf
from pidkd.uncertainty import Bootstrap


def systems(n: int) -> Sequence[Gaussian]:
    """Random covariances of 16 target variables and 24 of each source."""
    mixing = np.random.default_rng(0).normal(size=(n, 64, 128))
    return Gaussian.stack(mixing @ mixing.swapaxes(1, 2) / 128, (16, 24, 24))


def looks() -> Sequence[Pmf]:
    """5,000 samples of ten classes with two noisy looks at them, counted."""
    rng = np.random.default_rng(0)
    y = rng.integers(10, size=5000)
    t, s = (np.where(rng.random(5000) < right, y, rng.integers(10, size=5000)) for right in (0.8, 0.6))
    return [Codes(y, t, s).pmf()]


def layers(n_samples: int, d: int) -> Sequence[Activations]:
    """Ten classes, seen through noise by two layers of d units."""
    rng = np.random.default_rng(0)
    y = rng.integers(10, size=n_samples)
    t, s = (rng.normal(size=(10, d))[y] / d**0.5 * clear + rng.normal(size=(n_samples, d)) for clear in (4.0, 3.0))
    return [Activations(y, t, s)]


def _resampled(n: int, size: Size) -> Problem:
    return Problem(f"{n:,} bootstrap resamples of (10,10,10)", size, looks, uncertainty=Bootstrap(n))


PROBLEMS = (
    Problem("20 tables (10,10,10)", "tiny", partial(dense, (10, 10, 10), 20)),
    Problem("20 systems (16,24,24)", "tiny", partial(systems, 20)),
    _resampled(20, "tiny"),
    Problem("500 tables (10,10,10)", "small", partial(dense, (10, 10, 10), 500)),
    Problem("500 systems (16,24,24)", "small", partial(systems, 500)),
    _resampled(200, "small"),
    Problem("10,000 tables (10,10,10)", "full", partial(dense, (10, 10, 10), 10_000)),
    Problem("10,000 systems (16,24,24)", "full", partial(systems, 10_000)),
    _resampled(1_000, "full"),
    Problem("layers of 512 + 512 units, 10 classes, 10,000 samples", "full", partial(layers, 10_000, 512)),
)

FAMILY = Family(PROBLEMS, section="speed", names=("auto",))
