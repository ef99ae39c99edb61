r"""The first attempt of the interior point on one small table of two sources, compiled by numba.

It is ``interior_point`` with ``newton_cells``, equation by equation, for tables whose calls of array functions cost
more than their arithmetic: the same path, the same steps, the same bounds. What it leaves open goes to the chain. The
first call of an installation compiles it, a minute; later ones load what was compiled.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from pidkd.arrays import Array, FloatArray
from pidkd.estimators.solvers.union.interior_point import FLOOR, INSIDE, LARGEST_MOVE, MARGIN
from pidkd.estimators.solvers.union.newton_cells import PINNED, SHIFT

MOST_UNKNOWNS = 250
"""Classes times cells of the smaller source, beyond which array functions are as quick."""
ITERATIONS = 60
"""Iterations after which the chain takes over."""
CAUTION = 0.1
TINY = np.finfo(np.float64).tiny


@njit(cache=True, error_model="numpy")
def _inverse_factor(block: FloatArray, inverse: FloatArray) -> bool:
    """Write L^-1 of block = L L^T into ``inverse``; False where a pivot is not positive."""
    n = len(block)
    shift = SHIFT
    diagonal = np.empty(n)
    for i in range(n):
        diagonal[i] = block[i, i]
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
def _system(
    p: FloatArray, q: FloatArray, theta: FloatArray, q_t: FloatArray, q_s: FloatArray, pinned: Array
) -> tuple[bool, FloatArray, FloatArray, FloatArray]:
    """Newton's system by elimination of the cells t: L_t^-1, V = L^-1 M_ab, and the factor of the Schur complement."""
    n_t, n_y, n_s = p.shape
    side = n_y * n_s
    l_inverse = np.zeros((n_t, n_y, n_y))
    v = np.zeros((n_t * n_y, side))
    schur = np.zeros((side, side))
    between = np.zeros((n_y, side))
    for t in range(n_t):
        block = np.zeros((n_y, n_y))
        between[:] = 0.0
        for y in range(n_y):
            for x in range(n_y):
                for s in range(n_s):
                    product = theta[t, s] * p[t, y, s] * p[t, x, s]
                    between[y, x * n_s + s] = product
                    block[y, x] += product
                    schur[y * n_s + s, x * n_s + s] += product
            for s in range(n_s):
                between[y, y * n_s + s] += q[t, y, s]
            block[y, y] += q_t[t, y]
            if block[y, y] == 0.0:
                block[y, y] = 1.0
        if not _inverse_factor(block, l_inverse[t]):
            return False, l_inverse, v, schur
        v[t * n_y : (t + 1) * n_y] = np.dot(l_inverse[t], between)
    for y in range(n_y):
        for s in range(n_s):
            schur[y * n_s + s, y * n_s + s] += q_s[y, s]
            if schur[y * n_s + s, y * n_s + s] == 0.0:
                schur[y * n_s + s, y * n_s + s] = 1.0
    for i in pinned:
        schur[i, i] = PINNED
    less = np.dot(v.T, v)
    shift = SHIFT
    while shift < 1.0:
        raised = schur - less
        for i in range(side):
            raised[i, i] += shift * schur[i, i]
        try:
            factor = np.linalg.cholesky(raised)
            return True, l_inverse, v, factor
        except Exception:  # LinAlgError; numba knows no other
            shift *= 100.0
    return False, l_inverse, v, schur


