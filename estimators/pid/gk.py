"""The information of what both sources have in common with certainty."""

from __future__ import annotations

from dataclasses import dataclass

from pidkd.estimator import Context
from pidkd.estimators.solvers.redundancy.common_part import common_information
from pidkd.inputs import Pmf
from pidkd.pid import PIDEstimator, Raw, table_raw


@dataclass(frozen=True)
class GK(PIDEstimator):
    r""":math:`\mathrm{Red}(Y:T,S) = I(Y;C)`, C the common part of Gács and Körner.

    C is the finest variable that is a function of T and, with probability one, a function of S. It is the least of the
    redundancies here, and one rare event that joins two values of T and S can take all of it away; its synergy may be
    negative.

    References
    ----------
    griffith2014

    Examples
    --------
    >>> import pidkd
    >>> t, s = [0, 0, 1, 1, 2], [0, 0, 1, 1, 2]  # two copies
    >>> pidkd.decompose([0, 0, 1, 1, 1], t, s, estimator="gk").unique_t
    0.0
    """

    name = "gk"
    measure = "information of the common part"
    reference = "griffith2014"
    accepts = (Pmf,)
    certifies = True
    laws = frozenset({"symmetric", "relabelling", "zero_rows", "copy", "constant"})

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        return table_raw(data.p, common_information(data.p))
