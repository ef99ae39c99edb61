"""Small tables that are hard to certify: thousands of random ones, and a set made to break solvers.

Both sets have 2 to 5 target values and 2 to 11 cells per source. A member depends on the seed and its own number only,
so that member 17 is the same table whether 20 or 20,000 are drawn.

- ``random_set``: gamma masses with a shape from 0.05 to 10 (log-uniform) on 20 to 100 % of the cells; every second
  table is a histogram of 30 to 3,000 samples of such a one.
- ``nasty_set``: five kinds in turn, see ``NASTY``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.benchmarks.problems import Asks, Family, Problem
from pidkd.inputs import Pmf
from pidkd.synthetic import histogram, random_pmf


def random_set(n: int, seed: int = 0) -> Iterator[Pmf]:
    """Draw ``n`` ordinary random tables, every second one a histogram."""
    for member in range(n):
        rng = np.random.default_rng((seed, 0, member))
        pmf = _gamma(rng)
        yield histogram(pmf, int(_log_uniform(rng, 30, 3000)), rng) if member % 2 else pmf


def nasty_set(n: int, seed: int = 0) -> Iterator[Pmf]:
    """Draw ``n`` tables of the kinds in ``NASTY``, in turn."""
    kinds = list(NASTY.values())
    for member in range(n):
        yield kinds[member % len(kinds)](np.random.default_rng((seed, 1, member)))


def _log_normal(rng: np.random.Generator) -> Pmf:
    mass = 10.0 ** rng.normal(0.0, 5.0, _shape(rng))
    return Pmf(_thinned(mass, rng), normalise=True)


def _tiny_counts(rng: np.random.Generator) -> Pmf:
    return histogram(_gamma(rng), int(rng.integers(3, 30)), rng)


def _near_equal_posteriors(rng: np.random.Generator) -> Pmf:
    """Cells in at most three groups per source; within a group the posteriors agree to 1e-8."""
    n_y, n_t, n_s = _shape(rng)
    n_groups = (int(rng.integers(1, min(3, n_t) + 1)), int(rng.integers(1, min(3, n_s) + 1)))
    coarse = random_pmf((n_y, *n_groups), _log_uniform(rng, 0.05, 10.0), rng=rng).p
    fine = coarse[:, rng.integers(n_groups[0], size=n_t)][:, :, rng.integers(n_groups[1], size=n_s)]
    weight = np.outer(rng.gamma(1.0, size=n_t), rng.gamma(1.0, size=n_s))
    return Pmf(fine * weight * (1.0 + 1e-8 * rng.normal(size=fine.shape)), normalise=True)


def _near_deterministic(rng: np.random.Generator) -> Pmf:
    """Y a function of (T, S), with every cell of the table raised by about 1e-12."""
    n_y, n_t, n_s = _shape(rng)
    mass = 1e-12 * rng.gamma(1.0, size=(n_y, n_t, n_s))
    t, s = np.indices((n_t, n_s))
    mass[rng.integers(n_y, size=(n_t, n_s)), t, s] += rng.gamma(_log_uniform(rng, 0.2, 10.0), size=(n_t, n_s))
    return Pmf(mass, normalise=True)


def _many_decades(rng: np.random.Generator) -> Pmf:
    """Cells of both sources, and the classes, with masses over twelve decades."""
    shape = _shape(rng)
    p = random_pmf(shape, _log_uniform(rng, 0.05, 10.0), rng=rng).p
    y, t, s = (10.0 ** rng.uniform(-12.0 if axis else -4.0, 0.0, size) for axis, size in enumerate(shape))
    return Pmf(_thinned(p * y[:, None, None] * t[:, None] * s, rng), normalise=True)


NASTY: dict[str, Callable[[np.random.Generator], Pmf]] = {
    "log-normal": _log_normal,
    "tiny counts": _tiny_counts,
    "near-equal posteriors": _near_equal_posteriors,
    "near-deterministic": _near_deterministic,
    "many decades": _many_decades,
}
"""The kinds of ``nasty_set``: masses log-normal with two standard deviations at 1e-10 and 1e10; histograms of 3 to 29
samples; posteriors 1e-8 apart; a deterministic target plus noise of 1e-12; rows over twelve decades."""


def _gamma(rng: np.random.Generator) -> Pmf:
    return random_pmf(_shape(rng), _log_uniform(rng, 0.05, 10.0), rng.uniform(0.2, 1.0), rng)


def _shape(rng: np.random.Generator) -> tuple[int, int, int]:
    return int(rng.integers(2, 6)), int(rng.integers(2, 12)), int(rng.integers(2, 12))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _thinned(mass: FloatArray, rng: np.random.Generator) -> FloatArray:
    """20 to 100 % of the cells, the heaviest always among them."""
    keep = rng.random(mass.shape) < rng.uniform(0.2, 1.0)
    keep.flat[mass.argmax()] = True
    return np.where(keep, mass, 0.0)


PROBLEMS = (
    Problem("random 30", "tiny", lambda: list(random_set(30))),
    Problem("random 300", "small", lambda: list(random_set(300))),
    Problem("nasty 300", "small", lambda: list(nasty_set(300))),
    Problem("random 20,000", "full", lambda: list(random_set(20_000))),
    Problem("nasty 10,000", "full", lambda: list(nasty_set(10_000))),
)

FAMILY = Family(PROBLEMS, Asks(Pmf, "BROJA", peers=False))
