r"""A redundancy over a cone, bracketed by triangulating the simplex of posteriors.

On a simplex of the triangulation the convex :math:`\phi` lies below its interpolation from the corners, which turns the
maximisation into a linear program with one part :math:`x_c` of each simplex c: its value is an upper bound, and
:math:`\sum_c \phi(G x_c)` a lower one. Simplices in use are split at the posterior that is used, until both meet.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np
from scipy import sparse

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.redundancy.cone import Bracket, Cone, information_of
from pidkd.estimators.solvers.redundancy.linear_program import maximise

MAX_ROUNDS = 60
UNUSED = 1e-13
"""A simplex whose symbol has less probability than this is not split."""
SAME = 1e-10
"""Barycentric coordinates below this put a posterior on the face opposite to the corner."""


class _Step(NamedTuple):
    """Solution of one linear program: the bounds, and the weights of the corners in each symbol's g = G x."""

    lower: float
    upper: float
    weights: FloatArray
    """Shape (n_cells, n_y)."""


def refined(cone: Cone, tol: float, time_limit: float) -> Bracket:
    """Bounds of the redundancy, within ``tol`` nats of each other unless the time or the rounds are over before."""
    ends = time.perf_counter() + time_limit
    n_y = len(cone.p_y)
    cells = np.eye(n_y)[None]
    lower, upper = 0.0, math.inf
    rounds = 0
    while rounds < MAX_ROUNDS and not upper - lower <= tol:
        left = ends - time.perf_counter()
        step = _solve(cone, cells, left) if left > 0 else None
        if step is None:
            break
        rounds += 1
        lower, upper = max(lower, step.lower), min(upper, step.upper)
        cells = _split(cells, step.weights)
    return Bracket(lower, upper, f"refinement, {rounds} linear programs, {len(cells)} simplices")


def _solve(cone: Cone, cells: FloatArray, seconds: float) -> _Step | None:
    """The program over one triangulation; None when time is over or the solver has no answer."""
    n_cells, n_y = cells.shape[:2]
    n_rows, n = cone.equations.shape
    corner_value = information_of(cells, cone.p_y)
    # For every simplex the columns x (n) and the weights of the corners (n_y); its rows B x = 0 and G x = corners.
    total = sparse.hstack([sparse.eye(n), sparse.csr_matrix((n, n_y))])
    inside = [
        sparse.bmat([[sparse.csr_matrix(cone.equations), None], [sparse.csr_matrix(cone.to_target), -cell.T]])
        if n_rows
        else sparse.hstack([sparse.csr_matrix(cone.to_target), -cell.T])
        for cell in cells
    ]
    matrix = sparse.vstack([sparse.hstack([total] * n_cells), sparse.block_diag(inside)], format="csc")
    rhs = np.concatenate([np.ones(n), np.zeros(n_cells * (n_rows + n_y))])
    value = np.concatenate([np.zeros((n_cells, n)), corner_value], axis=1).ravel()
    optimum = maximise(value, matrix, rhs, seconds)
    if optimum is None:
        return None
    parts = optimum.x.reshape(n_cells, n + n_y)
    upper = _proven_upper(cone, cells, corner_value, optimum.prices)
    return _Step(_proven_lower(cone, parts[:, :n]), upper, parts[:, n:])


def _proven_lower(cone: Cone, x: FloatArray) -> float:
    """The information of the symbols that the program found, less what its rounding may have added."""
    return math.fsum(information_of(x @ cone.to_target.T, cone.p_y)) / max(1.0, float(x.sum(axis=0).max()))


def _proven_upper(cone: Cone, cells: FloatArray, corner_value: FloatArray, prices: FloatArray) -> float:
    """The dual value, after the multipliers are made feasible: those of the simplices first, then the prices of x."""
    n_cells, n_y = cells.shape[:2]
    n = cone.equations.shape[1]
    price = prices[:n]
    each = prices[n:].reshape(n_cells, -1)
    slope = each[:, each.shape[1] - n_y :]
    excess = (corner_value + np.einsum("cvy,cy->cv", cells, slope)).max(axis=1)
    slope = slope - np.maximum(excess, 0.0)[:, None]
    reduced = price + each[:, : each.shape[1] - n_y] @ cone.equations + slope @ cone.to_target
    return math.fsum(price + np.maximum(-reduced.min(axis=0), 0.0))


def _split(cells: FloatArray, weights: FloatArray) -> FloatArray:
    """Split every simplex in use at the posterior that its symbol has, so that the parts cover it exactly."""
    kept: list[FloatArray] = []
    for cell, weight in zip(cells, weights, strict=True):
        total = weight.sum()
        share = weight / total if total > UNUSED else np.zeros_like(weight)
        # A posterior so near to a face is moved onto it: a flat simplex would be worth nothing.
        share[share < SAME] = 0.0
        corners = np.flatnonzero(share)
        if len(corners) < 2:
            kept.append(cell)
            continue
        posterior = share @ cell / share.sum()
        for corner in corners:
            child = cell.copy()
            child[corner] = posterior
            kept.append(child)
    return np.array(kept)
