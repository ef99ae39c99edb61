"""Redundancy by shared exclusions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pidkd.antichains import lattice
from pidkd.arrays import FloatArray
from pidkd.estimator import Context
from pidkd.estimators.solvers.redundancy.shared_exclusions import Exclusions, shared_exclusions, sx_atoms
from pidkd.info import information
from pidkd.inputs import Pmf
from pidkd.pid import PIDEstimator, Raw, RawLattice, local_atoms
from pidkd.result import ATOMS, Certificate

PARTS = ("informative", "misinformative")
"""Signed parts of the atoms."""


@dataclass(frozen=True)
class SharedExclusions(PIDEstimator):
    r""":math:`\mathrm{Red}(Y:T,S) = \sum_{y,t,s} p(y,t,s) \log \frac{P(y \mid T = t \text{ or } S = s)}{p(y)}`.

    What is known of the target once one is told that T takes its value or S takes its. Exact, without optimisation, and
    differentiable in the table (``pidkd.estimators.solvers.redundancy.shared_exclusions.sx_atoms`` takes a tensor).
    Atoms can be negative: each is the difference of an informative and a misinformative part (``result.parts``),
    which never are.

    References
    ----------
    makkeh2021

    Examples
    --------
    >>> import pidkd
    >>> import pidkd.synthetic
    >>> p = pidkd.synthetic.gate("xor").pmf
    >>> result = pidkd.decompose(p, estimator="sx", keep=("local",))
    >>> print(f"{result.redundant:.6f} = log2(2/3), in every cell: {result.local['redundant'][p.p > 0].round(6)}")
    -0.584963 = log2(2/3), in every cell: [-0.584963 -0.584963 -0.584963 -0.584963]
    >>> print(f"{result.parts['informative']['redundant']:.6f} - {result.parts['misinformative']['redundant']:.6f}")
    0.415037 - 1.000000
    """

    name = "sx"
    measure = "shared exclusions"
    reference = "makkeh2021"
    accepts = (Pmf,)
    certifies = True
    laws = frozenset({"symmetric", "relabelling", "zero_rows", "copy", "constant"})

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        signed = sx_atoms(data.p)
        known = information(data.p)
        unique_t = known.t - float(signed.atoms[0])
        # The antichains of two sources, {1}{2}, {1}, {2} and {12}, stand in the order of the atoms.
        parts = {part: dict(zip(ATOMS, getattr(signed, part).tolist(), strict=True)) for part in PARTS}
        local = local_atoms(data.p, _on_table(data.p, shared_exclusions(data.p))[0]) if "local" in ctx.keep else None
        return Raw(unique_t, known, Certificate(unique_t, unique_t, "exact", "closed form"), parts=parts, local=local)

    def _redundancies(self, p: FloatArray, ctx: Context) -> RawLattice:
        exclusions = shared_exclusions(p)
        parts = {part: getattr(exclusions, part) @ exclusions.mass for part in PARTS}
        return RawLattice(
            parts["informative"] - parts["misinformative"],
            parts=parts,
            local=_on_table(p, exclusions) if "local" in ctx.keep else None,
        )


def _on_table(p: FloatArray, exclusions: Exclusions) -> FloatArray:
    """Pointwise redundancies in the shape of the table, for every antichain; NaN at cells of probability zero."""
    table = np.full((len(lattice(p.ndim - 1)), *p.shape), np.nan)
    at: tuple[Any, ...] = (slice(None), *exclusions.cells)
    table[at] = exclusions.informative - exclusions.misinformative
    return table
