r"""Minimum mutual information of jointly Gaussian variables: :math:`\mathrm{Red} = \min\{I(Y;T), I(Y;S)\}`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.errors import Argument, InputError
from pidkd.estimators.solvers.gaussian.closed_form import Conditionals, conditionals, decomposed
from pidkd.estimators.solvers.gaussian.factor import (
    bases,
    conditionals_of,
    covariance_root,
    rank_tolerance,
    scatter_root,
    widths,
)
from pidkd.estimators.solvers.gaussian.wishart import fluctuating, information_bias
from pidkd.inputs import Activations, Gaussian
from pidkd.pid import Raw
from pidkd.result import ATOMS, Certificate, Information

SQUARED = 1e-10
"""Least share of a variance up to which sample covariances, which are squares, are drawn."""


@dataclass(frozen=True)
class Sampling:
    """Treatment of the sampling of a covariance: correction of its bias, draws for the interval, its level."""

    debias: bool
    n_draws: int
    level: float
    seed: int


def minimum_information(data: Gaussian | Activations, sampling: Sampling) -> Raw:
    """MMI atoms of a covariance, or of samples.

    Raises
    ------
    InputError
        When a target is constant, or the samples are fewer than the columns.
    """
    if isinstance(data, Activations):
        return _of_samples(data, sampling)
    d_y, d_t, d_s = data.dims
    dims = (d_y, d_t, d_s)
    try:
        known, left = conditionals(data.cov, dims)
        regular = bool(left > data.tolerance)
    except np.linalg.LinAlgError:
        regular = False
    if not regular:
        tolerance = max(data.tolerance, 1e-15) ** 0.5
        singular = conditionals_of(bases(covariance_root(data.cov), dims, tolerance))
        return _singular(singular, tolerance, "closed form of singular covariances")
    plain = decomposed(known).information
    if data.n_samples is None:
        return _raw(plain, "closed form")
    return _corrected(plain, data.cov, dims, data.n_samples, sampling)


def _of_samples(data: Activations, sampling: Sampling) -> Raw:
    blocks = [data.y, data.t, data.s]
    tolerance = rank_tolerance(blocks)
    columns = bases(scatter_root(blocks), widths(blocks), tolerance)
    d_y, d_t, d_s, both = (basis.shape[1] for basis in columns)
    if not d_y:
        raise InputError(Argument("decompose", "y"), "a target that varies", "a constant one")
    if data.n_samples <= d_y + both:
        expected = f"more samples than the {sum(widths(blocks))} columns of y, t and s"
        hint = "any such data look deterministic; reduce the dimensions"
        raise InputError(Argument("decompose", "y, t, s"), expected, f"{data.n_samples}", hint)
    known = conditionals_of(columns)
    if not min(d_t, d_s) or both < d_t + d_s or np.linalg.svd(known.both, compute_uv=False)[-1] <= tolerance:
        return _singular(known, tolerance, "closed form of singular covariances, not corrected for bias")
    joint = np.concatenate(columns[:3], axis=1)
    return _corrected(decomposed(known).information, joint.T @ joint, (d_y, d_t, d_s), data.n_samples, sampling)


def _corrected(
    plain: Information, cov: FloatArray, dims: tuple[int, int, int], n_samples: int, sampling: Sampling
) -> Raw:
    """Atoms without the exact bias of the three informations, and intervals from drawn sample covariances."""
    d_y, d_t, d_s = dims
    known, message = plain, "closed form of the sample covariance"
    if sampling.debias:
        less = [
            value - information_bias(n_samples, d_y, d) for value, d in zip(plain, (d_t, d_s, d_t + d_s), strict=True)
        ]
        mi_t, mi_s = max(0.0, less[0]), max(0.0, less[1])
        known = Information(mi_t, mi_s, max(mi_t, mi_s, less[2]))
        message += ", its informations corrected for bias; see interval"
    raw = _raw(known, message)
    if conditionals(cov, dims)[1] <= SQUARED:
        return raw
    drawn = fluctuating(cov, dims, n_samples, sampling.n_draws, sampling.seed)
    red, unique_t, unique_s, _ = drawn.T
    mi_t, mi_s, mi = red + unique_t, red + unique_s, drawn.sum(axis=1)
    least = np.minimum(mi_t, mi_s)
    atoms = np.column_stack([least, mi_t - least, mi_s - least, mi - np.maximum(mi_t, mi_s)])
    # Information varies more the more there is, so that its draws are skewed as its sampling distribution is.
    tails = np.quantile(atoms - atoms.mean(axis=0), [(1 - sampling.level) / 2, (1 + sampling.level) / 2], axis=0)
    # No atom is negative. One that is zero in most draws would otherwise have an interval that lies below zero.
    low, high = np.maximum(np.array(list(_atoms(known).values())) + tails, 0.0)
    before = _atoms(plain)
    return Raw(
        raw.unique_t,
        known,
        raw.certificate,
        interval={name: (float(low[i]), float(high[i])) for i, name in enumerate(ATOMS)},
        se=dict(zip(ATOMS, atoms.std(axis=0, ddof=1).tolist(), strict=True)),
        bias={name: before[name] - value for name, value in _atoms(known).items()} if sampling.debias else None,
        atoms=raw.atoms,
    )


def _singular(known: Conditionals, tolerance: float, message: str) -> Raw:
    """Atoms where sources determine directions of the target, as limits of ever smaller noise.

    Each determined direction adds the same infinite amount, so that informations are compared by their number first.
    """
    t, s, both = (_sizes(factor, tolerance) for factor in (known.t, known.s, known.both))
    weak, strong = sorted((t, s))
    atoms = {
        "redundant": math.inf if weak[0] else weak[1],
        "unique_t": _difference(t, weak),
        "unique_s": _difference(s, weak),
        "synergistic": _difference(both, strong),
    }
    information = Information(*(math.inf if one[0] else one[1] for one in (t, s, both)))
    return _raw(information, message, atoms)


def _sizes(factor: FloatArray, tolerance: float) -> tuple[int, float]:
    """Number of determined directions, and the information about the others in nats."""
    values = np.linalg.svd(factor, compute_uv=False)
    return int((values <= tolerance).sum()), 0.0 - float(np.log(values[values > tolerance]).sum())


def _difference(one: tuple[int, float], other: tuple[int, float]) -> float:
    return math.inf if one[0] > other[0] else one[1] - other[1]


def _atoms(known: Information) -> dict[str, float]:
    least, most = min(known.t, known.s), max(known.t, known.s)
    return dict(zip(ATOMS, (least, known.t - least, known.s - least, known.both - most), strict=True))


def _raw(known: Information, message: str, atoms: Mapping[str, float] | None = None) -> Raw:
    atoms = atoms or _atoms(known)
    return Raw(
        atoms["unique_t"], known, Certificate(atoms["unique_t"], atoms["unique_t"], "exact", message), atoms=atoms
    )
