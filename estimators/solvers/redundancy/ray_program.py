r"""A redundancy over a cone as a linear program over its extreme rays, with both bounds repaired and proven.

With rays :math:`e_j`: maximise :math:`\sum_j \lambda_j \phi(G e_j)` subject to :math:`\sum_j \lambda_j e_j = 1`,
:math:`\lambda \ge 0`. By duality any v with :math:`\langle v, e_j\rangle \ge \phi(G e_j)` for all rays bounds the value
by :math:`\langle v, 1\rangle`.
"""

from __future__ import annotations

import math
import time

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.redundancy.cone import Bracket, Cone, information_of
from pidkd.estimators.solvers.redundancy.linear_program import maximise
from pidkd.estimators.solvers.redundancy.rays import extreme_rays
from pidkd.estimators.solvers.redundancy.refinement import refined


def most_informative(cone: Cone, tol: float, max_rays: int, time_limit: float) -> Bracket:
    """Bounds of the redundancy: by extreme rays where there are few, otherwise by refinement of the posteriors.

    Parameters
    ----------
    cone : Cone
    tol : float
        Gap in nats at which refinement ends.
    max_rays : int
        Rays beyond which they are not enumerated.
    time_limit : float
        Seconds for both, at most a third of it for the rays.
    """
    started = time.perf_counter()
    rays = extreme_rays(cone.equations, max_rays, time_limit / 3)
    solution = over_rays(cone, rays) if rays is not None else None
    if solution is not None:
        return solution
    return refined(cone, tol, time_limit - (time.perf_counter() - started))


def over_rays(cone: Cone, rays: FloatArray) -> Bracket | None:
    """Bounds of the redundancy from all extreme rays of the cone, shape (n_rays, n); None without an answer."""
    value = information_of(rays @ cone.to_target.T, cone.p_y)
    optimum = maximise(value, rays.T, np.ones(rays.shape[1]))
    if optimum is None:
        return None
    # Less than one everywhere: what is left over is a symbol of its own, and no symbol has negative information.
    weight = optimum.x / max(1.0, float((optimum.x @ rays).max()))
    shortfall = float(((value - rays @ optimum.prices) / rays.sum(axis=1)).max())
    prices = optimum.prices + max(shortfall, 0.0)
    lower = math.fsum(weight * value)
    return Bracket(lower, max(lower, math.fsum(prices)), f"{len(rays)} extreme rays")
