r"""Newton's system by elimination of the teacher's cells: for tables with more cells than classes.

Block t of M is :math:`A_t = \mathrm{diag}(q_{yt}) + \sum_s \theta p p^\top`, one y x y matrix per teacher cell; what
remains on the student's side is the Schur complement :math:`B - \sum_t M_{ab,t}^\top A_t^{-1} M_{ab,t}`. One iteration
costs :math:`n_y^3 n_t n_s^2 / 2 + (n_y n_s)^3 / 6` multiplications and additions, with the smaller source as the
student.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from pidkd.estimators.solvers.interior_point import Iterate
from pidkd.inputs import FloatArray

SHIFT = 1e-15
"""First shift of a diagonal, relative to the diagonal before anything is subtracted from it."""


class CellSystem:
    """M, factorised by cells."""

    def __init__(self, point: Iterate) -> None:
        self.marginals = point.marginals
        n_batch, n_t, n_y, n_s = point.p.shape
        self.shape = n_batch, n_t, n_y, n_s
        weighted = point.theta[:, :, None, :] * point.p
        self.l_inverse = self._factor_teacher(point, weighted)

        # rows (t, y), columns (y', s): L_t^-1 (theta p p'^T + diag q)
        lifted = np.matmul(self.l_inverse, weighted)
        v = lifted[:, :, :, None, :] * point.p[:, :, None, :, :]
        v += self.l_inverse[:, :, :, :, None] * point.q[:, :, None, :, :]
        self.v = v.reshape(n_batch, n_t * n_y, n_y * n_s)
        self.factor = self._factor_student(point, weighted)

    def _factor_teacher(self, point: Iterate, weighted: FloatArray) -> FloatArray:
        """L_t^-1 for every member and teacher cell, shape (n_batch, n_t, n_y, n_y)."""
        blocks = np.matmul(weighted, point.p.transpose(0, 1, 3, 2))
        n_y = blocks.shape[-1]
        diagonal = np.einsum("btyy->bty", blocks)
        diagonal += point.q_t
        if not self.marginals.full:
            diagonal[self.marginals.off_t] = 1.0
        shift = SHIFT
        while True:
            try:
                return np.asarray(np.linalg.inv(np.linalg.cholesky(blocks)))
            except np.linalg.LinAlgError:
                diagonal *= 1.0 + shift
                diagonal += np.finfo(np.float64).tiny
                shift *= 100.0
                if not shift < 1.0:
                    return np.full((*blocks.shape[:2], n_y, n_y), np.nan)

    def _factor_student(self, point: Iterate, weighted: FloatArray) -> list[FloatArray]:
        """Cholesky factors of the Schur complements, one per member."""
        n_batch, _, n_y, n_s = self.shape
        # (s, y, y'): sum_t theta p p'
        blocks = np.matmul(weighted.transpose(0, 3, 2, 1), point.p.transpose(0, 3, 1, 2))
        s = np.arange(n_s)
        schur = -np.matmul(self.v.transpose(0, 2, 1), self.v)
        added = np.zeros((n_batch, n_y, n_y, n_s))
        added[...] = blocks.transpose(0, 2, 3, 1)
        y = np.arange(n_y)
        added[:, y, y, :] += point.q_s
        diagonal = added[:, y, y, :].reshape(n_batch, n_y * n_s).copy()
        view = schur.reshape(n_batch, n_y, n_s, n_y, n_s)
        view[:, :, s, :, s] += added.transpose(3, 0, 1, 2)
        self.fixed = []
        factors = []
        for member in range(n_batch):
            fixed = (y * n_s + self.marginals.pinned[member]).tolist()
            if not self.marginals.full:
                fixed = np.union1d(fixed, np.flatnonzero(self.marginals.off_s[member])).astype(np.int64)
            self.fixed.append(fixed)
            factors.append(_cholesky(schur[member], diagonal[member], fixed))
        return factors

    def solve(self, f_a: FloatArray, f_b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Forward elimination, student side, back substitution."""
        n_batch, n_t, n_y, n_s = self.shape
        head = np.matmul(self.l_inverse, f_a[:, :, :, None])
        flat = head.reshape(n_batch, n_t * n_y, 1)
        tail = f_b.reshape(n_batch, n_y * n_s) - np.matmul(self.v.transpose(0, 2, 1), flat)[:, :, 0]
        for member in range(n_batch):
            tail[member, self.fixed[member]] = 0.0
            tail[member] = lapack.dpotrs(self.factor[member], tail[member], lower=1)[0]
        flat = flat - np.matmul(self.v, tail[:, :, None])
        da = np.matmul(self.l_inverse.transpose(0, 1, 3, 2), flat.reshape(n_batch, n_t, n_y, 1))[:, :, :, 0]
        if not self.marginals.full:
            da[self.marginals.off_t] = 0.0
        return da, tail.reshape(n_batch, n_y, n_s)


def _cholesky(matrix: FloatArray, diagonal: FloatArray, fixed: FloatArray) -> FloatArray:
    """A lower factor of a positive semidefinite matrix with some unknowns fixed to zero.

    Where the factorisation meets a pivot that rounding has made negative, the diagonal is raised by a multiple of what
    it was before the subtraction, and no more than it takes.
    """
    matrix[fixed, :] = 0.0
    matrix[:, fixed] = 0.0
    matrix[fixed, fixed] = 1.0
    own = np.arange(len(matrix))
    kept = matrix[own, own].copy()
    shift = SHIFT
    while True:
        matrix[own, own] = kept + shift * diagonal
        factor, info = lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=0)
        if info == 0 or not shift < 1.0:
            return np.asarray(factor)
        shift *= 100.0
