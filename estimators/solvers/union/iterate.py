"""The point at which Newton's equations are set up, and the operator M that a system factorises.

Arrays are over (member, t, y, s) or what of it they depend on. The largest source stands in the place of t. With two
sources s is the other one; with more, s runs over the cells of all others together, and what belongs to each of them
alone, such as its potentials, stands side by side on an axis of the length sum of their sizes. ``over_cells`` and
``over_sources`` lead from one to the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.estimators.solvers.union.certificate import pair_marginal, spread


@dataclass
class Marginals:
    """Pair marginals of a batch, the largest source's cells first, with what never changes during a solve.

    Parameters
    ----------
    yt : array, shape (n_batch, n_t, n_y)
    ys : array, shape (n_batch, n_y, sum of sizes)
        Zero outside the support. For every member, source and y, the sum is the same P(y).
    sizes : tuple of int
        Cells of each source in ``ys``.
    """

    yt: FloatArray
    ys: FloatArray
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        others = self.split(self.ys)
        self.t = self.yt.sum(axis=2)
        self.s = self.ys.sum(axis=1)
        y = others[0].sum(axis=2)
        n = len(self.sizes)
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.where(y > 0, n * np.log(y) / (n + 1), 0.0)
            self.a = np.log(self.yt) - part[:, None, :]
            self.b = np.log(self.ys) - part[:, :, None]
            self.log_t = np.where(self.t > 0, np.log(self.t), 0.0)
            self.log_s = np.where(self.s > 0, np.log(self.s), 0.0)
        self.off_t = self.yt == 0
        self.off_s = self.ys == 0
        self.full = not (self.off_t.any() or self.off_s.any())
        # the gauge leaves one potential free for each class and source in ys: that of the largest mass is held
        rows = np.arange(y.shape[1]) * self.ys.shape[2]
        starts = np.cumsum((0, *self.sizes[:-1]))
        held = [each.argmax(axis=2) + start + rows for each, start in zip(others, starts, strict=True)]
        self.pinned = np.concatenate(held, axis=1)

    def __len__(self) -> int:
        return len(self.yt)

    def take(self, members: Array) -> Marginals:
        """The marginals of some members."""
        return Marginals(self.yt[members], self.ys[members], self.sizes)

    def split(self, values: FloatArray) -> list[FloatArray]:
        """Values side by side, one array for each source."""
        if len(self.sizes) == 1:
            return [values]
        return np.split(values, np.cumsum(self.sizes)[:-1], axis=-1)

    def over_cells(self, values: FloatArray) -> FloatArray:
        """The sum over the sources in every cell s; shape (..., sum of sizes) to (..., n_s)."""
        return spread(self.split(values))

    def over_sources(self, cells: FloatArray) -> FloatArray:
        """The sums over all cells s that share a source's cell; shape (..., n_s) to (..., sum of sizes)."""
        n = len(self.sizes)
        if n == 1:
            return cells
        whole = cells.reshape(*cells.shape[:-1], *self.sizes)
        return np.concatenate([pair_marginal(whole, j, n) for j in range(n)], axis=-1)


@dataclass
class Iterate:
    """One point: plan, curvature and slack, over (member, t, y, s) or what of it they depend on."""

    marginals: Marginals
    total: FloatArray
    """L = LSE_y(a + b), shape (n_batch, n_t, n_s)."""
    p: FloatArray
    """softmax_y(a + b), shape (n_batch, n_t, n_y, n_s)."""
    w: FloatArray
    sigma: FloatArray

    def __post_init__(self) -> None:
        self.q = self.w[:, :, None, :] * self.p
        self.q_t, self.q_s = self.sums(self.q)
        self.theta = self.w * (1.0 / self.sigma - 1.0)

    def sums(self, q: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Pair marginals, shape (n_batch, n_t, n_y) and (n_batch, n_y, sum of sizes)."""
        return np.matmul(q, np.ones(q.shape[3])), self.marginals.over_sources(q.sum(axis=1))

    def moved(self, da: FloatArray, db: FloatArray) -> FloatArray:
        """The change of the sum of the potentials, shape (n_batch, n_t, n_y, n_s)."""
        total: FloatArray = da[:, :, :, None] + self.marginals.over_cells(db)[:, None, :, :]
        return total

    def take(self, members: Array) -> Iterate:
        """The point of some members."""
        return Iterate(
            self.marginals.take(members), self.total[members], self.p[members], self.w[members], self.sigma[members]
        )


# Once a block of this size has been freed, glibc keeps up to twice as much for the next arrays. Until then it gives the
# arrays of every iteration back to the system and gets them again page by page: a third of the time of small tables.
np.empty(2**21)


class NewtonSystem(Protocol):
    """M of the present iterate, factorised."""

    def solve(self, f_a: FloatArray, f_b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The (da, db) with M (da, db) = (f_a, f_b); zero outside the support."""


class Workspace:
    """Large arrays that every iteration needs again, so that memory is asked for once a solve."""

    def __init__(self) -> None:
        self._buffers: dict[str, FloatArray] = {}

    def array(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        """An array of this shape, its contents whatever they were."""
        size = math.prod(shape)
        if name not in self._buffers or self._buffers[name].size < size:
            self._buffers[name] = np.empty(size)
        return self._buffers[name][:size].reshape(shape)


def apply(point: Iterate, da: FloatArray, db: FloatArray) -> tuple[FloatArray, FloatArray]:
    """M (da, db), at the cost of one pass over the table."""
    moved = point.moved(da, db)
    pushed = point.q * moved
    pushed += point.p * (point.theta * (point.p * moved).sum(axis=2))[:, :, None, :]
    return point.sums(pushed)
