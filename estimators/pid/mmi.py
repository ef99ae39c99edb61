"""Minimum mutual information."""

from __future__ import annotations

from dataclasses import dataclass

from pidkd.estimator import Context
from pidkd.info import information
from pidkd.inputs import Pmf
from pidkd.pid import PIDEstimator, Raw, table_raw


@dataclass(frozen=True)
class MMI(PIDEstimator):
    r""":math:`\mathrm{Red}(Y:T,S) = \min\{I(Y;T), I(Y;S)\}`.

    An upper bound of every redundancy that obeys the identities and is non-negative; one unique atom is always zero.

    References
    ----------
    barrett2015

    Examples
    --------
    >>> import pidkd
    >>> y, t, s = [0, 1, 0, 1], [0, 1, 0, 1], [0, 1, 1, 0]  # Y = T, and S an independent bit
    >>> result = pidkd.decompose(y, t, s, estimator="mmi")
    >>> result.redundant, result.unique_t
    (0.0, 1.0)
    """

    name = "mmi"
    measure = "minimum mutual information"
    reference = "barrett2015"
    accepts = (Pmf,)
    certifies = True
    laws = frozenset({"symmetric", "relabelling", "zero_rows", "nonnegative", "copy", "constant"})

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        known = information(data.p)
        return table_raw(data.p, min(known.t, known.s))
