r"""Three classes and more: potentials that are mixtures of a few, one function for both sources.

Let :math:`e_j(y) > 0`, j from 1 to m, be given, and let a posterior p have the mixture of them that explains it best,

.. math::

    e_p = \sum_j \lambda_j(p)\, e_j, \qquad \lambda(p) = \arg\max_\lambda \sum_y p(y) \log \sum_j \lambda_j e_j(y).

Then :math:`a(y, t) = \log p(y|t) - \log e_{p(\cdot|t)}(y)` and :math:`b(y, s) = \log e_{p(\cdot|s)}(y)` are feasible
for every t and s: at the maximum :math:`\sum_y p(y)\, e_j(y) / e_p(y) \le 1` for each j, and so for each mixture. Where
the maximum is not reached, subtracting the logarithm of the largest of these sums makes a feasible without loss of
rigour. Of all potentials that are feasible with the columns :math:`\log e_j` of b these are the best, and they earn

.. math::

    I(Y;T) + \mathbb{E}\,G(p(\cdot|S)) - \mathbb{E}\,G(p(\cdot|T)), \qquad G(p) = \sum_y p(y) \log e_p(y).

At :math:`m = 1` that is what T says alone, at :math:`e_j(y) = [y = j]` what S says alone. Its gradient by
:math:`\log e_j(y)` is the mass of y that j explains in S less that in T. So ascent matches the two, and where they
match, j makes T and S independent given (Y, j), in a coupling with the given pairs (Y,T) and (Y,S).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pidkd.arrays import Array, FloatArray

FEWEST, MOST = 64, 128
"""Columns: as many as there are classes, within these. More gain next to nothing on rows held out."""

STEPS = 40
BATCH = 500
"""Rows of each source in a step of the ascent."""

CYCLE = (0, 1, 3, 0)
"""How often each step towards the best mixtures is doubled: long ones among short ones save three steps of four."""
CYCLES = 8
ROUGH = 2
"""Cycles in a step of the ascent. Exact ones there follow the rows that are fitted to, and earn less on others."""
LONGEST = 10.0
"""The most that a factor counts for in a long step, whose power must not overflow."""
ENTRIES = 2**16
"""Entries of a (rows, columns) array held at a time: they stay in cache."""


@dataclass(frozen=True)
class Mixtures:
    """Columns of which both potentials are mixtures.

    Parameters
    ----------
    columns : array, shape (n_classes, m)
        :math:`e_j(y)`, all above 0.
    """

    columns: FloatArray

    @classmethod
    def fit(cls, posteriors: Sequence[FloatArray], prior: FloatArray) -> Mixtures:
        """From posteriors of some rows in random order by both sources, shape (n, n_classes) each."""
        p_t, p_s = (p.astype(np.float32) for p in posteriors)  # any columns are feasible, rounded ones too
        anchors = slice(min(max(len(prior), FEWEST), MOST))
        # Half of what some rows of S say; then the best for T against that, and the best for S against T.
        e = np.sqrt(p_s[anchors]).T
        for p in (p_t, p_s):
            e = (p[anchors] / mixed(p[anchors], e, ROUGH)[0]).T
        for step in range(STEPS):
            batch = np.arange(step * BATCH, (step + 1) * BATCH) % len(p_t) if len(p_t) > BATCH else slice(None)
            of_t, of_s = (_explained(p[batch], e, prior.astype(np.float32)) for p in (p_t, p_s))
            total = of_t + of_s
            e = e * np.exp((of_s - of_t) / (total + total.mean() / 10) / (1 + step / 20))
            e /= e.max(axis=1, keepdims=True)  # a factor of a class is no change
        return cls(np.asarray(e, dtype=np.float64))

    def potentials(self, posteriors: Sequence[FloatArray]) -> FloatArray:
        """The sum a(y,t) + b(y,s) of every row and class, shape (n, n_classes)."""
        p_t, p_s = posteriors
        ratio = p_t / mixed(p_t, self.columns)[0]
        excess = np.log((ratio @ self.columns).max(axis=1, keepdims=True))
        return np.asarray(np.log(ratio) - excess + np.log(mixed(p_s, self.columns)[0]))


def mixed(p: Array, columns: Array, cycles: int = CYCLES) -> tuple[Array, Array]:
    """The mixture of columns that explains each posterior best, by the EM algorithm with some steps prolonged.

    Parameters
    ----------
    p : array, shape (n, n_classes)
    columns : array, shape (n_classes, m)
    cycles : int

    Returns
    -------
    mixture : array, shape (n, n_classes)
    weights : array, shape (n, m)
    """
    weights = np.full((len(p), columns.shape[1]), 1 / columns.shape[1], p.dtype)
    ones = np.ones((columns.shape[1], 1), p.dtype)  # products with them sum faster than sums along rows
    size = max(1, ENTRIES // columns.shape[1])
    for start in range(0, len(p), size):
        q, w = p[start : start + size], weights[start : start + size]
        for doublings in CYCLE * cycles:
            factor = (q / (w @ columns.T)) @ columns
            if doublings:
                np.minimum(factor, LONGEST, out=factor)
            for _ in range(doublings):
                factor *= factor
            w *= factor
            if doublings:
                w /= w @ ones
    return weights @ columns.T, weights


def _explained(p: Array, columns: Array, prior: Array) -> Array:
    """The mass of each class that each column explains, shape (n_classes, m); the classes have their prior masses."""
    mixture, weights = mixed(p, columns, ROUGH)
    mass = ((p / mixture).T @ weights) * columns
    scaled: Array = mass * (prior / mass.sum(axis=1))[:, None]
    return scaled
