r"""A primal-dual interior point for the union information of two sources or more, many tables at a time.

The dual is :math:`\max \langle P_{yt}, a\rangle + \langle P_{ys}, b\rangle` subject to
:math:`L_{ts} = \mathrm{LSE}_y(a_{yt} + b_{ys}) \le 0`, where with more than two sources s runs over the cells of all
but the largest, and :math:`b_{ys}` is the sum of their potentials. Its multipliers :math:`w_{ts} \ge 0` give the plan
:math:`q = w \cdot \mathrm{softmax}_y(a + b)`. Unknowns are a, b, w and an independent slack :math:`\sigma \ge 0` with
:math:`\sigma + L = 0` in the limit. Eliminating w and sigma from Newton's equations leaves

.. math::

    M = \sum_{ts} E_{ts}^\top [\mathrm{diag}(q) + \theta\, p p^\top] E_{ts}, \qquad
    \theta = w (1/\sigma - 1), \quad p = \mathrm{softmax}_y(a + b)

which a *Newton system* factorises (``newton_cells``, ``newton_classes``, ``newton_extended``). The steps are Mehrotra's
predictor and corrector on the weighted central path :math:`w \sigma = \mu \nu`. What is returned is the best primal and
the best dual point seen, whose bounds are evaluated here on the marginals as given to ``solve``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.estimators.solvers.union.certificate import divided, feasible_plan, flat, primal_value
from pidkd.estimators.solvers.union.iterate import Iterate, Marginals, NewtonSystem, Workspace, apply

MARGIN = 0.995
"""Share of the step to the boundary that is taken, far from the optimum; it tends to one as the gap closes."""
PATIENCE = 50
"""Iterations without progress after which an attempt ends."""
INSIDE = 0.01
"""Least slack of the starting point."""
LARGEST_MOVE = 8.0
"""Largest change of a potential in one step."""
FLOOR = 0.05
"""Complementarity never aims below this share of the tolerance, so that residuals keep shrinking."""


@dataclass
class Best:
    """The best primal and dual points of a batch so far, in the layout of ``Marginals``."""

    upper: FloatArray
    lower: FloatArray
    q: FloatArray
    a: FloatArray
    b: FloatArray
    iterations: Array

    @classmethod
    def start(cls, marginals: Marginals) -> Best:
        """Nothing known yet."""
        n = len(marginals)
        n_t, n_y = marginals.yt.shape[1:]
        return cls(
            np.full(n, np.inf),
            np.full(n, -np.inf),
            np.zeros((n, n_t, n_y, math.prod(marginals.sizes))),
            np.zeros((n, n_t, n_y)),
            np.zeros_like(marginals.ys),
            np.zeros(n, dtype=np.int64),
        )

    @property
    def gap(self) -> FloatArray:
        """The certified gaps."""
        return self.upper - self.lower


@dataclass(frozen=True)
class Attempt:
    """Settings of one run: Newton system, central path, step limits, iterations."""

    system: Callable[[Iterate, Workspace], NewtonSystem]
    weights: Literal["product", "root"] = "product"
    clip: bool = False
    refine: bool = False
    caution: float = 0.1
    iterations: int = 300


@np.errstate(all="ignore")  # an attempt may break down in overflow; its gap then stays open, and the next takes over
def solve(marginals: Marginals, best: Best, tol: float, attempt: Attempt) -> None:
    """Run one attempt on every member whose gap exceeds ``tol`` (nats); what is found goes into ``best``."""
    members = np.flatnonzero(~(best.gap <= tol))
    active = marginals.take(members)
    a, b, w, sigma, nu = _start(active, attempt.weights)
    workspace = Workspace()
    least, stale = np.full(len(members), np.inf), np.zeros(len(members))
    for _ in range(attempt.iterations):
        total, p = _softmax(a, active.over_cells(b))
        total[w == 0] = -1.0
        point = Iterate(active, total, p, w, sigma)
        gap = (w * sigma).sum(axis=(1, 2))
        best.iterations[members] += 1
        _record(best, members, point, a, b, gap, tol)
        reached = np.minimum(gap, best.gap[members])
        stale = np.where(reached < 0.9 * least, 0, stale + 1)
        least = np.where(stale == 0, reached, least)
        alive = ~(best.gap[members] <= tol) & np.isfinite(gap) & (stale < PATIENCE)
        if not alive.all():
            if not alive.any():
                return
            members, a, b, nu, gap, least, stale = (v[alive] for v in (members, a, b, nu, gap, least, stale))
            point = point.take(alive)
            active = point.marginals
        a, b, w, sigma = _step(point, a, b, nu, gap, tol, attempt, workspace)


def _start(marginals: Marginals, weights: str) -> tuple[FloatArray, ...]:
    """The conditionally independent plan, its slack, and the weights of the path: primal and dual feasible.

    Divided by the masses of the cells, w is near one throughout, and so the slack near constant.
    """
    a, b = marginals.a, marginals.b
    w = np.matmul(np.exp(a), np.exp(marginals.over_cells(b)))
    absent = w == 0
    a, b = a - marginals.log_t[:, :, None], b - marginals.log_s[:, None, :]
    total, _ = _softmax(a, marginals.over_cells(b))
    excess = np.where(absent, -np.inf, total).max(axis=(1, 2))[:, None, None] + INSIDE
    nu = {"product": w, "root": np.sqrt(w)}[weights]
    return a - excess, b, w, np.where(absent, 1.0, excess - total), nu / nu.sum(axis=(1, 2), keepdims=True)


def _softmax(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """LSE_y(a + b) and softmax_y(a + b) with b over cells s; a block without any y has -inf and zeros."""
    p = np.exp(a[:, :, :, None] + b[:, None, :, :])
    total = p.sum(axis=2)
    p /= np.where(total > 0, total, 1.0)[:, :, None, :]
    return np.log(total), p


def _step(
    point: Iterate,
    a: FloatArray,
    b: FloatArray,
    nu: FloatArray,
    gap: FloatArray,
    tol: float,
    attempt: Attempt,
    workspace: Workspace,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Mehrotra's predictor, corrector and step."""
    system = attempt.system(point, workspace)
    w, sigma, residual = point.w, point.sigma, point.sigma + point.total
    r_a = point.marginals.yt - point.q_t
    r_b = point.marginals.ys - point.q_s

    def direction(target: FloatArray) -> tuple[FloatArray, ...]:
        weight = (target + w * residual) / sigma
        less_a, less_b = point.sums(point.p * weight[:, :, None, :])
        f_a, f_b = r_a - less_a, r_b - less_b
        da, db = system.solve(f_a, f_b)
        if attempt.refine:
            da, db = _refined(point, system, f_a, f_b, da, db)
        moved = point.moved(da, db)
        moved *= point.p
        d_sigma = -moved.sum(axis=2) - residual
        return da, db, (target - w * d_sigma) / sigma, d_sigma

    _, _, dw, d_sigma = direction(-w * sigma)
    reach = np.minimum(1.0, _ratio(point, dw, d_sigma))[:, None, None]
    ahead = ((w + reach * dw) * (sigma + reach * d_sigma)).sum(axis=(1, 2))
    centring = np.maximum((ahead / gap) ** 3, 1e-6)
    # complementarity no further ahead of feasibility than this, or the curvature of L sends the iterates in circles
    behind = attempt.caution * (w * np.abs(residual)).sum(axis=(1, 2))
    aim = np.maximum(np.maximum(centring * gap, behind), FLOOR * tol)[:, None, None] * nu
    damping = np.where(reach < 0.1, reach**2, 1.0)
    da, db, dw, d_sigma = direction(aim - w * sigma - damping * dw * d_sigma)

    step = np.minimum(1.0, np.maximum(MARGIN, 1.0 - gap) * _ratio(point, dw, d_sigma))
    if not attempt.clip:
        largest = np.maximum(np.abs(da).max(axis=(1, 2)), np.abs(db).max(axis=(1, 2)))
        step = np.minimum(step, LARGEST_MOVE / np.maximum(largest, LARGEST_MOVE * 1e-3))
    step = step[:, None, None]
    da, db = step * da, step * db
    if attempt.clip:
        da, db = np.clip(da, -LARGEST_MOVE, LARGEST_MOVE), np.clip(db, -LARGEST_MOVE, LARGEST_MOVE)
    return a + da, b + db, w + step * dw, sigma + step * d_sigma


