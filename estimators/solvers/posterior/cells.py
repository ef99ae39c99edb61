r"""Three classes and more: potentials of the exact problem of posterior cells, refined to the posteriors themselves.

BROJA sees a source only through its posteriors. So the posteriors of some rows are put into few cells, the certified
solver finds potentials of the table of cells, and these are carried over to posteriors that were never seen. For given
:math:`b(y, j)`, j from 1 to m, the best a of a posterior p is

.. math::

    \max_a \sum_y p(y)\, a(y) \;\text{ subject to }\; \sum_y e^{a(y) + b(y, j)} \le 1 \;\forall j,

solved by :math:`a(y) = \log p(y) - \log \sum_j \lambda_j e^{b(y,j)}` with the weights of a mixture, which the EM
algorithm finds. Where it stops early, subtracting the logarithm of the largest sum makes a feasible without loss of
rigour. A posterior of the other side takes the column of b that promises it most, which is feasible as it stands.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from pidkd.estimators.solvers.union.certificate import bounds
from pidkd.estimators.solvers.union.chain import solve_chain
from pidkd.estimators.solvers.union.reduction import Reduction
from pidkd.inputs import FloatArray

ANCHORS = 256
"""Rows of each source whose posteriors the potentials are refined to."""

EM_STEPS = 60
TOLERANCE = 1e-6
"""Gap of the table of cells, in nats: what is left is far below what sampling leaves."""
MAX_MEMORY = 2**31
ENTRIES = 2**22
"""Entries of a (rows, anchors) array held at a time."""


@dataclass(frozen=True)
class Anchors:
    """Potentials b of as many posteriors of S, against which those of T are found.

    Parameters
    ----------
    b : array, shape (n_classes, n_anchors)
    """

    b: FloatArray

    @classmethod
    def fit(cls, p_t: FloatArray, p_s: FloatArray, prior: FloatArray, n_cells: int) -> Anchors:
        """From posteriors of some rows in random order, shape (n, n_classes)."""
        table_t, table_s = _soft_table(p_t, prior, n_cells), _soft_table(p_s, prior, n_cells)
        # Only the two pair tables count; this joint has them.
        p = table_t[:, :, None] * table_s[:, None, :] / prior[:, None, None]
        table = Reduction(p)
        [solution] = solve_chain([table], TOLERANCE, MAX_MEMORY)
        b = bounds(p, *table.lift(solution.q, solution.a, solution.b)).potentials.b
        a = best_response(p_t[:ANCHORS], b).T
        return cls(best_response(p_s[:ANCHORS], a).T)

    def potentials(self, p_t: FloatArray, p_s: FloatArray) -> FloatArray:
        """The sum a(y,t) + b(y,s) of every row and class, shape (n, n_classes)."""
        return best_response(p_t, self.b) + self.b[:, np.argmax(p_s @ self.b, axis=1)].T


def best_response(p: FloatArray, b: FloatArray) -> FloatArray:
    """For each posterior the potential that is feasible with every column of ``b`` and promises it most.

    Parameters
    ----------
    p : array, shape (n, n_classes)
    b : array, shape (n_classes, m)

    Returns
    -------
    array, shape (n, n_classes)
    """
    # A common shift of b is taken out and put back, so that no exponential underflows.
    top = b.max(axis=1, keepdims=True)
    e = np.exp(b - top)
    step = max(1, ENTRIES // e.shape[1])
    pieces = []
    for start in range(0, len(p), step):
        q = p[start : start + step]
        weights = np.full((len(q), e.shape[1]), 1 / e.shape[1])
        for _ in range(EM_STEPS):
            weights *= (q / (weights @ e.T)) @ e
        a = np.log(q) - np.log(weights @ e.T)
        excess = np.log((np.exp(a) @ e).max(axis=1, keepdims=True))
        pieces.append(a - excess - top.T)
    return np.concatenate(pieces)


def _soft_table(p: FloatArray, prior: FloatArray, n_cells: int) -> FloatArray:
    """p(y, cell), the posteriors added up in cells: k-means of sqrt(p), where distances are Hellinger's."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    points = np.sqrt(p)
    distinct = len(np.unique(np.round(points, 9), axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # cells that stay empty are left out below
        cells = KMeans(min(n_cells, distinct), n_init=1, random_state=0).fit(points).labels_
    table = np.zeros((p.shape[1], int(cells.max()) + 1))
    np.add.at(table.T, cells, p)
    table = table[:, table.sum(axis=0) > 0]
    return np.asarray(table * (prior / table.sum(axis=1))[:, None])
