r"""The first attempt of the interior point on one small table of two sources, compiled by numba.

It is ``interior_point`` with ``newton_cells``, equation by equation, for tables whose calls of array functions cost
more than their arithmetic: the same path, the same steps, the same bounds. What it leaves open goes to the chain. The
first call of an installation compiles it, a minute; later ones load what was compiled.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numba import njit

from pidkd.arrays import Array, FloatArray
from pidkd.estimators.solvers.union.interior_point import FLOOR, INSIDE, LARGEST_MOVE, MARGIN
from pidkd.estimators.solvers.union.newton_cells import SHIFT

MOST_UNKNOWNS = 250
"""Classes times cells of the smaller source, beyond which array functions are as quick."""
ITERATIONS = 60
"""Iterations after which the chain takes over."""
CAUTION = 0.1
TINY = np.finfo(np.float64).tiny

System: TypeAlias = tuple[FloatArray, FloatArray, FloatArray, Array, Array, Array]
"""L_t^-1, V, the factor of the Schur complement, and the numbers of the unknowns, as ``_system`` has them."""
Point: TypeAlias = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]
"""p(y|t,s), w, sigma, and the residuals of the cells and of both pair marginals."""


@njit(cache=True, error_model="numpy")
def _inverse_factor(block: FloatArray, inverse: FloatArray) -> bool:
    """Write L^-1 of block = L L^T into ``inverse``; False where a pivot is not positive."""
    n = len(block)
    shift = SHIFT
    while shift < 1.0:
        lower = np.zeros((n, n))
        solved = True
        for j in range(n):
            pivot = block[j, j]
            for k in range(j):
                pivot -= lower[j, k] ** 2
            if not pivot > 0.0:
                solved = False
                break
            lower[j, j] = np.sqrt(pivot)
            for i in range(j + 1, n):
                total = block[i, j]
                for k in range(j):
                    total -= lower[i, k] * lower[j, k]
                lower[i, j] = total / lower[j, j]
        if solved:
            for j in range(n):
                inverse[j, j] = 1.0 / lower[j, j]
                for i in range(j + 1, n):
                    total = 0.0
                    for k in range(j, i):
                        total += lower[i, k] * inverse[k, j]
                    inverse[i, j] = -total / lower[i, i]
            return True
        for i in range(n):
            block[i, i] = block[i, i] * (1.0 + shift) + TINY
        shift *= 100.0
    return False


@njit(cache=True, error_model="numpy")
def _numbers(pairs: FloatArray) -> tuple[Array, Array]:
    """Number of each positive pair, row by row, with their count for all other pairs; and where each row begins."""
    numbers, first = np.full(pairs.shape, (pairs > 0).sum()), np.zeros(len(pairs) + 1, dtype=np.int64)
    count = 0
    for i in range(pairs.shape[0]):
        for j in range(pairs.shape[1]):
            if pairs[i, j] > 0:
                numbers[i, j] = count
                count += 1
        first[i + 1] = count
    return numbers, first


@njit(cache=True, error_model="numpy")
def _diagonal(own: FloatArray, q_s: FloatArray, columns: Array, side: int) -> FloatArray:
    """M_bb by the numbers of the pairs, lower triangle; the last row and column are for pairs without a number."""
    n_y, _, n_s = own.shape
    diagonal = np.zeros((side + 1, side + 1))
    for y in range(n_y):
        for s in range(n_s):
            for x in range(y + 1):
                diagonal[columns[y, s], columns[x, s]] = own[y, x, s]
            i = columns[y, s]
            diagonal[i, i] += q_s[y, s]
            if diagonal[i, i] == 0.0:
                diagonal[i, i] = 1.0
    return diagonal


@njit(cache=True, error_model="numpy")
def _system(
    p: FloatArray,
    q: FloatArray,
    theta: FloatArray,
    q_s: FloatArray,
    rows: Array,
    first_row: Array,
    columns: Array,
    first_column: Array,
) -> tuple[bool, FloatArray, FloatArray, FloatArray]:
    """Newton's system by elimination of the cells t: L_t^-1, V = L^-1 M_ab, and the factor of the Schur complement.

    Unknowns are the pairs with mass that are not held, by their numbers in ``rows`` (t, y) and ``columns`` (y, s).
    """
    n_t, n_y, n_s = p.shape
    side = first_column[n_y]
    l_inverse, v = np.zeros((n_t, n_y, n_y)), np.zeros((first_row[n_t], side))
    own, block = np.zeros((n_y, n_y, n_s)), np.empty((n_y, n_y))
    between, numbered = np.empty((n_y, n_y, n_s)), np.empty((n_y, side + 1))  # the last is for pairs without a number
    for t in range(n_t):
        start, size = first_row[t], first_row[t + 1] - first_row[t]
        for y in range(n_y):
            scaled = theta[t] * p[t, y]
            for x in range(y + 1):
                for s in range(n_s):
                    product = scaled[s] * p[t, x, s]
                    own[y, x, s] += product
                    between[y, x, s] = product
                    between[x, y, s] = product
            for s in range(n_s):
                between[y, y, s] += q[t, y, s]
        for y in range(n_y):
            if rows[t, y] == len(v):
                continue
            i = rows[t, y] - start
            for x in range(y + 1):
                if rows[t, x] < len(v):
                    block[i, rows[t, x] - start] = between[y, x].sum()
            if block[i, i] == 0.0:
                block[i, i] = 1.0
            for x in range(n_y):
                for s in range(n_s):
                    numbered[i, columns[x, s]] = between[y, x, s]
        if not _inverse_factor(block[:size, :size], l_inverse[t]):
            return False, l_inverse, v, block
        for i in range(size):
            for k in range(i + 1):
                factor = l_inverse[t, i, k]
                for c in range(side):
                    v[start + i, c] += factor * numbered[k, c]
    schur = _diagonal(own, q_s, columns, int(side))
    less = np.dot(v.T, v)
    shift = SHIFT
    while shift < 1.0:
        raised = schur[:side, :side] - less
        for i in range(side):
            raised[i, i] += shift * schur[i, i]
        try:
            return True, l_inverse, v, np.linalg.cholesky(raised)
        except Exception:  # LinAlgError; numba knows no other
            shift *= 100.0
    return False, l_inverse, v, schur


@njit(cache=True, error_model="numpy")
def _solve(system: System, f_a: FloatArray, f_b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Forward elimination, the other source, back substitution; zero for pairs without a number."""
    l_inverse, v, factor, rows, first_row, columns = system
    n_rows, side = v.shape
    head, x = np.zeros(n_rows + 1), np.zeros(side + 1)  # the last of each is for pairs without a number
    head[rows.ravel()], x[columns.ravel()] = f_a.ravel(), f_b.ravel()
    for t in range(len(rows)):
        own = head[first_row[t] : first_row[t + 1]]
        for i in range(len(own) - 1, -1, -1):
            own[i] = np.dot(l_inverse[t, i, : i + 1], own[: i + 1])
    x[:side] -= np.dot(head[:n_rows], v)
    for i in range(side):
        x[i] = (x[i] - np.dot(factor[i, :i], x[:i])) / factor[i, i]
    for i in range(side - 1, -1, -1):
        x[i] /= factor[i, i]
        for j in range(i):
            x[j] -= factor[i, j] * x[i]
    head[:n_rows] -= np.dot(v, x[:side])
    for t in range(len(rows)):
        own = head[first_row[t] : first_row[t + 1]]
        for i in range(len(own)):
            own[i] *= l_inverse[t, i, i]
            for k in range(i + 1, len(own)):
                own[i] += own[k] * l_inverse[t, k, i]
    head[n_rows] = x[side] = 0.0
    return head[rows.ravel()].reshape(rows.shape), x[columns.ravel()].reshape(columns.shape)


