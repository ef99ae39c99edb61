"""Williams and Beer's redundancy I_min."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pidkd.antichains import lattice
from pidkd.arrays import FloatArray
from pidkd.errors import IncompatibleInputError, Keyword
from pidkd.estimator import Context, choices
from pidkd.info import set_tables
from pidkd.inputs import Gaussian, Input, Pmf
from pidkd.pid import PIDEstimator, Raw, RawLattice, local_atoms, table_raw


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
    >>> y, t, s = [0, 1, 2, 3] * 100, [0, 0, 1, 1] * 100, [0, 1, 0, 1] * 100  # two independent bits, and Y is both
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

    def _accept(self, data: Input) -> Input:
        if isinstance(data, Gaussian):
            expected = "Codes or Pmf, as I_min of Gaussian variables has no closed form"
            raise IncompatibleInputError(Keyword("decompose", "estimator='i_min'"), expected, "Gaussian", choices(data))
        return super()._accept(data)

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        specific = [_specific_information(data.p.sum(axis=axis)) for axis in (2, 1)]
        p_y, least = data.p.sum(axis=(1, 2)), np.minimum(*specific)
        local = local_atoms(data.p, least[:, None, None]) if "local" in ctx.keep else None
        return table_raw(data.p, float((p_y * least).sum()), local)

    def _redundancies(self, p: FloatArray, ctx: Context) -> RawLattice:
        of_set = {sources: _specific_information(joint) for sources, joint in set_tables(p).items()}
        least = np.array(
            [np.min([of_set[a] for a in antichain], axis=0) for antichain in lattice(p.ndim - 1).antichains]
        )
        sources = tuple(range(1, p.ndim))
        local = least.reshape(*least.shape, *(1 for _ in sources)) if "local" in ctx.keep else None
        return RawLattice(least @ p.sum(axis=sources), local=local)


def _specific_information(joint: FloatArray) -> FloatArray:
    """I(Y=y;X) for every y of a table of shape (n_y, n_x); zero where p(y) is."""
    y, x = np.nonzero(joint)
    p_y, p_x = joint.sum(axis=1), joint.sum(axis=0)
    terms = joint[y, x] / p_y[y] * (np.log(joint[y, x]) - np.log(p_x[x]) - np.log(p_y[y]))
    return np.bincount(y, weights=terms, minlength=len(joint)).astype(np.float64)
