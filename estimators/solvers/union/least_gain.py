r"""Redundancy of every antichain about two classes, by the hulls of ROC curves.

What a source says of two classes is :math:`I(Y;X) = \int w(\lambda) g_X(\lambda) d\lambda`, where :math:`g_X` is the
gain of the best decision at each threshold and w is positive. The hull of some ROC curves has the largest of their
gains at every threshold. Where the redundancy of an antichain is the integral of the smallest gain of its sets, it
follows from union informations by inclusion and exclusion; at every threshold atoms of smallest values are never
negative.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from pidkd.antichains import lattice
from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.union.two_classes import Hull
from pidkd.info import set_tables


def least_gains(p: FloatArray) -> FloatArray:
    """Redundancy in nats of every antichain, in the order of the lattice, of a table of two classes with mass.

    Parameters
    ----------
    p : array, shape (2, n_1, ..., n_n)
    """
    tables, order = set_tables(p), lattice(p.ndim - 1)
    # What is a subset of an antichain is an antichain, so that these are all the unions there are.
    unions = {
        frozenset(antichain): Hull.of(tuple(tables[sources] for sources in antichain)).information
        for antichain in order.antichains
    }
    return np.array([_least(antichain, unions) for antichain in order.antichains])


def _least(antichain: tuple[int, ...], unions: dict[frozenset[int], float]) -> float:
    """Integral of a smallest gain: of largest ones, with alternating signs."""
    return math.fsum(
        (-1) ** (size + 1) * unions[frozenset(subset)]
        for size in range(1, len(antichain) + 1)
        for subset in itertools.combinations(antichain, size)
    )
