r"""The union decomposition of jointly Gaussian variables, in closed form, from four conditional covariances.

With :math:`C_t = \mathrm{Cov}(Y|T)` and :math:`C_s = \mathrm{Cov}(Y|S)`, the union information is that of the largest
ellipsoid below both, :math:`I_\cup = \tfrac12 \log\det\mathrm{Cov}(Y) - \tfrac12 \max\{\log\det C : C \preceq C_t,
C \preceq C_s\}`. In the basis A that diagonalises both, :math:`C_t = A A^\top` and :math:`C_s = A V^2 A^\top`, the
maximum is :math:`A \min(1, V)^2 A^\top`. Covariances come and go as factors L, C = L L^T; leading axes are a batch.
What knows a batch also takes torch tensors, wherever they are, and then gives tensors.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.result import Information


class Conditionals(NamedTuple):
    """Square factors of the covariance of Y given nothing, T, S, and both; each of shape (..., d_y, d_y)."""

    nothing: FloatArray
    t: FloatArray
    s: FloatArray
    both: FloatArray


class Split(NamedTuple):
    """The three informations and the four atoms, in nats; numbers, or arrays over the batch."""

    mi_t: FloatArray
    mi_s: FloatArray
    mi: FloatArray
    redundant: FloatArray
    unique_t: FloatArray
    unique_s: FloatArray
    synergistic: FloatArray

    @property
    def atoms(self) -> FloatArray:
        """The four atoms, in the order of ``ATOMS``, on a new last axis."""
        return np.stack([self.redundant, self.unique_t, self.unique_s, self.synergistic], axis=-1)

    @property
    def information(self) -> Information:
        """I(Y;T), I(Y;S) and I(Y;T,S), where there is no batch."""
        return Information(float(self.mi_t), float(self.mi_s), float(self.mi))


def conditionals(cov: FloatArray, dims: tuple[int, int, int]) -> tuple[Conditionals, FloatArray]:
    """Factors by Cholesky, and how far the covariance is from singular.

    Parameters
    ----------
    cov : array, shape (..., d, d)
        Ordered (y, t, s).
    dims : tuple of int

    Returns
    -------
    tuple
        The factors, and the smallest share of a variable's variance that those before it leave over, shape (...).

    Raises
    ------
    LinAlgError
        When a member is singular to rounding; a tensor's member then leaves over nothing, and its factors are void.
    """
    xp = _namespace(cov)
    d_y, d_t, _ = dims
    rolled = xp.roll(cov, (-d_y, -d_y), (-2, -1))  # t, s, y
    whole = _cholesky(rolled)
    of_y = whole[..., -d_y:, d_t:]  # what t leaves over of y: in s, and in itself
    of_s = _cholesky(rolled[..., d_t:, d_t:])
    factors = Conditionals(
        nothing=_cholesky(cov[..., :d_y, :d_y]),
        t=_cholesky(of_y @ of_y.swapaxes(-1, -2)),
        s=of_s[..., -d_y:, -d_y:],
        both=whole[..., -d_y:, -d_y:],
    )
    return factors, xp.amin(whole.diagonal(0, -2, -1) ** 2 / rolled.diagonal(0, -2, -1), -1)


def decomposed(known: Conditionals) -> Split:
    """The closed form where no conditional covariance is singular."""
    nothing, t, s, both = (_log_determinant(factor) for factor in known)
    xp = _namespace(known.t)
    logs = xp.log(_singular_values(xp.linalg.solve(known.t, known.s)))
    unique_t, unique_s = (xp.where(part > 0, part, 0.0).sum(axis=-1) for part in (logs, -logs))
    mi_t, mi_s, mi = nothing - t, nothing - s, nothing - both
    return Split(mi_t, mi_s, mi, mi_t - unique_t, unique_t, unique_s, mi - mi_s - unique_t)


def decomposed_singular(known: Conditionals, tolerance: float) -> Split:
    r"""The same where T, S or both may determine directions of Y: information may be infinite, and no atom undefined.

    The factors are relative to a white Y. Directions that both sources determine make the redundancy infinite; on the
    others, with :math:`C_t + C_s` as the metric, :math:`\mathrm{Red} = -\tfrac12\log\det A \max(c_t, c_s) A^\top`.
    """
    spread, size, _ = np.linalg.svd(np.concatenate([known.t, known.s], axis=1), full_matrices=False)
    kept = size > tolerance
    frame, size = spread[:, kept], size[kept]
    in_t, in_s = (frame.T @ factor / size[:, None] for factor in (known.t, known.s))
    axes, c_t, _ = np.linalg.svd(in_t)
    c_s = np.linalg.norm(axes.T @ in_s, axis=1)
    c_t, c_s = (np.where(c > tolerance, c, 0.0) for c in (c_t, c_s))
    with np.errstate(divide="ignore"):
        larger, log_t, log_s = np.log(np.maximum(c_t, c_s)), np.log(c_t), np.log(c_s)
    redundant = -np.log(size).sum() - larger.sum() if kept.all() else math.inf
    unique_t, unique_s = (larger - log_t).sum(), (larger - log_s).sum()
    smaller = np.minimum(c_t, c_s)
    union = _singular_values(frame @ (size[:, None] * axes * smaller)[:, smaller > 0])
    both = _singular_values(known.both)
    both = both[both > tolerance]
    # Given T and S, Y must be undetermined wherever it is so under the union; the ratio is that of the ellipsoids.
    synergistic = np.log(union).sum() - np.log(both).sum() if len(both) == len(union) else math.inf
    mi_t, mi_s, mi = (_information(factor, tolerance) for factor in known[1:])
    return Split(*map(np.asarray, (mi_t, mi_s, mi, redundant, unique_t, unique_s, synergistic)))


def bracket(known: Conditionals) -> tuple[FloatArray, FloatArray]:
    r"""Proven lower and upper bound of :math:`\mathrm{Uni}(Y:T\setminus S)` in nats, apart from the closed form.

    Upper: a C that lies below both, scaled until it does; by Douglas' lemma it is a coupling of T and S. Lower: weak
    duality, :math:`\log\det C \le \mathrm{tr}(Z_t C_t) + \mathrm{tr}(Z_s C_s) - \log\det(Z_t + Z_s) - d_y` for any
    positive semidefinite pair Z.
    """
    xp = _namespace(known.t)
    d_y = known.t.shape[-1]
    left, v, _ = xp.linalg.svd(xp.linalg.solve(known.t, known.s))
    basis = known.t @ left
    below = basis * xp.where(v < 1, v, 1.0)[..., None, :]
    excess = [_singular_values(xp.linalg.solve(factor, below))[..., 0] for factor in (known.t, known.s)]
    most = xp.maximum(*excess)
    scale = xp.log(xp.where(most > 1, most, 1.0))
    given_s = _log_determinant(known.s)
    upper = given_s - xp.linalg.slogdet(below)[1] + d_y * scale
    inverse = xp.linalg.inv(basis)
    z_t = xp.where(v >= 1, v**0, 0.0)[..., None] * inverse
    z_s = xp.where(v < 1, 1.0 / v, 0.0)[..., None] * inverse
    trace = sum(((z @ factor) ** 2).sum(axis=(-2, -1)) for z, factor in ((z_t, known.t), (z_s, known.s)))
    log_z = xp.linalg.slogdet(z_t + z_s)[1]
    return given_s - (trace - d_y) / 2 + log_z, upper


def on_device(cov: FloatArray, device: str) -> Any:
    """The covariances as a tensor on an accelerator, or as they are."""
    if device == "cpu":
        return cov
    import torch

    return torch.as_tensor(cov, device=device)


def _namespace(values: Any) -> Any:
    """Numpy or torch, whichever the values are of."""
    if isinstance(values, np.ndarray | np.generic):
        return np
    import torch

    return torch


def _cholesky(matrices: Any) -> Any:
    if not isinstance(matrices, np.ndarray):
        factors, info = _namespace(matrices).linalg.cholesky_ex(matrices)
        factors[info > 0] = 0.0
        return factors
    if matrices.ndim > 2:
        return np.asarray(np.linalg.cholesky(matrices), dtype=np.float64)
    from scipy.linalg import cholesky  # twice as fast on one matrix, and knows no batch

    return np.asarray(cholesky(matrices, lower=True, check_finite=False), dtype=np.float64)


def _singular_values(matrix: Any) -> Any:
    if isinstance(matrix, np.ndarray):
        return np.linalg.svd(matrix, compute_uv=False)
    return _namespace(matrix).linalg.svdvals(matrix)


def _log_determinant(factor: Any) -> Any:
    return _namespace(factor).log(abs(factor.diagonal(0, -2, -1))).sum(axis=-1)


def _information(factor: FloatArray, tolerance: float) -> float:
    values = _singular_values(factor)
    return math.inf if values[-1] <= tolerance else 0.0 - float(np.log(values).sum())
