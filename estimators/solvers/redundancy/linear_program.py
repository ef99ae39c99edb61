"""Linear programs in the form that the redundancies need, by HiGHS."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linprog

from pidkd.arrays import FloatArray

SCALE = 1e3
"""The objective is multiplied by this, so that the solver's absolute tolerance is a small one."""
TOLERANCE = 1e-10
"""The least that HiGHS accepts for the feasibility of primal and dual."""


class Optimum(NamedTuple):
    """The variables, and for each equation its price: what the value gains by one more on the right-hand side."""

    x: FloatArray
    prices: FloatArray


def maximise(value: FloatArray, matrix: Any, rhs: FloatArray, seconds: float = math.inf) -> Optimum | None:
    r"""Maximise :math:`\langle value, x \rangle` subject to ``matrix @ x = rhs`` and x >= 0.

    Feasible and optimal up to the tolerance of the solver: who needs bounds repairs both answers. ``matrix`` is dense
    or sparse; None when the solver has no answer or ``seconds`` are over.
    """
    options: Any = {"primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE}
    if math.isfinite(seconds):
        options["time_limit"] = seconds
    solution: Any = linprog(-SCALE * value, A_eq=matrix, b_eq=rhs, bounds=(0, None), method="highs", options=options)
    if solution.status != 0:
        return None
    return Optimum(np.maximum(solution.x, 0.0), -solution.eqlin.marginals / SCALE)
