r"""Newton's system whole, in the widest floating-point type of the machine: for tables that defeat double precision.

:math:`M = L D L^\top` in ``numpy.longdouble``, unknowns with vanishing pivots left where they are. It costs
:math:`(n_y \sum_i m_i)^3 / 3` slow operations, m_i the cells of source i, and is the last resort of the chain. Where
``longdouble`` is no wider than a double it adds nothing, and the certificate shows it.
"""

from __future__ import annotations

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.union.iterate import Iterate, Workspace

VANISHING = 1e-30
"""A pivot below this share of its diagonal is taken for zero."""


class ExtendedSystem:
    """M of each member, factorised whole."""

    def __init__(self, point: Iterate, workspace: Workspace) -> None:
        n_batch, n_t, n_y, _ = point.p.shape
        self.shape = n_t, n_y, sum(point.marginals.sizes)
        self.factors = [_factor(self._assemble(point, index)) for index in range(n_batch)]

    def _assemble(self, point: Iterate, index: int) -> FloatArray:
        n_t, n_y, n_s = self.shape
        wide = np.longdouble
        p, q, theta = point.p[index].astype(wide), point.q[index].astype(wide), point.theta[index].astype(wide)
        t, y = np.arange(n_t), np.arange(n_y)
        member = point.marginals.over_cells(np.eye(n_s)).T.astype(wide)  # whether cell s is of a source's cell
        products = theta[:, None, None, :] * p[:, :, None, :] * p[:, None, :, :]
        products[:, y, y, :] += q
        aa = np.zeros((n_t, n_y, n_t, n_y), wide)
        aa[t, :, t, :] = products.sum(axis=3)
        ab = products @ member
        bb = np.stack([(products.sum(axis=0) * one) @ member for one in member.T])  # (s, y, y', s')
        cut = n_t * n_y
        m = np.empty((cut + n_y * n_s, cut + n_y * n_s), wide)
        m[:cut, :cut] = aa.reshape(cut, cut)
        m[:cut, cut:] = ab.reshape(cut, -1)
        m[cut:, :cut] = m[:cut, cut:].T
        m[cut:, cut:] = bb.transpose(1, 0, 2, 3).reshape(n_y * n_s, -1)
        fixed = cut + point.marginals.pinned[index]
        m[fixed, :] = 0.0
        m[:, fixed] = 0.0
        return m

    def solve(self, f_a: FloatArray, f_b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Substitution in the wide type, rounded at the end."""
        n_t, n_y, n_s = self.shape
        cut = n_t * n_y
        solved = np.stack(
            [
                _substitute(lower, pivots, np.concatenate([f_a[i].ravel(), f_b[i].ravel()]))
                for i, (lower, pivots) in enumerate(self.factors)
            ]
        )
        return solved[:, :cut].reshape(-1, n_t, n_y), solved[:, cut:].reshape(-1, n_y, n_s)


def _factor(m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Unit lower L and pivots of M = L D L^T; a vanishing pivot is infinite, which fixes its unknown."""
    first = m.diagonal().copy()
    pivots = np.full(len(m), np.inf, m.dtype)
    for j in range(len(m)):
        pivot = m[j, j]
        if not pivot > VANISHING * first[j]:
            m[j:, j] = 0.0
            m[j, j:] = 0.0
            continue
        pivots[j] = pivot
        column = m[j + 1 :, j] / pivot
        m[j + 1 :, j + 1 :] -= column[:, None] * m[j, None, j + 1 :]
        m[j + 1 :, j] = column
    return np.tril(m, -1), pivots


def _substitute(lower: FloatArray, pivots: FloatArray, f: FloatArray) -> FloatArray:
    x = f.astype(lower.dtype)
    for j in range(len(x)):
        x[j + 1 :] -= lower[j + 1 :, j] * x[j]
    x /= pivots
    for j in range(len(x) - 1, -1, -1):
        x[j] -= lower[j + 1 :, j] @ x[j + 1 :]
    return x.astype(np.float64)
