"""Nearest neighbours in the maximum norm among samples with ties, by trees or by all distances.

Equal rows are one point with a weight, so that no time goes into ties, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from pidkd.arrays import FloatArray, IntArray

TREE_DIMENSIONS = 6
"""Up to here a tree finds neighbours faster than the distances of all pairs are computed."""

DISTANCE_BYTES = 2**24
"""Memory for one block of distances."""

ROUNDING = 1e-9
"""Distances that differ by this share are equal, as those between rounded measurements are but for rounding errors."""


@dataclass(frozen=True, eq=False)
class Points:
    """Different rows, how often each occurs, and which of them each sample is.

    Parameters
    ----------
    rows : array, shape (n_points, d)
        In lexicographic order.
    weight : array of int, shape (n_points,)
    index : array of int, shape (n,)
    """

    rows: FloatArray
    weight: IntArray
    index: IntArray

    @classmethod
    def of(cls, values: FloatArray) -> Points:
        """From samples, shape (n, d)."""
        order = np.lexsort(values.T[::-1])
        in_order = values[order]
        new = np.ones(len(values), dtype=bool)
        new[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
        number = np.cumsum(new) - 1
        index = np.empty(len(values), dtype=np.int64)
        index[order] = number
        return cls(in_order[new], np.bincount(number), index)

    def within(self, radius: FloatArray, few: bool = False) -> IntArray:
        """Number of other samples no further than ``radius`` from each sample, shape (n,).

        Trees count ``few`` points faster than all distances in more dimensions than they count many.
        """
        if self.rows.shape[1] == 1:
            return self._within_on_a_line(radius)
        if self.rows.shape[1] <= (TREE_DIMENSIONS if few else TREE_DIMENSIONS / 2):
            return self._within_by_trees(radius)
        counts = np.empty(len(self.index), dtype=np.int64)
        for start, distances in _distances(self.rows[self.index], self.rows):
            piece = slice(start, start + len(distances))
            counts[piece] = (distances <= radius[piece, None]) @ self.weight - 1
        return counts

    def _within_on_a_line(self, radius: FloatArray) -> IntArray:
        line = self.rows[:, 0]
        x = line[self.index]
        high = np.searchsorted(line, x + radius, side="right")
        low = np.searchsorted(line, x - radius, side="left")
        # x + radius is rounded; what lies at the very end is told by its distance.
        while (more := (high < len(line)) & (line[np.minimum(high, len(line) - 1)] - x <= radius)).any():
            high[more] += 1
        while (less := line[high - 1] - x > radius).any():
            high[less] -= 1
        while (more := (low > 0) & (x - line[np.maximum(low - 1, 0)] <= radius)).any():
            low[more] -= 1
        while (less := x - line[low] > radius).any():
            low[less] += 1
        total = np.concatenate([[0], np.cumsum(self.weight)])
        return np.asarray(total[high] - total[low] - 1, dtype=np.int64)

    def _within_by_trees(self, radius: FloatArray) -> IntArray:
        """One tree for each binary digit of the weights, since a tree counts points without weights."""
        counts = np.full(len(self.index), -1, dtype=np.int64)
        x = self.rows[self.index]
        for digit in range(int(self.weight.max()).bit_length()):
            rows = self.rows[(self.weight >> digit) & 1 == 1]
            if len(rows):
                counts += cKDTree(rows).query_ball_point(x, radius, p=np.inf, return_length=True) << digit
        return counts

    @cached_property
    def equal(self) -> IntArray:
        """Number of samples equal to each, itself included, shape (n,)."""
        return self.weight[self.index]


def standardised(values: FloatArray) -> FloatArray:
    """Columns of mean 0 and variance 1, so that no unit of measurement matters; a constant one is zero."""
    columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    columns = columns - columns[:1]  # so that a constant column is zero, and not the rounding error of its mean
    centred = columns - columns.mean(axis=0)
    spread = centred.std(axis=0)
    varies = np.ptp(columns, axis=0) > 0
    return np.asarray(np.where(varies, centred, 0.0) / np.where(varies, spread, 1.0), dtype=np.float64)


def neighbour_distances(x: FloatArray, y: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Distance in x and in y of the farthest, in each, of the k nearest neighbours in (x, y); shape (n,) each."""
    d_x = x.shape[1]
    points = Points.of(np.concatenate([x, y], axis=1))
    z, nearest = points.rows, min(k + 1, len(points.rows))
    far_x, far_y = np.empty(len(z)), np.empty(len(z))
    if z.shape[1] <= TREE_DIMENSIONS:
        index = np.asarray(cKDTree(z).query(z, np.arange(1, nearest + 1), p=np.inf)[1], dtype=np.int64)
        blocks = iter([(0, index)])
    else:
        blocks = ((start, _nearest(distances, nearest)) for start, distances in _distances(z, z))
    for start, index in blocks:
        piece = slice(start, start + len(index))
        # A point counts for all samples that are equal there: the k nearest may be fewer points than k.
        before = np.cumsum(points.weight[index], axis=1) - points.weight[index]
        counted = before <= k
        apart = np.abs(z[index] - z[piece, None])
        far_x[piece], far_y[piece] = (
            np.where(counted, each.max(axis=2, initial=0.0), 0.0).max(axis=1)
            for each in (apart[..., :d_x], apart[..., d_x:])
        )
    return far_x[points.index], far_y[points.index]


