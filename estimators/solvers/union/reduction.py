r"""Exact preprocessing of a table for BROJA, and the way back.

BROJA sees a source only through its posteriors, so cells of zero mass are dropped and cells with equal p(y|t) merged.
Pair masses below ``NEGLIGIBLE`` are set aside as well, because they ruin the conditioning; on the way back every one of
them gets a potential of its own, so that the bounds, evaluated on the table as given, stay proven and lose no more than
about that mass.
"""

from __future__ import annotations

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.estimators.solvers.union.certificate import Potentials, log_sum_exp

NEGLIGIBLE = 1e-13
"""Pair marginals below this mass are set aside while solving."""
POSTERIOR_DIGITS = 13
"""Posteriors that agree to so many decimals are merged."""


class Reduction:
    """A table's pair marginals in the layout of the solvers, smaller source as the student.

    Parameters
    ----------
    p : array, shape (n_y, n_t, n_s)

    Attributes
    ----------
    yt : array, shape (n_cells of the larger source, n_classes)
    ys : array, shape (n_classes, n_cells of the smaller source)
        For every class, both sum to the same probability.
    """

    def __init__(self, p: FloatArray) -> None:
        self.p_yt, self.p_ys = p.sum(axis=2), p.sum(axis=1)
        self.group_t, self.group_s = _groups(self.p_yt), _groups(self.p_ys)
        merged_t, merged_s = _merged(self.p_yt, self.group_t), _merged(self.p_ys, self.group_s)
        kept_t = merged_t >= NEGLIGIBLE
        kept_s = merged_s >= NEGLIGIBLE
        classes = np.any(kept_t, axis=1) & np.any(kept_s, axis=1)
        kept_t &= classes[:, None]
        kept_s &= classes[:, None]
        self.classes = np.flatnonzero(classes)
        self.cells_t, self.cells_s = np.flatnonzero(kept_t.any(axis=0)), np.flatnonzero(kept_s.any(axis=0))
        p_y = self.p_yt.sum(axis=1)
        self.kept_t: Array = kept_t[:, self.group_t] & (self.p_yt > 0)
        self.kept_s: Array = kept_s[:, self.group_s] & (self.p_ys > 0)
        self.share_t = np.where(self.kept_t, self.p_yt, 0.0) / np.where(merged_t > 0, merged_t, 1.0)[:, self.group_t]
        self.share_s = np.where(self.kept_s, self.p_ys, 0.0) / np.where(merged_s > 0, merged_s, 1.0)[:, self.group_s]
        yt = self._compact(merged_t, kept_t, self.cells_t, p_y)
        ys = self._compact(merged_s, kept_s, self.cells_s, p_y)
        self.swapped = yt.shape[1] < ys.shape[1]
        if self.swapped:
            yt, ys = ys, yt
        self.yt, self.ys = np.ascontiguousarray(yt.T), ys

    def _compact(self, merged: FloatArray, kept: Array, cells: Array, p_y: FloatArray) -> FloatArray:
        inside = np.where(kept, merged, 0.0)[np.ix_(self.classes, cells)]
        compact: FloatArray = inside * (p_y[self.classes] / inside.sum(axis=1))[:, None]
        return compact

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sizes of what is solved: (n_classes, cells of the larger source, cells of the smaller)."""
        return len(self.classes), len(self.yt), self.ys.shape[1]

    def lift(self, q: FloatArray, a: FloatArray, b: FloatArray) -> tuple[FloatArray, Potentials]:
        """Plan and potentials of the whole table, from those of the solved one.

        Parameters
        ----------
        q : array, shape (larger cells, classes, smaller cells)
        a : array, shape (larger cells, classes)
        b : array, shape (classes, smaller cells)
        """
        plan, a, b = q.transpose(1, 0, 2), a.T, b
        if self.swapped:
            plan, a, b = plan.transpose(0, 2, 1), b, a
        at_t, at_s = self._positions(self.cells_t, self.group_t), self._positions(self.cells_s, self.group_s)
        whole = np.zeros((len(self.p_yt), self.p_yt.shape[1], self.p_ys.shape[1]))
        whole[self.classes] = plan[:, at_t][:, :, at_s]
        whole *= self.share_t[:, :, None]
        whole *= self.share_s[:, None, :]
        full_a, full_b = np.full_like(self.p_yt, -np.inf), np.full_like(self.p_ys, -np.inf)
        full_a[self.classes] = a[:, at_t]
        full_b[self.classes] = b[:, at_s]
        full_a[~self.kept_t] = -np.inf
        full_b[~self.kept_s] = -np.inf
        return whole, self._complete(full_a, full_b)

    def _positions(self, cells: Array, group: Array) -> Array:
        """Where each given cell stands among the solved ones; those set aside point anywhere and have no share."""
        position = np.zeros(int(group.max()) + 1, dtype=np.int64)
        position[cells] = np.arange(len(cells))
        return position[group]

    def _complete(self, a: FloatArray, b: FloatArray) -> Potentials:
        """Give the pairs set aside potentials, and charge the cost of each to its own cell.

        A pair (y, t) gets log P(y|t) - max_s b(y,s), which adds at most P(y|t) to any constraint of cell t. Charged to
        t it costs its own mass; charged to the other source it could cost anything.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            log_t = np.log(self.p_yt / self.p_yt.sum(axis=0))
            log_s = np.log(self.p_ys / self.p_ys.sum(axis=0))
        unknown = ~np.any(np.isfinite(b), axis=1)
        b = np.where(unknown[:, None] & (self.p_ys > 0), log_s, b)
        for mine, other, log, aside, axis in (
            (a, b, log_t, (self.p_yt > 0) & ~self.kept_t, 2),
            (b, a, log_s, (self.p_ys > 0) & ~self.kept_s & ~unknown[:, None], 1),
        ):
            if aside.any():
                mine[aside] = log[aside] - np.broadcast_to(other.max(axis=1, keepdims=True), log.shape)[aside]
                sums = mine[:, :, None] + other[:, None, :] if axis == 2 else other[:, :, None] + mine[:, None, :]
                excess = log_sum_exp(sums).max(axis=axis - 1)
                mine[:, aside.any(axis=0)] -= np.maximum(excess, 0.0)[aside.any(axis=0)]
        return Potentials(a, b)


def _groups(marginal: FloatArray) -> Array:
    """A number for every cell, the same for cells with equal posteriors; cells without mass share one."""
    mass = marginal.sum(axis=0)
    posterior = np.divide(marginal, mass, out=np.full_like(marginal, -1.0), where=mass > 0)
    rounded = np.round(posterior, POSTERIOR_DIGITS)
    order = np.lexsort(rounded)
    differs = np.any(np.diff(rounded[:, order], axis=1) != 0, axis=0)
    group = np.zeros(len(mass), dtype=np.int64)
    group[order[1:]] = np.cumsum(differs)
    return group


def _merged(marginal: FloatArray, group: Array) -> FloatArray:
    membership = np.equal.outer(group, np.arange(int(group.max()) + 1)).astype(np.float64)
    merged: FloatArray = marginal @ membership
    return merged
