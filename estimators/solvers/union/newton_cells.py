r"""Newton's system by elimination of the largest source's cells: for tables with more cells than classes.

Block t of M is :math:`A_t = \mathrm{diag}(q_{yt}) + \sum_s \theta p p^\top`, one y x y matrix per cell; what remains on
the other side is the Schur complement :math:`B - \sum_t M_{ab,t}^\top A_t^{-1} M_{ab,t}`, of the size n_y times the sum
of the cells of all other sources, of which each pair has a block in B. With two sources one iteration costs
:math:`n_y^3 n_t n_s^2 / 2 + (n_y n_s)^3 / 6` multiplications and additions; with more, each pair of sources adds
:math:`n_y^2` times the product of all cells.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from scipy.linalg import blas, lapack

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.union.iterate import Iterate, Workspace

PINNED = 1e64
"""Diagonal entry that holds an unknown at zero: one b per class, which the gauge leaves free."""
SHIFT = 1e-15
"""First shift of a diagonal, relative to the diagonal before anything is subtracted from it."""


class CellSystem:
    """M, factorised by cells. Pairs outside the support are left out member by member."""

    def __init__(self, point: Iterate, workspace: Workspace) -> None:
        self.workspace = workspace
        self.marginals = point.marginals
        n_batch, n_t, n_y, _ = point.p.shape
        n_s = sum(self.marginals.sizes)
        self.shape = n_batch, n_t, n_y, n_s
        weighted = point.theta[:, :, None, :] * point.p
        self.l_inverse = self._teacher_factor(point, weighted)
        between = self._between(point, weighted)
        v = workspace.array("v", (n_batch, n_t, n_y, n_y * n_s))
        np.matmul(self.l_inverse, between.reshape(v.shape), out=v)
        v = v.reshape(n_batch, n_t * n_y, n_y * n_s)
        own, across = self._others(point, weighted, between)
        self.rows: list[Any] = [slice(None)] * n_batch
        self.columns: list[Any] = [slice(None)] * n_batch
        if not self.marginals.full:
            self.rows = [np.flatnonzero(~off) for off in self.marginals.off_t]
            self.columns = [np.flatnonzero(~off) for off in self.marginals.off_s]
            self.v = [v[i][np.ix_(r, c)] for i, (r, c) in enumerate(zip(self.rows, self.columns, strict=True))]
        else:
            self.v = list(v)
        self.factors = [self._schur_factor(own, across, member) for member in range(n_batch)]

    def _teacher_factor(self, point: Iterate, weighted: FloatArray) -> FloatArray:
        """L_t^-1 for every member and cell of the largest source, shape (n_batch, n_t, n_y, n_y)."""
        blocks = np.matmul(weighted, point.p.transpose(0, 1, 3, 2))
        diagonal = np.einsum("btyy->bty", blocks)
        diagonal += point.q_t
        if not self.marginals.full:
            diagonal[self.marginals.off_t] = 1.0
        shift = SHIFT
        while shift < 1.0:
            try:
                return np.asarray(np.linalg.inv(np.linalg.cholesky(blocks)))
            except np.linalg.LinAlgError:
                diagonal *= 1.0 + shift
                diagonal += np.finfo(np.float64).tiny
                shift *= 100.0
        return np.full_like(blocks, np.nan)

    def _between(self, point: Iterate, weighted: FloatArray) -> FloatArray:
        """M_ab, rows (t, y), columns (y', s): theta p p'^T + diag q, summed over the cells that share a source's."""
        n_batch, n_t, n_y, n_s = self.shape
        between = self.workspace.array("between", (n_batch, n_t, n_y, n_y, n_s))
        sizes = self.marginals.sizes
        if len(sizes) == 1:
            np.multiply(weighted[:, :, :, None, :], point.p[:, :, None, :, :], out=between)
        for j, columns in enumerate(self._columns() if len(sizes) > 1 else ()):

            def by_cell(values: FloatArray, j: int = j) -> FloatArray:
                moved = np.moveaxis(values.reshape(n_batch, n_t, n_y, *sizes), 3 + j, 2)
                return moved.reshape(n_batch, n_t, sizes[j], n_y, -1)

            products = np.matmul(by_cell(weighted), by_cell(point.p).swapaxes(3, 4))
            between[..., columns] = products.transpose(0, 1, 3, 4, 2)
        diagonal = np.einsum("btyys->btys", between)
        diagonal += self.marginals.over_sources(point.q)
        return between

    def _columns(self) -> list[slice]:
        """Column offset of the cells of each source."""
        ends = np.cumsum(self.marginals.sizes).tolist()
        return [slice(end - size, end) for end, size in zip(ends, self.marginals.sizes, strict=True)]

    def _others(
        self, point: Iterate, weighted: FloatArray, between: FloatArray
    ) -> tuple[FloatArray, list[tuple[slice, slice, FloatArray]]]:
        """B: the diagonal blocks, shape (n_batch, n_s, n_y, n_y), and those between two sources with their columns."""
        sizes = self.marginals.sizes
        if len(sizes) == 1:
            blocks = np.matmul(weighted.transpose(0, 3, 2, 1), point.p.transpose(0, 3, 1, 2))
            diagonal = np.einsum("bsyy->bsy", blocks)
            diagonal += point.q_s.transpose(0, 2, 1)
            return np.asarray(blocks), []
        n_batch, n_t, n_y, _ = self.shape
        columns, across = self._columns(), []
        for j, k in combinations(range(len(sizes)), 2):

            def by_pair(values: FloatArray, j: int = j, k: int = k) -> FloatArray:
                moved = np.moveaxis(values.reshape(n_batch, n_t, n_y, *sizes), (3 + j, 3 + k, 2), (1, 2, 3))
                return moved.reshape(n_batch, sizes[j], sizes[k], n_y, -1)

            products = np.matmul(by_pair(weighted), by_pair(point.p).swapaxes(3, 4))
            diagonal = np.einsum("bjkyy->bjky", products)
            diagonal += by_pair(point.q).sum(axis=4)
            across.append((columns[j], columns[k], products.transpose(0, 3, 1, 4, 2)))  # (y, j, y', k)
        return between.sum(axis=1).transpose(0, 3, 1, 2), across

    def _schur_factor(self, own: FloatArray, across: list[tuple[slice, slice, FloatArray]], member: int) -> FloatArray:
        """The Cholesky factor of one member's Schur complement B - V^T V.

        Where it meets a pivot that rounding has made negative, the diagonal is raised by a multiple of what it was
        before the subtraction, and no more than it takes.
        """
        _, _, n_y, n_s = self.shape
        pinned = self.marginals.pinned[member]
        shift = SHIFT
        while True:
            blocks = self.workspace.array(f"schur {member}", (n_y, n_s, n_y, n_s))
            blocks.fill(0.0)
            np.einsum("ysxs->syx", blocks)[:] = own[member]
            for j, k, products in across:
                blocks[:, j, :, k] = products[member]
                blocks[:, k, :, j] = products[member].transpose(2, 3, 0, 1)
            whole = blocks.reshape(n_y * n_s, n_y * n_s)
            whole[pinned, pinned] = PINNED
            chosen = self.columns[member]
            if not isinstance(chosen, slice):
                whole = whole[np.ix_(chosen, chosen)]
            np.einsum("ii->i", whole)[:] *= 1.0 + shift
            schur = blas.dsyrk(-1.0, self.v[member].T, beta=1.0, c=whole.T, lower=1, overwrite_c=1)
            factor, info = lapack.dpotrf(schur, lower=1, clean=0, overwrite_a=1)
            if info == 0 or not shift < 1.0:
                return np.asarray(factor)
            shift *= 100.0

    def solve(self, f_a: FloatArray, f_b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Forward elimination, the other sources, back substitution."""
        n_batch, n_t, n_y, n_s = self.shape
        head = np.matmul(self.l_inverse, f_a[:, :, :, None]).reshape(n_batch, n_t * n_y)
        tail = f_b.reshape(n_batch, n_y * n_s)
        db = np.zeros_like(tail)
        for member, (rows, columns, v) in enumerate(zip(self.rows, self.columns, self.v, strict=True)):
            known = tail[member, columns] - head[member, rows] @ v
            known = lapack.dpotrs(self.factors[member], known, lower=1)[0]
            db[member, columns] = known
            head[member, rows] -= v @ known
        da = np.matmul(self.l_inverse.transpose(0, 1, 3, 2), head.reshape(n_batch, n_t, n_y, 1))[:, :, :, 0]
        if not self.marginals.full:
            da[self.marginals.off_t] = 0.0
        return da, db.reshape(n_batch, n_y, n_s)
