r"""Rigorous bounds on BROJA's optimum, from any plan and any potentials.

With target Y, sources T and S, and :math:`\Delta_P` the joints that share the pair marginals of P, the union
information is

.. math::

    I_\cup = \min_{Q \in \Delta_P} I_Q(Y;T,S)
           = H(Y) + \max_{a,b} \{ \langle P_{yt}, a \rangle + \langle P_{ys}, b \rangle :
             \mathrm{LSE}_y(a_{yt} + b_{ys}) \le 0 \;\forall t,s \}

and :math:`\mathrm{Uni}(Y:T\setminus S) = I_\cup - I(Y;S)`. Rounding makes a plan feasible for the minimum, shifting
makes potentials feasible for the maximum; their values then bound the optimum on both sides, whoever computed them.
All values are in nats.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pidkd.arrays import FloatArray

BLOCK_ENTRIES = 2**22
"""Entries of a (t-block, y, s) array held at a time, so that bounds need little memory beyond the plan."""


class Potentials(NamedTuple):
    """Dual variables: a, shape (n_y, n_t), and b, shape (n_y, n_s); -inf where the pair marginal is zero."""

    a: FloatArray
    b: FloatArray


class Bounds(NamedTuple):
    r"""Proven :math:`\mathrm{lower} \le \mathrm{Uni}(Y:T\setminus S) \le \mathrm{upper}`, with their witnesses."""

    lower: float
    upper: float
    plan: FloatArray
    potentials: Potentials


def bounds(p: FloatArray, plan: FloatArray, potentials: tuple[FloatArray, FloatArray]) -> Bounds:
    r"""Bounds on Uni(Y:T\S) of the table ``p`` from any plan >= 0 and any potentials.

    Parameters
    ----------
    p, plan : array, shape (n_y, n_t, n_s)
    potentials : pair of arrays, shapes (n_y, n_t) and (n_y, n_s)
        Not finite where nothing is known: the lower bound is then the trivial one.

    Returns
    -------
    Bounds
        In nats, with the feasible plan and potentials that prove them.
    """
    lower, upper, rounded, shifted = bounds_of_many(p, plan, potentials)
    return Bounds(float(lower), float(upper), rounded, shifted)


def bounds_of_many(
    p: FloatArray, plan: FloatArray, potentials: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray, FloatArray, Potentials]:
    """The same for tables of shape (..., n_y, n_t, n_s): lower, upper, plans and potentials."""
    p_yt, p_ys = p.sum(axis=-1), p.sum(axis=-2)
    rounded = feasible_plan(p_yt, p_ys, plan)
    offset = conditional_entropy(p_ys)
    candidates = list(trivial_potentials(p_yt, p_ys))
    in_t, in_s = (
        (np.isfinite(v) | (m <= 0)).all(axis=(-2, -1), keepdims=True)
        for v, m in zip(potentials, (p_yt, p_ys), strict=True)
    )
    own = [np.where(in_t & in_s, v, 0.0) for v in potentials]
    candidates.append(feasible_potentials(p_yt, p_ys, Potentials(*own)))
    values = np.stack([dual_value(p_yt, p_ys, pair) for pair in candidates])
    best = values.argmax(axis=0)[None, ..., None, None]
    shifted = Potentials(*(np.take_along_axis(np.stack(v), best, 0)[0] for v in zip(*candidates, strict=True)))
    return values.max(axis=0) + offset, primal_value(rounded) + offset, rounded, shifted


def conditional_entropy(p_ys: FloatArray) -> FloatArray:
    r"""H(Y|S), which turns the value of the optimisation into Uni(Y:T\S)."""
    return -primal_value(p_ys[..., None, :])


def primal_value(q: FloatArray) -> FloatArray:
    """The objective sum q log(q / q_ts) = -H_Q(Y|T,S), for q of shape (..., n_y, n_t, n_s)."""
    value = np.zeros(q.shape[:-3])
    for rows in _row_blocks(q.shape):
        block = q[..., rows, :]
        share = np.divide(block, block.sum(axis=-3, keepdims=True), out=np.ones_like(block), where=block > 0)
        value += (block * np.log(share)).sum(axis=(-3, -2, -1))
    return value


def dual_value(p_yt: FloatArray, p_ys: FloatArray, potentials: Potentials) -> FloatArray:
    """The value <P_yt, a> + <P_ys, b>."""
    a, b = (p * np.where(p > 0, v, 0.0) for p, v in zip((p_yt, p_ys), potentials, strict=True))
    value: FloatArray = a.sum(axis=(-2, -1)) + b.sum(axis=(-2, -1))
    return value


def feasible_plan(p_yt: FloatArray, p_ys: FloatArray, plan: FloatArray) -> FloatArray:
    """Round a plan to the exact marginals.

    For every y, rows are scaled down to at most P(y,t), columns to at most P(y,s), and what is missing is added as a
    rank-one table. Shapes (..., n_y, n_t), (..., n_y, n_s) and (..., n_y, n_t, n_s).
    """
    q = np.where(plan > 0, plan, 0.0)
    q *= _capped_ratio(p_yt, q.sum(axis=-1))[..., :, None]
    q *= _capped_ratio(p_ys, q.sum(axis=-2))[..., None, :]
    missing_t = np.maximum(p_yt - q.sum(axis=-1), 0.0)
    missing_s = np.maximum(p_ys - q.sum(axis=-2), 0.0)
    total = np.maximum(missing_t.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)
    q += (missing_t / total)[..., :, None] * missing_s[..., None, :]
    return q


def feasible_potentials(p_yt: FloatArray, p_ys: FloatArray, potentials: Potentials) -> Potentials:
    """Shift potentials until LSE_y(a + b) <= 0 for every (t, s): rows down to it, then columns up again.

    Shapes (..., n_y, n_t) and (..., n_y, n_s).
    """
    a = np.where(p_yt > 0, potentials.a, -np.inf)
    b = np.where(p_ys > 0, potentials.b, -np.inf)
    u = np.zeros((*a.shape[:-2], a.shape[-1]))
    v = np.full((*b.shape[:-2], b.shape[-1]), -np.inf)
    for rows in _row_blocks((*a.shape, b.shape[-1])):
        block = log_sum_exp(a[..., rows, None] + b[..., None, :])
        most = block.max(axis=-1)
        u[..., rows] = np.where(most == -np.inf, 0.0, most)
        v = np.maximum(v, (block - u[..., rows, None]).max(axis=-2))
    v[v == -np.inf] = 0.0
    return Potentials(a - u[..., None, :], b - v[..., None, :])


def trivial_potentials(p_yt: FloatArray, p_ys: FloatArray) -> tuple[Potentials, Potentials]:
    """The feasible potentials that prove I_union >= I(Y;S) and I_union >= I(Y;T): one posterior, and zero."""
    none_t, none_s = np.where(p_yt > 0, 0.0, -np.inf), np.where(p_ys > 0, 0.0, -np.inf)
    with np.errstate(divide="ignore"):
        log_t = np.log(np.divide(p_yt, p_yt.sum(axis=-2, keepdims=True), out=np.zeros_like(p_yt), where=p_yt > 0))
        log_s = np.log(np.divide(p_ys, p_ys.sum(axis=-2, keepdims=True), out=np.zeros_like(p_ys), where=p_ys > 0))
    return Potentials(none_t, log_s), Potentials(log_t, none_s)


def log_sum_exp(z: FloatArray) -> FloatArray:
    """The logarithm of sum_y exp(z), of shape (..., n_y, n_t, n_s), over y; -inf where every entry is."""
    most = z.max(axis=-3)
    most = np.where(np.isfinite(most), most, 0.0)
    with np.errstate(divide="ignore"):
        total: FloatArray = np.log(np.exp(z - most[..., None, :, :]).sum(axis=-3)) + most
    return total


def _capped_ratio(wanted: FloatArray, found: FloatArray) -> FloatArray:
    return np.divide(wanted, found, out=np.ones_like(wanted), where=found > wanted)


def _row_blocks(shape: tuple[int, ...]) -> list[slice]:
    n_y, n_t, n_s = shape[-3:]
    step = max(1, BLOCK_ENTRIES // (n_y * n_s))
    return [slice(start, start + step) for start in range(0, n_t, step)]
