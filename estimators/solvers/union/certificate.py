r"""Rigorous bounds on the union information of any number of sources, from any plan and any potentials.

With target Y, sources X_1 to X_n, and :math:`\Delta_P` the joints that share the pair marginals P(y, x_i), the union
information is

.. math::

    I_\cup = \min_{Q \in \Delta_P} I_Q(Y;X_1,\dots,X_n)
           = H(Y) + \max_{a_1,\dots,a_n} \Big\{ \sum_i \langle P_{y x_i}, a_i \rangle :
             \mathrm{LSE}_y \sum_i a_i(y, x_i) \le 0 \;\forall x_1,\dots,x_n \Big\}

and of two sources T and S, :math:`\mathrm{Uni}(Y:T\setminus S) = I_\cup - I(Y;S)`. Rounding makes a plan feasible for
the minimum, shifting makes potentials feasible for the maximum; their values then bound the optimum on both sides,
whoever computed them. All values are in nats. Arrays of pair marginals and potentials have the shape (..., n_y, m_i),
plans (..., n_y, m_1, .., m_n); leading axes are a batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple, TypeAlias

import numpy as np

from pidkd.arrays import FloatArray

BLOCK_ENTRIES = 2**22
"""Entries of a (t-block, y, s) array held at a time, so that bounds need little memory beyond the plan."""

PerSource: TypeAlias = Sequence[FloatArray]
"""An array of pairs (y, x_i) for each source, such as its pair marginals or its potentials."""


class Potentials(NamedTuple):
    """Dual variables of two sources: a, shape (n_y, n_t), and b, (n_y, n_s); -inf where the pair marginal is zero."""

    a: FloatArray
    b: FloatArray


class Bounds(NamedTuple):
    r"""Proven :math:`\mathrm{lower} \le \mathrm{Uni}(Y:T\setminus S) \le \mathrm{upper}`, with their witnesses."""

    lower: float
    upper: float
    plan: FloatArray
    potentials: Potentials


class UnionBounds(NamedTuple):
    r"""Proven :math:`\mathrm{lower} \le I_\cup \le \mathrm{upper}`, numbers or arrays over a batch, with witnesses."""

    lower: FloatArray
    upper: FloatArray
    plan: FloatArray
    potentials: tuple[FloatArray, ...]


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
    margins = p.sum(axis=-1), p.sum(axis=-2)
    offset = -primal_value(margins[1][..., None, :])  # H(Y|S)
    lower, upper, rounded, shifted = _witnessed(margins, plan, potentials)
    return lower + offset, upper + offset, rounded, Potentials(*shifted)


def union_bounds(margins: PerSource, plan: FloatArray, potentials: PerSource) -> UnionBounds:
    """Bounds on the union information of the pair marginals from any plan >= 0 and any potentials.

    Parameters
    ----------
    margins : sequence of arrays, shape (..., n_y, m_i)
        P(y, x_i) of each source.
    plan : array, shape (..., n_y, m_1, .., m_n)
    potentials : sequence of arrays, shape (..., n_y, m_i)
        Not finite where nothing is known: the lower bound is then the information of one source.
    """
    p_y = margins[0].sum(axis=-1)
    entropy = -(p_y * np.log(np.where(p_y > 0, p_y, 1.0))).sum(axis=-1)
    lower, upper, rounded, shifted = _witnessed(margins, plan, potentials)
    return UnionBounds(lower + entropy, upper + entropy, rounded, shifted)


def _witnessed(
    margins: PerSource, plan: FloatArray, potentials: PerSource
) -> tuple[FloatArray, FloatArray, FloatArray, tuple[FloatArray, ...]]:
    """The dual and the primal value, with the potentials and the plan that have them."""
    rounded = feasible_plan(margins, plan)
    usable = reduce(
        np.logical_and,
        [
            (np.isfinite(v) | (m <= 0)).all(axis=(-2, -1), keepdims=True)
            for v, m in zip(potentials, margins, strict=True)
        ],
    )
    own = feasible_potentials(margins, [np.where(usable, v, 0.0) for v in potentials])
    candidates = [*trivial_potentials(margins), own]
    values = np.stack([dual_value(margins, each) for each in candidates])
    best = values.argmax(axis=0)[None, ..., None, None]
    shifted = tuple(np.take_along_axis(np.stack(v), best, 0)[0] for v in zip(*candidates, strict=True))
    return values.max(axis=0), primal_value(flat(rounded, len(margins))), rounded, shifted


def primal_value(q: FloatArray) -> FloatArray:
    """The objective sum q log(q / q_ts) = -H_Q(Y|T,S), for q of shape (..., n_y, n_t, n_s)."""
    value = np.zeros(q.shape[:-3])
    for rows in _row_blocks(q.shape):
        block = q[..., rows, :]
        share = np.divide(block, block.sum(axis=-3, keepdims=True), out=np.ones_like(block), where=block > 0)
        value += (block * np.log(share)).sum(axis=(-3, -2, -1))
    return value


def dual_value(margins: PerSource, potentials: PerSource) -> FloatArray:
    """The sum of <P(y, x_i), a_i> over the sources."""
    earned = [p * np.where(p > 0, v, 0.0) for p, v in zip(margins, potentials, strict=True)]
    value: FloatArray = reduce(np.add, [each.sum(axis=(-2, -1)) for each in earned])
    return value


def feasible_plan(margins: PerSource, plan: FloatArray) -> FloatArray:
    """Round a plan to the exact marginals.

    Source by source, cells are scaled down to at most P(y, x_i), and what is missing is added for every y as the
    product of what each source lacks.
    """
    n = len(margins)
    q = np.where(plan > 0, plan, 0.0)
    for i, margin in enumerate(margins):
        q *= _along(_capped_ratio(margin, pair_marginal(q, i, n)), i, n)
    lacking = [np.maximum(margin - pair_marginal(q, i, n), 0.0) for i, margin in enumerate(margins)]
    product = _along(lacking[-1], n - 1, n)
    for i, lack in enumerate(lacking[:-1]):  # each by its own total: where they are rounding only, they differ
        total = np.maximum(lack.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)
        product = _along(lack / total, i, n) * product
    q += product
    return q


def feasible_potentials(margins: PerSource, potentials: PerSource) -> tuple[FloatArray, ...]:
    """Shift potentials until LSE_y <= 0 in every cell: the first source down to it, then the others up again."""
    first, *others = (np.where(m > 0, v, -np.inf) for m, v in zip(margins, potentials, strict=True))
    rest = spread(others)
    u = np.zeros((*first.shape[:-2], first.shape[-1]))
    v = np.full((*rest.shape[:-2], rest.shape[-1]), -np.inf)
    for rows in _row_blocks((*first.shape, rest.shape[-1])):
        block = log_sum_exp(first[..., rows, None] + rest[..., None, :])
        most = block.max(axis=-1)
        u[..., rows] = np.where(most == -np.inf, 0.0, most)
        v = np.maximum(v, (block - u[..., rows, None]).max(axis=-2))
    shifts = divided(v, [each.shape[-1] for each in others])
    return first - u[..., None, :], *(each - shift[..., None, :] for each, shift in zip(others, shifts, strict=True))


def trivial_potentials(margins: PerSource) -> list[tuple[FloatArray, ...]]:
    """The feasible potentials that prove I_union >= I(Y;X_i), for each i: its posterior, and zero for the others."""
    zero = [np.where(margin > 0, 0.0, -np.inf) for margin in margins]
    with np.errstate(divide="ignore"):
        logs = [np.log(np.divide(m, m.sum(axis=-2, keepdims=True), out=np.zeros_like(m), where=m > 0)) for m in margins]
    return [(*zero[:i], log, *zero[i + 1 :]) for i, log in reversed(list(enumerate(logs)))]


def spread(parts: PerSource) -> FloatArray:
    """The sums over sources of (..., m_j) arrays, in every cell (x_j, x_k, ..); shape (..., product of all m_j)."""
    total = parts[0]
    for part in parts[1:]:
        total = (total[..., :, None] + part[..., None, :]).reshape(*total.shape[:-1], -1)
    return total


def divided(excess: FloatArray, sizes: Sequence[int]) -> list[FloatArray]:
    """Shifts of each source, at least the negative ``excess`` of every cell together; shape (..., m_j) each.

    Parameters
    ----------
    excess : array, shape (..., product of sizes)
        The largest LSE_y of each cell, at most zero; -inf where no class is.
    sizes : sequence of int
    """
    left = excess.reshape(*excess.shape[:-1], *sizes)
    shifts = []
    for j in range(len(sizes)):
        others = tuple(k - len(sizes) for k in range(len(sizes)) if k != j)
        most = left.max(axis=others) if others else left
        most = np.where(most == -np.inf, 0.0, most)
        left = left - _along(most, j, len(sizes))
        shifts.append(most)
    return shifts


def pair_marginal(q: FloatArray, i: int, n: int) -> FloatArray:
    """The sums of a plan of n sources over all sources but i."""
    total: FloatArray = q.sum(axis=tuple(j - n for j in range(n) if j != i))
    return total


def flat(plan: FloatArray, n: int) -> FloatArray:
    """A plan of n sources with all but the first as one axis, shape (..., n_y, m_1, product of the others)."""
    return plan.reshape(*plan.shape[: plan.ndim - n + 1], math.prod(plan.shape[plan.ndim - n + 1 :]))


def log_sum_exp(z: FloatArray) -> FloatArray:
    """The logarithm of sum_y exp(z), of shape (..., n_y, n_t, n_s), over y; -inf where every entry is."""
    most = z.max(axis=-3)
    most = np.where(np.isfinite(most), most, 0.0)
    with np.errstate(divide="ignore"):
        total: FloatArray = np.log(np.exp(z - most[..., None, :, :]).sum(axis=-3)) + most
    return total


def _along(values: FloatArray, i: int, n: int) -> FloatArray:
    """Values over (..., m_i) with an axis of length one for each other source."""
    return values[(..., *(None,) * i, slice(None), *(None,) * (n - 1 - i))]


def _capped_ratio(wanted: FloatArray, found: FloatArray) -> FloatArray:
    return np.divide(wanted, found, out=np.ones_like(wanted), where=found > wanted)


def _row_blocks(shape: tuple[int, ...]) -> list[slice]:
    n_y, n_t, n_s = shape[-3:]
    step = max(1, BLOCK_ENTRIES // (n_y * n_s))
    return [slice(start, start + step) for start in range(0, n_t, step)]