@njit(cache=True, error_model="numpy")
def _direction(
    target: FloatArray, point: Point, system: System
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Changes of a, b, w and sigma towards the complementarity ``target``."""
    p, w, sigma, residual, r_a, r_b = point
    n_t, n_y, n_s = p.shape
    f_a, f_b = r_a.copy(), r_b.copy()
    for t in range(n_t):
        for y in range(n_y):
            for s in range(n_s):
                less = p[t, y, s] * ((target[t, s] + w[t, s] * residual[t, s]) / sigma[t, s])
                f_a[t, y] -= less
                f_b[y, s] -= less
    da, db = _solve(system, f_a, f_b)
    d_sigma = -residual
    for t in range(n_t):
        for y in range(n_y):
            for s in range(n_s):
                d_sigma[t, s] -= p[t, y, s] * (da[t, y] + db[y, s])
    return da, db, (target - w * d_sigma) / sigma, d_sigma


@njit(cache=True, error_model="numpy")
def _ratio(w: FloatArray, sigma: FloatArray, dw: FloatArray, d_sigma: FloatArray) -> float:
    """The longest step that keeps w and sigma non-negative."""
    rate = TINY
    for t in range(w.shape[0]):
        for s in range(w.shape[1]):
            rate = max(rate, -dw[t, s] / (w[t, s] if w[t, s] > 0 else 1.0), -d_sigma[t, s] / sigma[t, s])
    return 1.0 / rate


@njit(cache=True, error_model="numpy")
def _dual(
    yt: FloatArray, ys: FloatArray, a: FloatArray, b: FloatArray, total: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Value of the potentials, shifted until L <= 0 in every cell, and these."""
    (n_t, n_y), n_s = yt.shape, ys.shape[1]
    a, b, value = a.copy(), b.copy(), 0.0
    left = np.empty((n_t, n_s))
    for t in range(n_t):
        u = total[t].max()
        left[t] = total[t] - u
        for y in range(n_y):
            a[t, y] -= u
            if yt[t, y] > 0:
                value += yt[t, y] * a[t, y]
    for s in range(n_s):
        u = left[:, s].max()
        for y in range(n_y):
            b[y, s] -= u
            if ys[y, s] > 0:
                value += ys[y, s] * b[y, s]
    return value, a, b


@njit(cache=True, error_model="numpy")
def _primal(yt: FloatArray, ys: FloatArray, q: FloatArray) -> tuple[float, FloatArray]:
    """Value of the plan, rounded to the exact marginals, and this."""
    n_t, n_y, n_s = q.shape
    q = q.copy()
    for t in range(n_t):
        for y in range(n_y):
            mass = q[t, y].sum()
            if mass > yt[t, y]:
                q[t, y] *= yt[t, y] / mass
    for y in range(n_y):
        for s in range(n_s):
            mass = q[:, y, s].sum()
            if mass > ys[y, s]:
                q[:, y, s] *= ys[y, s] / mass
    lack_t, lack_s = np.maximum(yt - q.sum(axis=2), 0.0), np.maximum(ys - q.sum(axis=0), 0.0)
    value = 0.0
    for y in range(n_y):
        whole = max(lack_t[:, y].sum(), TINY)
        for t in range(n_t):
            q[t, y] += lack_t[t, y] / whole * lack_s[y]
    for t in range(n_t):
        for s in range(n_s):
            mass = q[t, :, s].sum()
            for y in range(n_y):
                if q[t, y, s] > 0:
                    value += q[t, y, s] * np.log(q[t, y, s] / mass)
    return value, q


@njit(cache=True, error_model="numpy")
def _softmax(a: FloatArray, b: FloatArray, w: FloatArray, p: FloatArray, total: FloatArray) -> None:
    """Write softmax_y(a + b) into ``p`` and its LSE into ``total``, -1 in cells without mass."""
    n_t, n_y, n_s = p.shape
    for t in range(n_t):
        for s in range(n_s):
            mass = 0.0
            for y in range(n_y):
                p[t, y, s] = np.exp(a[t, y] + b[y, s])
                mass += p[t, y, s]
            total[t, s] = -1.0 if w[t, s] == 0.0 else np.log(mass)
            for y in range(n_y):
                p[t, y, s] /= mass if mass > 0 else 1.0


@njit(cache=True, error_model="numpy")
def _plan(w: FloatArray, p: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The plan w p with its two pair marginals."""
    n_t, n_y, n_s = p.shape
    q, q_t, q_s = np.empty((n_t, n_y, n_s)), np.zeros((n_t, n_y)), np.zeros((n_y, n_s))
    for t in range(n_t):
        for y in range(n_y):
            for s in range(n_s):
                q[t, y, s] = w[t, s] * p[t, y, s]
                q_t[t, y] += q[t, y, s]
                q_s[y, s] += q[t, y, s]
    return q, q_t, q_s


@njit(cache=True, error_model="numpy")
def _slack(a: FloatArray, w: FloatArray, total: FloatArray) -> FloatArray:
    """Shift ``a`` and ``total`` until the start is feasible; its slack, one in cells without mass."""
    sigma, excess = np.ones(w.shape), -np.inf
    for t in range(w.shape[0]):
        for s in range(w.shape[1]):
            if w[t, s] > 0:
                excess = max(excess, total[t, s])
    excess += INSIDE
    a -= excess
    for t in range(w.shape[0]):
        for s in range(w.shape[1]):
            if w[t, s] > 0:
                total[t, s] -= excess
                sigma[t, s] = -total[t, s]
    return sigma


@njit(cache=True, error_model="numpy")
def _step(point: Point, nu: FloatArray, tol: float, system: System) -> tuple[FloatArray, FloatArray]:
    """Mehrotra's predictor, corrector and step: moves w and sigma, and returns the changes of a and b."""
    _, w, sigma, residual, _, _ = point
    gap = (w * sigma).sum()
    _, _, dw, d_sigma = _direction(-w * sigma, point, system)
    alpha = min(1.0, _ratio(w, sigma, dw, d_sigma))
    predicted = ((w + alpha * dw) * (sigma + alpha * d_sigma)).sum()
    centring = max((predicted / gap) ** 3, 1e-6)
    behind = CAUTION * (w * np.abs(residual)).sum()
    aim = max(centring * gap, behind, FLOOR * tol)
    damping = alpha**2 if alpha < 0.1 else 1.0
    target = aim * nu - w * sigma - damping * dw * d_sigma
    da, db, dw, d_sigma = _direction(target, point, system)
    step = min(1.0, max(MARGIN, 1.0 - gap) * _ratio(w, sigma, dw, d_sigma))
    largest = max(np.abs(da).max(), np.abs(db).max())
    step = min(step, LARGEST_MOVE / max(largest, LARGEST_MOVE * 1e-3))
    w += step * dw
    sigma += step * d_sigma
    return step * da, step * db


@njit(cache=True, error_model="numpy")
def attempt(
    yt: FloatArray, ys: FloatArray, a: FloatArray, b: FloatArray, pinned: Array, tol: float
) -> tuple[float, float, FloatArray, FloatArray, FloatArray, int]:
    """Bounds (nats) of one table with their plan and potentials, and the iterations.

    Parameters
    ----------
    yt : array, shape (n_t, n_y)
    ys : array, shape (n_y, n_s)
        In the layout of ``Reduction``.
    a, b : array
        Starting potentials and ``pinned`` unknowns, as ``Marginals`` has them.
    tol : float
        Gap at which it ends.
    """
    (n_t, n_y), n_s = yt.shape, ys.shape[1]
    upper, lower = np.inf, -np.inf
    best_q, best_a, best_b = np.zeros((n_t, n_y, n_s)), a.copy(), b.copy()
    w = np.dot(np.exp(a), np.exp(b))
    a -= np.log(yt.sum(axis=1)).reshape(-1, 1)
    b -= np.log(ys.sum(axis=0))
    p, total, nu = np.empty((n_t, n_y, n_s)), np.empty((n_t, n_s)), w / w.sum()
    _softmax(a, b, w, p, total)
    sigma = _slack(a, w, total)
    free = ys.copy()  # the gauge leaves one potential of every class free, which stays where it is
    for pair in pinned:
        free[pair // n_s, pair % n_s] = 0.0
    (rows, first_row), (columns, first_column) = _numbers(yt), _numbers(free)
    for iteration in range(1, ITERATIONS + 1):
        gap = (w * sigma).sum()
        q, q_t, q_s = _plan(w, p)
        if gap < 1e3 * tol:
            value, one, other = _dual(yt, ys, a, b, total)
            if value > lower:
                lower, best_a, best_b = value, one, other
        if gap < 30 * tol:
            value, rounded = _primal(yt, ys, q)
            if value < upper:
                upper, best_q = value, rounded
        if upper - lower <= tol or not np.isfinite(gap):
            return upper, lower, best_q, best_a, best_b, iteration
        theta = w * (1.0 / sigma - 1.0)
        solved, l_inverse, v, factor = _system(p, q, theta, q_s, rows, first_row, columns, first_column)
        if not solved:
            return upper, lower, best_q, best_a, best_b, iteration
        system = (l_inverse, v, factor, rows, first_row, columns)
        da, db = _step((p, w, sigma, sigma + total, yt - q_t, ys - q_s), nu, tol, system)
        a += da
        b += db
        _softmax(a, b, w, p, total)
    return upper, lower, best_q, best_a, best_b, ITERATIONS
