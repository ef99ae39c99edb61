"""BROJA of the signs of the first coordinates."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pidkd.arrays import as_array
from pidkd.inputs import Activations, Codes
from pidkd.pid import PIDEstimator, table_raw


@dataclass(frozen=True)
class Signs(PIDEstimator):
    """The smaller information of two signs."""

    name = "signs"
    measure = "minimum mutual information of signs"
    reference = "barrett2015"
    accepts = (Activations,)
    target = "discrete"
    certifies = False
    laws = frozenset()

    threshold: float = 0.0

    def _decompose(self, data, ctx):
        from pidkd.info import information

        t, s = (as_array("x", values).reshape(len(data.y), -1)[:, 0] > self.threshold for values in (data.t, data.s))
        p = Codes(data.y, t.astype(int), s.astype(int)).pmf().p
        known = information(p)
        raw = table_raw(p, min(known.t, known.s))
        status = replace(raw.certificate, status="bound", message="of two signs")
        return replace(raw, certificate=status)
