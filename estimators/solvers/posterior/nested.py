r"""Three classes and more, three sources and more: mixtures of columns, one set inside the other.

Let :math:`d^i_l(y) > 0` be columns of each source i but the first. A posterior p of source i has the mixture of its own
columns that explains it best, as in ``mixtures``, and :math:`a_i(y, p)` is its logarithm. The products of columns,
one of each source, are the columns of the first source, and :math:`a_1(y, p) = \log p(y) - \log` of the best mixture
of these. That is feasible for all posteriors, since the product of mixtures is a mixture of the products; where a
maximum is not reached, subtracting the logarithm of the largest of the sums makes it so. The gradient by
:math:`\log d^i_l(y)` is the mass that l explains in source i less the mass that the products with l explain in the
first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.posterior.mixtures import mixed

PRODUCTS, MOST = 256, 16
"""Columns of a source, at most: so many in all that their products are about 256, and no more than 16."""
ROWS = 500
"""Rows of each source that the columns are fitted to."""
STEPS = 60
STARTS = 4
LEAST, GREATEST = -30.0, 5.0
"""Logarithms of columns stay between these."""
ROUGH = 8
"""Cycles of the mixtures while fitting."""


@dataclass(frozen=True)
class Nested:
    """Columns of all sources but one.

    Parameters
    ----------
    first : int
        The source whose columns are the products: the one that knows most, the other way round loses several times
        as much.
    columns : sequence of arrays, shape (n_classes, m_i)
        Of the other sources, in order.
    """

    first: int
    columns: Sequence[FloatArray]

    @classmethod
    def fit(cls, posteriors: Sequence[FloatArray], prior: FloatArray) -> Nested:
        """From posteriors of some rows in random order by each source, shape (n, n_classes)."""
        from scipy.optimize import minimize

        says = [float((p * np.log(p)).sum(axis=1).mean()) for p in posteriors]
        first = int(np.argmax(says))
        order = [first, *(i for i in range(len(posteriors)) if i != first)]
        rows = [posteriors[i][:ROWS] for i in order]
        size = max(2, min(MOST, int(PRODUCTS ** (1 / (len(order) - 1)))))
        shape = len(prior), size

        def loss(flat: FloatArray) -> tuple[float, FloatArray]:
            value, gradient = _earned(rows, _columns(flat, shape), prior)
            return -value, -np.concatenate([each.ravel() for each in gradient])

        answers: list[Any] = []
        for start in range(STARTS):
            anchors = np.arange(start * size, (start + 1) * size) % len(rows[0])
            roots = np.concatenate([(np.log(p[anchors]).T / 2).ravel() for p in rows[1:]])
            roots = np.clip(roots, LEAST, GREATEST)
            options: Any = {"maxiter": STEPS}
            limits = [(LEAST, GREATEST)] * len(roots)
            answers.append(minimize(loss, roots, (), "L-BFGS-B", jac=True, bounds=limits, options=options))
        best = min(answers, key=lambda answer: float(answer.fun))
        return cls(first, _columns(best.x, shape))

    def potentials(self, posteriors: Sequence[FloatArray]) -> FloatArray:
        """The sum of a_i(y, x_i) over the sources, of every row and class, shape (n, n_classes)."""
        products = products_of(self.columns)
        p = posteriors[self.first]
        ratio = p / mixed(p, products)[0]
        total: FloatArray = np.log(ratio) - np.log((ratio @ products).max(axis=1, keepdims=True))
        others = [p for i, p in enumerate(posteriors) if i != self.first]
        for other, columns in zip(others, self.columns, strict=True):
            total = total + np.log(mixed(other, columns)[0])
        return total


def _columns(flat: FloatArray, shape: tuple[int, int]) -> list[FloatArray]:
    """Columns of each source from their logarithms in a row."""
    return list(np.exp(flat.reshape(-1, *shape)))


def products_of(columns: Sequence[FloatArray]) -> FloatArray:
    """All products of one column of each, shape (n_classes, product of their numbers)."""
    products = columns[0]
    for other in columns[1:]:
        products = (products[:, :, None] * other[:, None, :]).reshape(len(other), -1)
    return products


def _earned(
    rows: Sequence[FloatArray], columns: Sequence[FloatArray], prior: FloatArray
) -> tuple[float, list[FloatArray]]:
    """Information of the mixtures of the other sources less that of the first, and its gradient by the log columns."""
    value, mass = _explained(rows[0], products_of(columns), prior)
    whole = mass.reshape(len(prior), *(each.shape[1] for each in columns))
    value, gradient = -value, []
    for i, (p, own) in enumerate(zip(rows[1:], columns, strict=True)):
        more, mine = _explained(p, own, prior)
        value += more
        gradient.append(mine - whole.sum(axis=tuple(j + 1 for j in range(len(columns)) if j != i)))
    return value, gradient


def _explained(p: FloatArray, columns: FloatArray, prior: FloatArray) -> tuple[float, FloatArray]:
    """E sum_y p log of the best mixture, and the mass of each class that a column explains; weighted to the prior."""
    mixture, weights = mixed(p, columns, ROUGH)
    scale = prior / p.mean(axis=0)
    value = float((scale * (p * np.log(mixture)).mean(axis=0)).sum())
    mass = ((p / mixture).T @ weights) * columns / len(p)
    return value, mass * scale[:, None]
