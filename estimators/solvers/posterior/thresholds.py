r"""Two classes: the thresholds at which each source leads, fitted to rows.

The potentials of ``union.two_classes`` are feasible however the thresholds are divided between the sources, and so for
posteriors that were never seen. Here the hull is that of the posteriors of some rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.union.two_classes import Hull

MAX_CELLS = 512
"""Cells of a source, by posterior, of which the hull is made: finer ones follow the rows that are fitted to."""


@dataclass(frozen=True)
class Thresholds:
    """The leading source at each threshold.

    Parameters
    ----------
    hull : Hull
        Of all sources.
    """

    hull: Hull

    @classmethod
    def fit(cls, posteriors: Sequence[FloatArray], prior: FloatArray) -> Thresholds:
        """From posteriors of some rows by each source, shape (n, 2), all weighted to the same prior."""
        return cls(Hull.of([_cells(p, prior) for p in posteriors]))

    def potentials(self, posteriors: Sequence[FloatArray]) -> FloatArray:
        """The sum of a_i(y, x_i) over the sources, of every row and class, shape (n, 2)."""
        n = len(posteriors[0])
        source = np.repeat(np.arange(len(posteriors)), n)
        each = self.hull.potentials(source, np.concatenate(posteriors).T)
        total: FloatArray = each.reshape(2, len(posteriors), n).sum(axis=1).T
        return total


def _cells(p: FloatArray, prior: FloatArray) -> FloatArray:
    """Pair marginals, shape (2, at most MAX_CELLS), of rows in groups of near posteriors."""
    mass = p * (prior / p.mean(axis=0)) / len(p)
    if len(p) > MAX_CELLS:
        order = np.argsort(p[:, 1], kind="stable")
        mass = np.add.reduceat(mass[order], np.linspace(0, len(p), MAX_CELLS, endpoint=False).astype(int), axis=0)
    return np.ascontiguousarray(mass.T)