def _refined(
    point: Iterate, system: NewtonSystem, f_a: FloatArray, f_b: FloatArray, da: FloatArray, db: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """One step of iterative refinement, kept for the members whose residual falls."""

    def residual(da: FloatArray, db: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        g_a, g_b = apply(point, da, db)
        g_a, g_b = f_a - g_a, f_b - g_b
        return g_a, g_b, (g_a**2).sum(axis=(1, 2)) + (g_b**2).sum(axis=(1, 2))

    g_a, g_b, before = residual(da, db)
    more_a, more_b = system.solve(g_a, g_b)
    better_a, better_b = da + more_a, db + more_b
    better = (residual(better_a, better_b)[2] < before)[:, None, None]
    return np.where(better, better_a, da), np.where(better, better_b, db)


def _ratio(point: Iterate, dw: FloatArray, d_sigma: FloatArray) -> FloatArray:
    """The longest step that keeps w and sigma non-negative."""
    rate = np.maximum(-dw / np.where(point.w > 0, point.w, 1.0), -d_sigma / point.sigma).max(axis=(1, 2))
    longest: FloatArray = 1.0 / np.maximum(rate, np.finfo(np.float64).tiny)
    return longest


def _record(
    best: Best, members: Array, point: Iterate, a: FloatArray, b: FloatArray, gap: FloatArray, tol: float
) -> None:
    """Bound the optimum from this point where it is near enough to matter."""
    near = np.flatnonzero(gap < 1e3 * tol)
    if near.size:
        _record_dual(best, members, near, point, a, b)
    near = np.flatnonzero(gap < 30 * tol)
    if near.size:
        _record_primal(best, members, near, point)


def _record_dual(best: Best, members: Array, near: Array, point: Iterate, a: FloatArray, b: FloatArray) -> None:
    marginals, total = point.marginals, point.total[near]
    u = total.max(axis=2)
    v = (total - u[:, :, None]).max(axis=1)
    shift = np.concatenate(divided(v, marginals.sizes), axis=1)
    a, b = a[near] - u[:, :, None], b[near] - shift[:, None, :]
    value = np.where(marginals.off_t[near], 0.0, marginals.yt[near] * a).sum(axis=(1, 2))
    value += np.where(marginals.off_s[near], 0.0, marginals.ys[near] * b).sum(axis=(1, 2))
    better = value > best.lower[members[near]]
    improved = members[near[better]]
    best.lower[improved], best.a[improved], best.b[improved] = value[better], a[better], b[better]


def _record_primal(best: Best, members: Array, near: Array, point: Iterate) -> None:
    marginals = point.marginals
    margins = marginals.yt[near].transpose(0, 2, 1), *marginals.split(marginals.ys[near])
    q = point.q[near].transpose(0, 2, 1, 3)
    n, n_y, n_t, _ = q.shape
    rounded = flat(feasible_plan(margins, q.reshape(n, n_y, n_t, *marginals.sizes)), len(margins))
    value = primal_value(rounded)
    better = value < best.upper[members[near]]
    improved = members[near[better]]
    best.upper[improved], best.q[improved] = value[better], rounded.transpose(0, 2, 1, 3)[better]
