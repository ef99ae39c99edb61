"""The point at which Newton's equations are set up, and the operator M that a system factorises.

Arrays are over (member, t, y, s) or what of it they depend on. The larger source stands in the teacher's place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pidkd.arrays import Array, FloatArray


@dataclass
class Marginals:
    """Pair marginals of a batch of tables, teacher axis first, with what never changes during a solve.

    Parameters
    ----------
    yt : array, shape (n_batch, n_t, n_y)
    ys : array, shape (n_batch, n_y, n_s)
        Zero outside the support. For every member and y, both sum to the same P(y).
    """

    yt: FloatArray
    ys: FloatArray

    def __post_init__(self) -> None:
        self.t = self.yt.sum(axis=2)
        self.s = self.ys.sum(axis=1)
        y = self.ys.sum(axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            half = np.where(y > 0, np.log(y) / 2, 0.0)
            self.a = np.log(self.yt) - half[:, None, :]
            self.b = np.log(self.ys) - half[:, :, None]
            self.log_t = np.where(self.t > 0, np.log(self.t), 0.0)
            self.log_s = np.where(self.s > 0, np.log(self.s), 0.0)
        self.off_t = self.yt == 0
        self.off_s = self.ys == 0
        self.full = not (self.off_t.any() or self.off_s.any())
        self.pinned = self.ys.argmax(axis=2)

    def __len__(self) -> int:
        return len(self.yt)

    def take(self, members: Array) -> Marginals:
        """The marginals of some members."""
        return Marginals(self.yt[members], self.ys[members])


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
        self.q_t, self.q_s = sums(self.q)
        self.theta = self.w * (1.0 / self.sigma - 1.0)

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
    moved = da[:, :, :, None] + db[:, None, :, :]
    pushed = point.q * moved
    pushed += point.p * (point.theta * (point.p * moved).sum(axis=2))[:, :, None, :]
    return sums(pushed)


def sums(q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Row sums, shape (n_batch, n_t, n_y), and column sums, shape (n_batch, n_y, n_s)."""
    return np.matmul(q, np.ones(q.shape[3])), q.sum(axis=1)
