"""Williams and Beer's redundancy I_min."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.estimator import Context
from pidkd.inputs import Pmf
from pidkd.pid import PIDEstimator, Raw, table_raw


@dataclass(frozen=True)
class IMin(PIDEstimator):
    r""":math:`I_{\min}(Y:T,S) = \sum_y p(y) \min_{X \in \{T,S\}} \sum_x p(x|y) \log \frac{p(y|x)}{p(y)}`.

    Counts as redundant that both sources say equally *much* about each value of the target, even where they say
    different things: for independent bits and Y = (T, S) it gives one bit.

    References
    ----------
    williams2010

    Examples
    --------
    >>> import pidkd
    >>> y, t, s = [0, 1, 2, 3], [0, 0, 1, 1], [0, 1, 0, 1]  # two independent bits, and Y is both
    >>> result = pidkd.decompose(y, t, s, estimator="i_min")
    >>> result.redundant, result.synergistic
    (1.0, 1.0)
    """

    name = "i_min"
    measure = "minimum specific information"
    reference = "williams2010"
    accepts = (Pmf,)
    certifies = True
    laws = frozenset({"symmetric", "relabelling", "zero_rows", "nonnegative", "copy", "constant"})

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        specific = [_specific_information(data.p.sum(axis=axis)) for axis in (2, 1)]
        p_y = data.p.sum(axis=(1, 2))
        return table_raw(data.p, float((p_y * np.minimum(*specific)).sum()))


def _specific_information(joint: FloatArray) -> FloatArray:
    """I(Y=y;X) for every y of a table of shape (n_y, n_x); zero where p(y) is."""
    y, x = np.nonzero(joint)
    p_y, p_x = joint.sum(axis=1), joint.sum(axis=0)
    terms = joint[y, x] / p_y[y] * (np.log(joint[y, x]) - np.log(p_x[x]) - np.log(p_y[y]))
    return np.bincount(y, weights=terms, minlength=len(joint)).astype(np.float64)
