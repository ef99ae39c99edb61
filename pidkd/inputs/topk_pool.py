"""What two sources say together of many classes, of which each lists the most probable ones only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray
from pidkd.inputs.topk import Top

ROWS = 4_000
"""Rows, at most, that the weights are fitted to."""

IMPOSSIBLE = 1e-9
"""Probability of all other classes together, at the least; without it a class left out could not be in the pool."""


@dataclass(frozen=True)
class Pool:
    r""":math:`q(y) \propto p(y|t)^{w_1} p(y|s)^{w_2} p(y)^{w_3}` of every class, listed or not.

    A class that a source does not list has an equal share of its tail. p(y) is the mean of both sources over the rows.
    """

    index: IntArray
    """Classes that a source lists, in rising order, shape (n, k_t + k_s)."""
    first: Array
    """Whether a class stands for the first time in its row, likewise."""
    logs: FloatArray
    """Logarithms of p(y|t), p(y|s) and p(y) of these classes, shape (3, n, k_t + k_s)."""
    shares: FloatArray
    """Logarithms of the shares of both tails, shape (2, n)."""
    prior: FloatArray
    """Logarithm of p(y), shape (n_classes,)."""

    @classmethod
    def of(cls, t: Top, s: Top, n_classes: int) -> Pool:
        """From the most probable classes by each source."""
        n, k = t.index.shape
        shares = [np.maximum(top.tail, IMPOSSIBLE) / max(n_classes - top.index.shape[1], 1) for top in (t, s)]
        index = np.concatenate([t.index, s.index], axis=1)
        order = np.argsort(index, axis=1, kind="stable")
        p = np.broadcast_to(np.stack(shares)[:, :, None], (2, *index.shape)).copy()
        p[0, :, :k], p[1, :, k:] = t.p, s.p
        index, p = np.take_along_axis(index, order, axis=1), np.take_along_axis(p, order[None], axis=2)
        first = np.ones(index.shape, dtype=bool)
        first[:, 1:] = index[:, 1:] != index[:, :-1]
        p[1, :, :-1] = np.where(first[:, 1:], p[1, :, :-1], p[1, :, 1:])  # of a class in both lists T's entry is kept
        floor = IMPOSSIBLE / n_classes
        above = (p - np.stack(shares)[:, :, None]).sum(axis=0)
        mean = sum(share.sum() for share in shares) + np.bincount(index[first], above[first], minlength=n_classes)
        prior = np.log(np.maximum(mean / (2 * n), floor))
        logs = np.stack([*np.log(np.maximum(p, floor)), prior[index]])
        return cls(index, first, logs, np.log(np.stack(shares)), prior)

    def of_label(self, y: IntArray) -> FloatArray:
        """The logarithms of each row's label, shape (3, n)."""
        here = (self.index == y[:, None]) & self.first
        found, place = here.any(axis=1), here.argmax(axis=1)
        listed = self.logs[:, np.arange(len(y)), place]
        return np.where(found, listed, np.stack([*self.shares, self.prior[y]]))

    def weights(self, rows: IntArray, y: IntArray) -> FloatArray:
        """Weights that maximise the likelihood of the labels of these rows: a convex problem in three unknowns."""
        from scipy.optimize import minimize

        part = self.taken(rows[:ROWS])
        right = part.of_label(y[rows[:ROWS]]).mean(axis=1)

        def loss(w: FloatArray) -> tuple[float, FloatArray]:
            q, rest, total = part.masses(w)
            inside = np.einsum("jnk,nk->jn", part.logs, q)
            inside[:2] += part.shares * rest
            each = np.exp(w[2] * self.prior)
            unlisted = (each * self.prior).sum() - part._listed(each * self.prior)
            inside[2] += rest * unlisted / np.maximum(each.sum() - part._listed(each), TINY)
            return float(total.mean() - w @ right), inside.mean(axis=1) - right

        bounds = [(0.0, None), (0.0, None), (None, None)]
        weights: FloatArray = minimize(loss, np.array([0.5, 0.5, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds).x
        return weights

    def masses(self, w: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Probabilities of the listed classes and of all others, and the logarithm of what they are divided by."""
        z = np.where(self.first, np.tensordot(w, self.logs, 1), -np.inf)
        each = np.exp(w[2] * self.prior)
        others = np.log(np.maximum(each.sum() - self._listed(each), TINY)) + w[:2] @ self.shares
        top = np.maximum(z.max(axis=1), others)
        total = top + np.log(np.exp(z - top[:, None]).sum(axis=1) + np.exp(others - top))
        return np.exp(z - total[:, None]), np.exp(others - total), total

    def of_groups(self, w: FloatArray, group: IntArray) -> FloatArray:
        """Probabilities of groups of classes, shape (n, n_groups)."""
        n, n_groups = len(self.index), int(group.max()) + 1
        q, rest, _ = self.masses(w)
        each = np.exp(w[2] * self.prior)
        cell = (np.arange(n)[:, None] * n_groups + group[self.index]).ravel()
        listed = np.where(self.first, each[self.index], 0.0)
        p, gone = (np.bincount(cell, one.ravel(), minlength=n * n_groups).reshape(n, n_groups) for one in (q, listed))
        others = np.maximum(np.bincount(group, each, minlength=n_groups) - gone, 0.0)
        return np.asarray(p + others * (rest / np.maximum(others.sum(axis=1), TINY))[:, None])

    def taken(self, rows: IntArray) -> Pool:
        """The same of these rows."""
        return Pool(self.index[rows], self.first[rows], self.logs[:, rows], self.shares[:, rows], self.prior)

    def _listed(self, each: FloatArray) -> FloatArray:
        """Sum of a value of each class over the listed ones of each row."""
        return np.asarray(np.where(self.first, each[self.index], 0.0).sum(axis=1))


TINY = 1e-300
"""What the sum over classes that are not listed is at the least: where all are, rounding leaves nothing or less."""


def pooled(pool: Pool, y: IntArray, group: IntArray, rows_together: IntArray | None) -> tuple[FloatArray, FloatArray]:
    """Probabilities of groups, shape (n, n_groups), and of each row's label, shape (n,).

    Each half of the rows has the weights of the other.
    """
    n = len(y)
    unit = np.arange(n) if rows_together is None else rows_together
    half = np.random.default_rng(0).permutation(int(unit.max()) + 1)[unit] % 2
    tables, labels = np.empty((n, int(group.max()) + 1)), np.empty(n)
    for side in (0, 1):
        rows, others = np.flatnonzero(half == side), np.random.default_rng(1).permutation(np.flatnonzero(half != side))
        if not len(rows):
            continue
        w = pool.weights(others if len(others) else rows, y)
        part = pool.taken(rows)
        tables[rows] = part.of_groups(w, group)
        labels[rows] = np.exp(w @ part.of_label(y[rows]) - part.masses(w)[2])
    return tables, labels
