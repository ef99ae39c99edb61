"""Minimum mutual information."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pidkd.antichains import lattice
from pidkd.arrays import FloatArray
from pidkd.estimator import Context
from pidkd.estimators.solvers.gaussian.minimum import Sampling, minimum_information
from pidkd.info import information, local_of_set, set_tables, table_information
from pidkd.inputs import Activations, Gaussian, Pmf
from pidkd.parameters import Level, Whole
from pidkd.pid import PIDEstimator, Raw, RawLattice, local_atoms, table_raw


@dataclass(frozen=True)
class MMI(PIDEstimator):
    r""":math:`\mathrm{Red}(Y:T,S) = \min\{I(Y;T), I(Y;S)\}`.

    An upper bound of every redundancy that obeys the identities and is non-negative; one unique atom is always zero.
    Of jointly Gaussian variables the informations are closed forms; for a target of one dimension it is then the same
    as BROJA (``gaussian``), exactly. Of samples with a continuous target it is that of their second moments, less the
    exact bias of the three informations, with intervals from drawn sample covariances. The interval of an atom that is
    zero begins there. Where both sources say equally much, the smaller of two noisy informations is too small on
    average, and intervals of 95 % held the truth in 84 to 94 % of 200 repeats; elsewhere in 91 to 100 %.

    Parameters
    ----------
    debias : bool
        Correct the informations of Gaussian samples for bias. Tables are taken as they are.
    n_draws : int
        Sample covariances that are drawn for the interval.
    level : float
        Of the interval.

    References
    ----------
    barrett2015

    Examples
    --------
    >>> import pidkd
    >>> y, t, s = [0, 1, 0, 1] * 100, [0, 1, 0, 1] * 100, [0, 1, 1, 0] * 100  # Y = T, and S an independent bit
    >>> result = pidkd.decompose(y, t, s, estimator="mmi")
    >>> result.redundant, result.unique_t
    (0.0, 1.0)
    """

    debias: bool = True
    n_draws: Annotated[int, Whole(2, 1_000_000)] = 200
    level: Annotated[float, Level()] = 0.95

    name = "mmi"
    measure = "minimum mutual information"
    reference = "barrett2015"
    accepts = (Pmf, Gaussian, Activations)
    target = "continuous"
    certifies = True
    laws = frozenset({"symmetric", "relabelling", "zero_rows", "nonnegative", "copy", "constant"})

    def _decompose(self, data: Pmf | Gaussian | Activations, ctx: Context) -> Raw:
        if not isinstance(data, Pmf):
            return minimum_information(data, Sampling(self.debias, self.n_draws, self.level, ctx.seed))
        known = information(data.p)
        least = 0b01 if known.t <= known.s else 0b10
        local = local_atoms(data.p, local_of_set(data.p, least)) if "local" in ctx.keep else None
        return table_raw(data.p, min(known.t, known.s), local)

    def _redundancies(self, p: FloatArray, ctx: Context) -> RawLattice:
        known = {sources: table_information(joint) for sources, joint in set_tables(p).items()}
        least = [min(antichain, key=known.__getitem__) for antichain in lattice(p.ndim - 1).antichains]
        local = None
        if "local" in ctx.keep:
            local = np.stack([np.broadcast_to(local_of_set(p, sources), p.shape) for sources in least])
        return RawLattice(np.array([known[sources] for sources in least]), local=local)
