"""The redundancy of Griffith and Ho, exactly or between proven bounds, and what RID makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.errors import InputError
from pidkd.estimator import Context
from pidkd.estimators.solvers.redundancy.common_part import common_information
from pidkd.estimators.solvers.redundancy.cone import blackwell_cone, griffith_ho_cone
from pidkd.estimators.solvers.redundancy.partitions import MAX_S, MAX_T, best_function
from pidkd.estimators.solvers.redundancy.ray_program import most_informative
from pidkd.info import information
from pidkd.inputs import Pmf
from pidkd.parameters import Positive, Whole
from pidkd.pid import PIDEstimator, Raw, between_raw
from pidkd.result import Certificate

CHANNELS = ("joint", "sources", "target", "teacher")
BLACKWELL_RAYS = 20_000
"""Rays of the garblings up to which their redundancy, an upper bound, is found exactly."""


@dataclass(frozen=True)
class IAlpha(PIDEstimator):
    r""":math:`I_\alpha = \max_Q I(Q;Y)` subject to :math:`I(Q;Y|T) = I(Q;Y|S) = 0`.

    What Q may be made from is the ``channel``; the joint distribution of Y, T and S stays as it is. The maximum of a
    convex function over a polytope: it is attained at extreme rays of a cone, which are enumerated where they are few,
    and then one linear program gives the exact value. Otherwise the simplex of posteriors is refined until two proven
    bounds meet, or the time is over; then ``unique_t`` is the upper bound, the status is ``bound``, and the interval of
    each atom is ``bounds(atom)``.

    :math:`I_\alpha` is not a continuous function of the table: for Y = (T, S) it is H(T) if T = S always, and zero if
    they differ now and then. Relations that hold to eleven digits count as exact.

    Parameters
    ----------
    channel : {"joint", "sources", "target", "teacher"}, default "joint"
        "joint": P(Q|T,S,Y), as Griffith and Ho define it. "sources": P(Q|T,S). "target": P(Q|Y), as it is printed in
        the RID paper. "teacher": what RID maximises, :math:`Q = f_t(T)` with
        :math:`I(Y;f_t(T)|f_s(S)) = 0` for any :math:`f_s`, by exact search over functions on at most 8 values of T
        and 10 of S; it is not symmetric in T and S.
    max_rays : int, default 25000
        Extreme rays beyond which posteriors are refined instead.
    tol : float, default 1e-9
        Gap in bits at which refinement ends and the answer counts as optimal.
    time_limit : float, default 60.0
        Seconds after which refinement ends with the bounds it has.

    References
    ----------
    griffith2015, kolchinsky2022, dissanayake2025

    Examples
    --------
    >>> import pidkd
    >>> y, t, s = [0, 0, 0, 1] * 100, [0, 0, 1, 1] * 100, [0, 1, 0, 1] * 100  # an AND gate
    >>> for channel in ("joint", "sources", "target", "teacher"):
    ...     print(channel, f"{pidkd.decompose(y, t, s, estimator='i_alpha', channel=channel).redundant:.6f}")
    joint 0.122556
    sources 0.122556
    target 0.000000
    teacher 0.000000
    """

    channel: Literal["joint", "sources", "target", "teacher"] = "joint"
    max_rays: Annotated[int, Whole(0)] = 25_000
    tol: Annotated[float, Positive("a gap in bits")] = 1e-9
    time_limit: Annotated[float, Positive("seconds")] = 60.0

    name = "i_alpha"
    measure = "Griffith and Ho's intersection information"
    reference = "griffith2015"
    accepts = (Pmf,)
    certifies = True
    laws = frozenset({"symmetric", "relabelling", "zero_rows", "copy", "constant", "independent_identity", "additive"})

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        known = information(data.p)
        p = _supported(data.p)
        if self.channel == "teacher":
            if p.shape[1] > MAX_T or p.shape[2] > MAX_S:
                expected = f"at most {MAX_T} values of T and {MAX_S} of S"
                got = f"{p.shape[1]} and {p.shape[2]}"
                raise InputError("i_alpha(channel='teacher')", expected, got, "quantise more coarsely")
            value, function = best_function(p)
            unique_t = known.t - value
            return Raw(unique_t, known, Certificate(unique_t, unique_t, "exact", f"f_t(T) = {list(function)}"))
        tol = self.tol * math.log(2)
        optimum = most_informative(griffith_ho_cone(p, self.channel), tol, self.max_rays, 0.7 * self.time_limit)
        # The common part of T and S is one such Q, but not a function of Y.
        lower = 0.0 if self.channel == "target" else common_information(p)
        red_low, red_high = max(optimum.lower, lower), min(optimum.upper, known.t, known.s)
        if red_high - red_low > tol:
            # Every such Q is a garbling of both sources too, and of those the best is found sooner.
            garblings = blackwell_cone(p.sum(axis=2), p.sum(axis=1))
            red_high = min(red_high, most_informative(garblings, tol, BLACKWELL_RAYS, 0.2 * self.time_limit).upper)
        return between_raw(known, red_low, red_high, tol, optimum.route)


def _supported(p: FloatArray) -> FloatArray:
    """The table without values of probability zero."""
    masses = (p.sum(axis=(1, 2)), p.sum(axis=(0, 2)), p.sum(axis=(0, 1)))
    supported: FloatArray = p[np.ix_(*(mass > 0 for mass in masses))]
    return supported
