"""The information of what both sources have in common with certainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pidkd.antichains import lattice
from pidkd.arrays import FloatArray
from pidkd.estimator import Context
from pidkd.estimators.solvers.redundancy.common_part import common_information, common_part, common_table
from pidkd.info import local_of_set
from pidkd.inputs import Pmf
from pidkd.pid import PIDEstimator, Raw, RawLattice, local_atoms, table_raw


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
    >>> t, s = [0, 0, 1, 1, 2] * 100, [0, 0, 1, 1, 2] * 100  # two copies
    >>> pidkd.decompose([0, 0, 1, 1, 1] * 100, t, s, estimator="gk").unique_t
    0.0
    """

    name = "gk"
    measure = "information of the common part"
    reference = "griffith2014"
    accepts = (Pmf,)
    certifies = True
    laws = frozenset({"symmetric", "relabelling", "zero_rows", "copy", "constant", "independent_identity", "additive"})

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        local = None
        if "local" in ctx.keep:
            local = local_atoms(data.p, _pointwise(data.p, (0b01, 0b10)))
        return table_raw(data.p, common_information(data.p), local)

    def _redundancies(self, p: FloatArray, ctx: Context) -> RawLattice:
        antichains = lattice(p.ndim - 1).antichains
        local = np.stack([_pointwise(p, antichain) for antichain in antichains]) if "local" in ctx.keep else None
        return RawLattice(np.array([common_information(p, antichain) for antichain in antichains]), local=local)


def _pointwise(p: FloatArray, antichain: tuple[int, ...]) -> FloatArray:
    """Information i(y;c) of the common part at every cell, in the shape of ``p``."""
    component = common_part(p, antichain)
    table = common_table(p, component)
    pointwise: FloatArray = local_of_set(table, 0b1)[:, component]
    return pointwise
