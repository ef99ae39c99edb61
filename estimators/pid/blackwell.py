"""The redundancy of the Blackwell order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pidkd.estimator import Context
from pidkd.estimators.solvers.redundancy.cone import blackwell_cone
from pidkd.estimators.solvers.redundancy.ray_program import most_informative
from pidkd.estimators.solvers.redundancy.roc import intersection_information
from pidkd.info import information
from pidkd.inputs import Pmf
from pidkd.parameters import Positive, Whole
from pidkd.pid import PIDEstimator, Raw, between_raw
from pidkd.result import Certificate


@dataclass(frozen=True)
class Blackwell(PIDEstimator):
    r""":math:`I_\prec = \max_Q I(Q;Y)` over the Q that are garblings of T and of S.

    Q is a garbling of both when channels :math:`k_1(q|t)` and :math:`k_2(q|s)` give it the same distribution given Y;
    only the pair marginals P(y,t) and P(y,s) matter. For two classes Q has the pointwise minimum of the ROC curves of
    both sources: a closed form. For more, the maximum is attained at extreme rays of a cone, which are enumerated where
    they are few, and then one linear program gives the exact value; otherwise the simplex of posteriors is refined
    until two proven bounds meet, or the time is over. Then ``unique_t`` is the upper bound, the status is ``bound``,
    and the interval of each atom is ``bounds(atom)``.

    Parameters
    ----------
    solver : {"auto", "rays"}, default "auto"
        "auto" takes the closed form for two classes, "rays" the linear program always.
    max_rays : int, default 20000
        Extreme rays beyond which posteriors are refined instead; about C(n_t + n_s, n_y + 1) are to be expected.
    tol : float, default 1e-9
        Gap in bits at which refinement ends and the answer counts as optimal.
    time_limit : float, default 60.0
        Seconds after which refinement ends with the bounds it has.

    References
    ----------
    kolchinsky2022, blackwell1953

    Examples
    --------
    >>> import pidkd
    >>> y, t, s = [0, 0, 0, 1] * 100, [0, 0, 1, 1] * 100, [0, 1, 0, 1] * 100  # an AND gate
    >>> print(f"{pidkd.decompose(y, t, s, estimator='blackwell').redundant:.6f}")
    0.311278
    """

    solver: Literal["auto", "rays"] = "auto"
    max_rays: Annotated[int, Whole(0)] = 20_000
    tol: Annotated[float, Positive("a gap in bits")] = 1e-9
    time_limit: Annotated[float, Positive("seconds")] = 60.0

    name = "blackwell"
    measure = "Blackwell redundancy"
    reference = "kolchinsky2022"
    accepts = (Pmf,)
    certifies = True
    laws = frozenset({"symmetric", "relabelling", "zero_rows", "copy", "constant", "independent_identity", "additive"})

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        known = information(data.p)
        p_yt, p_ys = data.p.sum(axis=2), data.p.sum(axis=1)
        classes = p_yt.sum(axis=1) > 0
        p_yt, p_ys = p_yt[classes][:, p_yt.sum(axis=0) > 0], p_ys[classes][:, p_ys.sum(axis=0) > 0]
        if len(p_yt) == 2 and self.solver == "auto":
            unique_t = known.t - intersection_information(p_yt, p_ys)
            return Raw(unique_t, known, Certificate(unique_t, unique_t, "exact", "the minimum of two ROC curves"))
        tol = self.tol * math.log(2)
        optimum = most_informative(blackwell_cone(p_yt, p_ys), tol, self.max_rays, self.time_limit)
        return between_raw(known, optimum.lower, min(optimum.upper, known.t, known.s), tol, optimum.route)