@njit(cache=True, error_model="numpy")
def _solve(
    l_inverse: FloatArray, v: FloatArray, factor: FloatArray, f_a: FloatArray, f_b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Forward elimination, the other source, back substitution."""
    n_t, n_y = f_a.shape
    side = len(factor)
    head = np.empty(n_t * n_y)
    for t in range(n_t):
        head[t * n_y : (t + 1) * n_y] = np.dot(l_inverse[t], f_a[t])
    x = f_b.copy().reshape(side) - np.dot(head, v)
    for i in range(side):
        x[i] = (x[i] - np.dot(factor[i, :i], x[:i])) / factor[i, i]
    for i in range(side - 1, -1, -1):
        x[i] /= factor[i, i]
        for j in range(i):
            x[j] -= factor[i, j] * x[i]
    head -= np.dot(v, x)
    da = np.empty((n_t, n_y))
    for t in range(n_t):
        da[t] = np.dot(head[t * n_y : (t + 1) * n_y], l_inverse[t])
    return da, x.reshape(n_y, side // n_y)


@njit(cache=True, error_model="numpy")
def _direction(
    target: FloatArray,
    p: FloatArray,
    w: FloatArray,
    sigma: FloatArray,
    residual: FloatArray,
    r_a: FloatArray,
    r_b: FloatArray,
    l_inverse: FloatArray,
    v: FloatArray,
    factor: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Changes of a, b, w and sigma towards the complementarity ``target``."""
    n_t, n_y, n_s = p.shape
    f_a, f_b = r_a.copy(), r_b.copy()
    for t in range(n_t):
        for y in range(n_y):
            for s in range(n_s):
                less = p[t, y, s] * ((target[t, s] + w[t, s] * residual[t, s]) / sigma[t, s])
                f_a[t, y] -= less
                f_b[y, s] -= less
    da, db = _solve(l_inverse, v, factor, f_a, f_b)
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
    n_t, n_y = yt.shape
    n_s = ys.shape[1]
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
    lack_t, lack_s = np.zeros((n_t, n_y)), np.zeros((n_y, n_s))
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
            lack_s[y, s] = max(ys[y, s] - q[:, y, s].sum(), 0.0)
    for t in range(n_t):
        for y in range(n_y):
            lack_t[t, y] = max(yt[t, y] - q[t, y].sum(), 0.0)
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
def _step(
    p: FloatArray,
    w: FloatArray,
    sigma: FloatArray,
    residual: FloatArray,
    r_a: FloatArray,
    r_b: FloatArray,
    nu: FloatArray,
    tol: float,
    system: tuple[FloatArray, FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Mehrotra's predictor, corrector and step: moves ``w`` and ``sigma``, and returns the changes of a and b."""
    gap = (w * sigma).sum()
    l_inverse, v, factor = system
    _, _, dw, d_sigma = _direction(-w * sigma, p, w, sigma, residual, r_a, r_b, l_inverse, v, factor)
    alpha = min(1.0, _ratio(w, sigma, dw, d_sigma))
    predicted = ((w + alpha * dw) * (sigma + alpha * d_sigma)).sum()
    centring = max((predicted / gap) ** 3, 1e-6)
    behind = CAUTION * (w * np.abs(residual)).sum()
    aim = max(centring * gap, behind, FLOOR * tol)
    damping = alpha**2 if alpha < 0.1 else 1.0
    target = aim * nu - w * sigma - damping * dw * d_sigma
    da, db, dw, d_sigma = _direction(target, p, w, sigma, residual, r_a, r_b, l_inverse, v, factor)
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
    n_t, n_y = yt.shape
    n_s = ys.shape[1]
    upper, lower = np.inf, -np.inf
    best_q, best_a, best_b = np.zeros((n_t, n_y, n_s)), a.copy(), b.copy()
    w = np.dot(np.exp(a), np.exp(b))
    for t in range(n_t):
        a[t] -= np.log(yt[t].sum())
    for s in range(n_s):
        b[:, s] -= np.log(ys[:, s].sum())
    p, total, nu = np.empty((n_t, n_y, n_s)), np.empty((n_t, n_s)), w / w.sum()
    _softmax(a, b, w, p, total)
    sigma = _slack(a, w, total)
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
        solved, l_inverse, v, factor = _system(p, q, w * (1.0 / sigma - 1.0), q_t, q_s, pinned)
        if not solved:
            return upper, lower, best_q, best_a, best_b, iteration
        system = (l_inverse, v, factor)
        da, db = _step(p, w, sigma, sigma + total, yt - q_t, ys - q_s, nu, tol, system)
        a += da
        b += db
        _softmax(a, b, w, p, total)
    return upper, lower, best_q, best_a, best_b, ITERATIONS
