r"""Solves without the smallest masses, for tables whose masses span more decades than double precision resolves.

Cells (y, x_i) below a threshold are left out, and each class is scaled back to P(y). The potentials of what is left out
are :math:`\log\varepsilon` below what the others allow, so that the dual point is feasible for the table as given, at a
cost of the mass left out times :math:`-\log\varepsilon`. Bounds are evaluated on the table as given.
"""

from __future__ import annotations

import math

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.union.certificate import PerSource

THRESHOLDS = (1e-12, 1e-11)
"""Masses below which cells are left out, one after the other."""
SHARE = 1e-12
"""Share of a joint cell that the classes left out there take together, at the most."""


def thinned(margins: PerSource, threshold: float) -> list[FloatArray]:
    """Pair marginals without the masses below ``threshold`` but the largest of a class, scaled back to P(y)."""
    p_y = margins[0].sum(axis=1, keepdims=True)
    kept = [np.where((m < threshold) & (m < m.max(axis=1, keepdims=True)), 0.0, m) for m in margins]
    totals = [each.sum(axis=1, keepdims=True) for each in kept]
    return [
        np.divide(each * p_y, total, out=np.zeros_like(each), where=total > 0)
        for each, total in zip(kept, totals, strict=True)
    ]


def filled(margins: PerSource, potentials: PerSource) -> list[FloatArray]:
    """Potentials of the thinned table, and finite ones for the cells of ``margins`` that it leaves out."""
    least = math.log(SHARE / len(margins[0]))
    whole = [np.where(np.isfinite(each), each, -np.inf) for each in potentials]
    for i, margin in enumerate(margins):
        highest = sum(each.max(axis=1) for j, each in enumerate(whole) if j != i)
        left_out = (margin > 0) & np.isinf(whole[i])
        whole[i] = np.where(left_out, (least - highest)[:, None], whole[i])
    return whole
