"""Venkatesh et al.'s canonical Gaussian systems, and the doubling example to 256 dimensions.

Published are the values that the notebook of the authors' package gpid prints; its solver adds 1e-7 to a diagonal and
stops at small steps, so that a number agrees where it is within 1e-6 bits. Their curves of the doubling example and
of bias print no numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import log2, pi, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from pidkd import Gaussian, decompose
from pidkd.arrays import FloatArray
from pidkd.benchmarks.papers import CLOSED_FORM, Number, Paper, Setting
from pidkd.benchmarks.problems.gaussian_samples import channel
from pidkd.estimators.solvers.gaussian.wishart import sample_covariances
from pidkd.result import ATOMS

SOLVER = 1e-6
"""Bits to which the published solver is trusted."""


def half_log(x: float) -> float:
    """Information of a signal-to-noise ratio of x - 1."""
    return log2(x) / 2


def system(h_t: npt.ArrayLike, h_s: npt.ArrayLike, noise: npt.ArrayLike | None = None) -> Gaussian:
    """White Y, T = H_t Y + N_t, S = H_s Y + N_s, with white noises of this cross-covariance."""
    h_t, h_s = np.atleast_2d(np.asarray(h_t, dtype=float)), np.atleast_2d(np.asarray(h_s, dtype=float))
    cross = np.zeros((len(h_t), len(h_s))) if noise is None else np.asarray(noise)
    h = np.vstack([h_t, h_s])
    white = np.block([[np.eye(len(h_t)), cross], [cross.T, np.eye(len(h_s))]])
    d = h.shape[1]
    return Gaussian(np.block([[np.eye(d), h.T], [h, h @ h.T + white]]), (d, len(h_t), len(h_s)))


def degraded() -> Gaussian:
    """T of gain the root of two, and S = T + noise."""
    gain = sqrt(2)
    return Gaussian(np.array([[1, gain, gain], [gain, 3, 3], [gain, 3, 4]]), (1, 1, 1))


def turned(theta: float) -> FloatArray:
    """Rotation of the plane."""
    return np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])


def numbers(data: Gaussian, printed: str, both: float, unique_t: float, unique_s: float, redundant: float) -> Any:
    """I(Y;T,S) and the four atoms beside their closed forms."""
    result = decompose(data, estimator="gaussian")
    truths = {"redundant": redundant, "unique_t": unique_t, "unique_s": unique_s}
    truths["synergistic"] = both - sum(truths.values())
    order = ("mi", "unique_t", "unique_s", "redundant", "synergistic")
    published = dict(zip(order, printed.split(), strict=True)) if printed else {}
    yield Number("mi", result.mi, published.get("mi"), both, CLOSED_FORM, within=SOLVER)
    for atom in ATOMS:
        bounds = result.bounds(atom)
        value = getattr(result, atom)
        yield Number(atom, value, published.get(atom), truths[atom], CLOSED_FORM, bounds, within=SOLVER)


def doubled(d: int, gain: float) -> Iterator[Number]:
    """Blocks of the two-dimensional example, with each variable rotated at random."""
    rng = np.random.default_rng(d)
    blocks = np.eye(d // 2)
    y, t, s = (np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(3))
    h_t = t @ np.kron(blocks, np.diag([gain, 1.0])) @ y
    h_s = s @ np.kron(blocks, np.diag([1.0, sqrt(2)])) @ y
    low = min(half_log(1 + gain**2), half_log(2))
    scale = d / 2
    both = half_log(1 + gain**2 + 1) + half_log(1 + 1 + 2)
    unique_t = half_log(1 + gain**2) - low
    unique_s = half_log(2) - low + half_log(3) - half_log(2)
    redundant = low + half_log(2)
    yield from numbers(system(h_t, h_s), "", both * scale, unique_t * scale, unique_s * scale, redundant * scale)


N_SAMPLES, N_DRAWS = 200, 20

RULES = {"none": "plug-in", "venkatesh": "the paper's rule", "bootstrap": "bootstrap", "matching": "matching"}
"""What pidkd calls each way to treat the bias of samples."""


def bias(kind: str, d_y: int, d: int) -> Iterator[Number]:
    """Sum of the four absolute errors of atoms of sample covariances, mean and standard error over systems."""
    errors: dict[str, list[float]] = {rule: [] for rule in RULES}
    for seed in range(N_DRAWS):
        exact = channel(kind, d_y, d, seed)
        truth = decompose(exact, estimator="gaussian").atoms
        (cov,) = next(sample_covariances(exact.cov, N_SAMPLES, 1, seed))
        for rule in RULES:
            drawn = Gaussian(cov, exact.dims, n_samples=N_SAMPLES)
            atoms = decompose(drawn, estimator="gaussian", debias=rule, n_draws=50).atoms
            errors[rule].append(sum(abs(atoms[atom] - truth[atom]) for atom in ATOMS))
    for rule, name in RULES.items():
        mean, se = float(np.mean(errors[rule])), float(np.std(errors[rule], ddof=1)) / sqrt(N_DRAWS)
        yield Number(f"sum of errors, {name}", mean, None, 0.0, "no error", (mean - 2 * se, mean + 2 * se))


ROOT = sqrt(2)
UNIQUE = half_log(3) - half_log(2)

SYSTEMS: dict[str, tuple[Gaussian, str, float, float, float, float]] = {
    "orthogonal directions": (
        system([1, 0], [0, 1]),
        "9.999999e-01 5.000000e-01 5.000000e-01 3.606737e-08 -3.606737e-08",
        1.0, 0.5, 0.5, 0.0,
    ),
    "one direction, independent noise": (
        system([1, 0], [ROOT, 0]),
        "1.000000 0.000000 0.292481 0.500000 0.207519",
        1.0, 0.0, UNIQUE, 0.5,
    ),
    "one direction, S is T with more noise": (
        degraded(),
        "7.924812e-01 2.924812e-01 -4.807134e-08 5.000000e-01 -1.849088e-11",
        half_log(3), UNIQUE, 0.0, 0.5,
    ),
    "T sees two directions, S one": (
        system(turned(-pi / 6), [0, 1]),
        "1.292481e+00 5.000000e-01 -3.606737e-08 5.000000e-01 2.924812e-01",
        half_log(6), 0.5, 0.0, 0.5,
    ),
    "gain 2": (
        system(np.diag([2, 1]), np.eye(2)),
        "2.084962e+00 6.609640e-01 -5.768767e-08 1.000000e+00 4.239984e-01",
        half_log(18), half_log(5) - half_log(2), 0.0, 1.0,
    ),
    "gain 0": (
        system(np.diag([0, 1]), np.eye(2)),
        "1.292481 0.000000 0.500000 0.500000 0.292481",
        half_log(6), 0.0, 0.5, 0.5,
    ),
    "gain 1": (
        system(np.eye(2), np.eye(2)),
        "1.584962 0.000000 0.000000 1.000000 0.584962",
        half_log(9), 0.0, 0.0, 1.0,
    ),
    "gain 3": (
        system(np.diag([3, 1]), np.eye(2)),
        "2.522197e+00 1.160964e+00 -6.492057e-08 1.000000e+00 3.612330e-01",
        half_log(33), half_log(10) - half_log(2), 0.0, 1.0,
    ),
    "angle 0": (
        system(np.diag([ROOT, 1]), np.diag([1, ROOT])),
        "2.000000 0.292481 0.292481 1.000000 0.415037",
        2.0, UNIQUE, UNIQUE, 1.0,
    ),
    "right angle": (
        system(np.diag([ROOT, 1]) @ turned(-pi / 2), np.diag([1, ROOT])),
        "1.953445 0.000000 0.000000 1.292481 0.660964",
        half_log(15), 0.0, 0.0, half_log(6),
    ),
}  # fmt: skip
"""System, and printed and true I(Y;T,S), unique information of T and of S, and redundant information."""

PAPER = Paper(
    [
        *(
            Setting(name, "tiny", partial(numbers, *row), "gpid, notebooks/gpid_examples.ipynb")
            for name, row in SYSTEMS.items()
        ),
        *(
            Setting(
                f"doubling example, gain {gain:g}, d = {d}", "tiny" if d < 64 else "small", partial(doubled, d, gain)
            )
            for gain in (1.0, 2.0)
            for d in (2, 8, 32, 128, 256)
        ),
        *(
            Setting(f"bias, {kind} channels, d_Y = 10, d = 10, 200 samples", "small", partial(bias, kind, 10, 10))
            for kind in ("mixed", "redundant")
        ),
    ]
)