def counts_within(x: FloatArray, radius: FloatArray) -> IntArray:
    """Number of others no further than ``radius`` from each row, shape (n,)."""
    return Points.of(x).within(radius)


def below(radius: FloatArray) -> FloatArray:
    """The next smaller radius: within it lies what is strictly nearer."""
    return np.asarray(np.nextafter(radius, 0.0), dtype=np.float64)  # of zero it is zero


@dataclass(frozen=True, eq=False)
class Ball:
    r"""Around each sample, the k nearest in a space and the others that are as near in one of its subspaces.

    Between measurements that are rounded many distances are equal. Of b samples that are as far as the k-th, j are
    among the k nearest: which of them is left to chance, as if each had been moved by as good as nothing. The number of
    others within the radius of the k-th is taken at its mean over this chance.

    Parameters
    ----------
    radius : array, shape (n,)
    neighbours : array of int, shape (n,)
        k; or the number of samples equal to each, itself included, where these are more than k.
    tied, taken : array of int, shape (n,)
        b and j; 1 and 1 without ties.
    """

    radius: FloatArray
    neighbours: IntArray
    tied: IntArray
    taken: IntArray

    @classmethod
    def of(cls, z: FloatArray, radius: FloatArray, k: int) -> Ball:
        """From samples, shape (n, d), and the distances of the k-th nearest to each."""
        points = Points.of(z)
        inside, closed = points.within(_before(radius), few=True), points.within(_up_to(radius), few=True)
        same = radius == 0
        return cls(
            radius,
            np.where(same, points.equal, k),
            np.where(same, 1, closed - inside),
            np.where(same, 1, k - inside),
        )

    def others(self, x: FloatArray) -> FloatArray:
        """Number of other samples that are nearer than the k-th in a subspace, shape (n,); equal ones are near."""
        points = Points.of(x)
        inside, closed = points.within(_before(self.radius)), points.within(_up_to(self.radius))
        shell = closed - inside
        nearest = np.minimum(shell, self.tied)
        before = nearest * (self.taken - 1) / self.tied + (shell - nearest) * self.taken / (self.tied + 1)
        return np.asarray(np.where(self.radius == 0, closed, inside + before), dtype=np.float64)

    def at(self, rows: IntArray) -> Ball:
        """Columns of some samples."""
        return Ball(self.radius[rows], self.neighbours[rows], self.tied[rows], self.taken[rows])

    @classmethod
    def joined(cls, balls: Sequence[Ball]) -> Ball:
        """Columns of several sets of samples, one after the other."""
        names = ("radius", "neighbours", "tied", "taken")
        return cls(*(np.concatenate([getattr(ball, name) for ball in balls]) for name in names))


def _before(radius: FloatArray) -> FloatArray:
    return np.asarray(radius * (1 - ROUNDING), dtype=np.float64)


def _up_to(radius: FloatArray) -> FloatArray:
    return np.asarray(radius * (1 + ROUNDING), dtype=np.float64)


def _nearest(distances: FloatArray, n: int) -> IntArray:
    """Indices of the ``n`` smallest of each row, from the smallest."""
    index = np.argpartition(distances, n - 1, axis=1)[:, :n]
    order = np.argsort(np.take_along_axis(distances, index, 1), axis=1, kind="stable")
    return np.take_along_axis(index, order, 1)


def _distances(rows: FloatArray, points: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    step = max(1, DISTANCE_BYTES // (8 * len(points)))
    for start in range(0, len(rows), step):
        yield start, np.asarray(cdist(rows[start : start + step], points, "chebyshev"))
