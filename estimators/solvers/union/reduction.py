r"""Exact preprocessing of pair marginals for the union information, and the way back.

The union information sees a source only through its posteriors, so cells of zero mass are dropped and cells with equal
p(y|x) merged. Pair masses below ``negligible`` are set aside as well, because they ruin the conditioning; on the way
back every one of them gets a potential of its own, so that the bounds, evaluated on the marginals as given, stay proven
and lose no more than about that mass.
"""

from __future__ import annotations

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.estimators.solvers.union.certificate import PerSource, log_sum_exp, spread

NEGLIGIBLE = 1e-13, 1e-12, 1e-11
"""Masses below which pair marginals are set aside while solving; each is tried where the one before left a gap."""
POSTERIOR_DIGITS = 13
"""Posteriors that agree to so many decimals are merged."""


class Reduction:
    """Pair marginals in the layout of the solvers: the largest source first, the others side by side.

    Parameters
    ----------
    margins : sequence of arrays, shape (n_y, m_i)
        P(y, x_i) of two sources or more.
    negligible : float, default 1e-13
        Mass below which pair marginals are set aside.

    Attributes
    ----------
    yt : array, shape (n_cells of the largest source, n_classes)
    ys : array, shape (n_classes, n_cells of all other sources)
        For every class, each source sums to the same probability.
    sizes : tuple of int
        Cells of the other sources, in the order of ``ys``.
    one_to_one : bool
        Whether every pair is solved as a pair of its own: none is merged, without mass or set aside.
    """

    def __init__(self, margins: PerSource, negligible: float = NEGLIGIBLE[0]) -> None:
        self.margins = list(margins)
        self.groups = [_groups(margin) for margin in margins]
        p_y = margins[0].sum(axis=1)
        self.one_to_one = all(
            group.max() == len(group) - 1 and margin.min() >= negligible
            for group, margin in zip(self.groups, margins, strict=True)
        )
        if self.one_to_one:
            self.classes = np.arange(len(p_y))
            kept = [margin.take(group.argsort(), axis=1) for group, margin in zip(self.groups, margins, strict=True)]
        else:
            kept = self._merge(negligible)
        compact = [each * (p_y[self.classes] / each.sum(axis=1))[:, None] for each in kept]
        self.order = sorted(range(len(compact)), key=lambda i: -compact[i].shape[1])
        largest, *others = (compact[i] for i in self.order)
        self.yt, self.ys = np.ascontiguousarray(largest.T), np.concatenate(others, axis=1)
        self.sizes = tuple(each.shape[1] for each in others)

    def _merge(self, negligible: float) -> list[FloatArray]:
        """Pair marginals of merged cells, without classes and cells of which nothing is kept, zero for pairs aside."""
        merged = [_merged(margin, group) for margin, group in zip(self.margins, self.groups, strict=True)]
        kept = [each >= negligible for each in merged]
        classes = np.logical_and.reduce([np.any(each, axis=1) for each in kept])
        for each in kept:
            each &= classes[:, None]
        self.classes = np.flatnonzero(classes)
        self.cells = [np.flatnonzero(each.any(axis=0)) for each in kept]
        self.kept: list[Array] = [
            each[:, group] & (margin > 0) for each, group, margin in zip(kept, self.groups, self.margins, strict=True)
        ]
        self.shares = [
            np.where(inside, margin, 0.0) / np.where(whole > 0, whole, 1.0)[:, group]
            for inside, margin, whole, group in zip(self.kept, self.margins, merged, self.groups, strict=True)
        ]
        return [
            np.where(inside, each, 0.0)[np.ix_(self.classes, cells)]
            for inside, each, cells in zip(kept, merged, self.cells, strict=True)
        ]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of what is solved: (n_classes, cells of the largest source, cells of each other)."""
        return len(self.classes), len(self.yt), *self.sizes

    def lift(self, q: FloatArray, a: FloatArray, b: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """Plan and potentials of the marginals as given, from those of the solved ones.

        Parameters
        ----------
        q : array, shape (largest cells, classes, product of the other cells)
        a : array, shape (largest cells, classes)
        b : array, shape (classes, sum of the other cells)
        """
        back = np.argsort(self.order)
        solved = q.transpose(1, 0, 2).reshape(self.shape).transpose(0, *(1 + back))
        parts = [a.T, *np.split(b, np.cumsum(self.sizes)[:-1], axis=1)]
        if self.one_to_one:
            parts = [parts[back[i]][:, group] for i, group in enumerate(self.groups)]
            return solved[np.ix_(self.classes, *self.groups)], parts
        at = [self._positions(*each) for each in zip(self.cells, self.groups, strict=True)]
        plan = np.zeros((len(self.margins[0]), *(margin.shape[1] for margin in self.margins)))
        plan[self.classes] = solved[np.ix_(np.arange(len(solved)), *at)]
        potentials = []
        for i, (margin, inside, share) in enumerate(zip(self.margins, self.kept, self.shares, strict=True)):
            plan *= share.reshape(len(share), *(-1 if j == i else 1 for j in range(len(at))))
            full = np.full_like(margin, -np.inf)
            full[self.classes] = parts[back[i]][:, at[i]]
            full[~inside] = -np.inf
            potentials.append(full)
        return plan, self._complete(potentials)

    def _positions(self, cells: Array, group: Array) -> Array:
        """Index of each given cell among the solved ones; those set aside point anywhere and have no share."""
        position = np.zeros(int(group.max()) + 1, dtype=np.int64)
        position[cells] = np.arange(len(cells))
        return position[group]

    def _complete(self, potentials: list[FloatArray]) -> list[FloatArray]:
        """Give the pairs set aside potentials, and charge the cost of each to its own cell.

        A pair (y, x_i) gets log P(y|x_i) less the largest potentials of y elsewhere, which adds at most P(y|x_i) to any
        constraint of cell x_i. Charged to x_i it costs its own mass; charged to another source it could cost anything.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = [np.log(margin / margin.sum(axis=0)) for margin in self.margins]
        unknown = ~np.any(np.isfinite(potentials[-1]), axis=1)
        # a class of which nothing is solved: the last source tells it, the ones between stay silent
        for i in range(1, len(potentials)):
            say = logs[i] if i == len(potentials) - 1 else np.zeros_like(logs[i])
            potentials[i] = np.where(unknown[:, None] & (self.margins[i] > 0), say, potentials[i])
        for i, (mine, log) in enumerate(zip(potentials, logs, strict=True)):
            aside = (self.margins[i] > 0) & ~self.kept[i]
            if i > 0:
                aside &= ~unknown[:, None]
            if not aside.any():
                continue
            others = [each for j, each in enumerate(potentials) if j != i]
            most = np.stack([each.max(axis=1) for each in others]).sum(axis=0)
            mine[aside] = log[aside] - np.broadcast_to(most[:, None], log.shape)[aside]
            touched = np.flatnonzero(aside.any(axis=0))
            excess = log_sum_exp(mine[:, touched, None] + spread(others)[:, None, :]).max(axis=1)
            mine[:, touched] -= np.maximum(excess, 0.0)
        return potentials


def _groups(marginal: FloatArray) -> Array:
    """A number for every cell, the same for cells with equal posteriors; cells without mass share one."""
    mass = marginal.sum(axis=0)
    posterior = np.divide(marginal, mass, out=np.full_like(marginal, -1.0), where=mass > 0)
    rounded = np.round(posterior, POSTERIOR_DIGITS)
    last = rounded[-1]
    order = last.argsort()
    differs = last[order[1:]] != last[order[:-1]]
    if not differs.all():
        order = np.lexsort(rounded)
        differs = (rounded[:, order[1:]] != rounded[:, order[:-1]]).any(axis=0)
    group = np.zeros(len(mass), dtype=np.int64)
    group[order[1:]] = np.cumsum(differs)
    return group


def _merged(marginal: FloatArray, group: Array) -> FloatArray:
    membership = np.equal.outer(group, np.arange(int(group.max()) + 1)).astype(np.float64)
    merged: FloatArray = marginal @ membership
    return merged
