"""The polytope of joints with given pair marginals, as linear equations for general solvers."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from pidkd.arrays import Array, FloatArray
from pidkd.estimators.solvers.union.certificate import Potentials


class MarginalEquations:
    r""":math:`\Delta_P = \{q \ge 0 : \sum_s q = P(y,t),\ \sum_t q = P(y,s)\}` over the cells that may be positive.

    Both marginals say P(y), so for every y one equation, that of its largest P(y,s), follows from the others. It is
    left out: redundant equations make some solvers several times slower.

    Attributes
    ----------
    matrix, rhs : sparse array, shape (n_equations, n_cells), and array, shape (n_equations,)
        The equations ``matrix @ q = rhs``.
    sum_y : sparse array, shape (n_blocks, n_cells)
        Sums over y: q(t,s).
    """

    def __init__(self, p: FloatArray) -> None:
        self._shape = p.shape
        n_t, n_s = p.shape[1:]
        p_yt, p_ys = p.sum(axis=2), p.sum(axis=1)
        self._cells = y, t, s = np.nonzero((p_yt[:, :, None] > 0) & (p_ys[:, None, :] > 0))
        self._pairs_t, sum_s = _aggregate(y * n_t + t)
        pairs_s, sum_t = _aggregate(y * n_s + s)
        independent = pairs_s % n_s != p_ys.argmax(axis=1)[pairs_s // n_s]
        self._pairs_s = pairs_s[independent]
        self.matrix = sparse.vstack([sum_s, sum_t[independent]], format="csc")
        self.rhs = np.concatenate([p_yt.flat[self._pairs_t], p_ys.flat[self._pairs_s]])
        _, self.sum_y = _aggregate(t * n_s + s)

    def plan(self, q: FloatArray) -> FloatArray:
        """The joint of shape (n_y, n_t, n_s) that has ``q`` on the cells."""
        plan = np.zeros(self._shape)
        plan[self._cells] = q
        return plan

    def potentials(self, multipliers: FloatArray) -> Potentials:
        """The potentials that belong to multipliers m of the Lagrangian f(q) + m (matrix @ q - rhs).

        The gradient of sum q log(q / q_ts) is log(q / q_ts) = a + b, so they are the multipliers' negatives.
        """
        n_y, n_t, n_s = self._shape
        a, b = np.zeros((n_y, n_t)), np.zeros((n_y, n_s))
        a.flat[self._pairs_t], b.flat[self._pairs_s] = np.split(-multipliers, [len(self._pairs_t)])
        return Potentials(a, b)


def _aggregate(labels: Array) -> tuple[Array, sparse.csr_array[Any]]:
    """The labels that occur, and the 0-1 matrix that sums what bears each of them."""
    values, index = np.unique(labels, return_inverse=True)
    ones = np.ones(len(labels))
    return values, sparse.csr_array((ones, (index, np.arange(len(labels)))), shape=(len(values), len(labels)))
