"""No redundancy at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pidkd.inputs import Pmf
from pidkd.parameters import Whole
from pidkd.pid import PIDEstimator, table_raw


@dataclass(frozen=True)
class SharedNothing(PIDEstimator):
    """Redundancy 0."""

    name = "shared_nothing"
    measure = "no redundancy"
    reference = "barrett2015"
    accepts = (Pmf,)
    certifies = True
    laws = frozenset({"symmetric", "relabelling", "zero_rows", "constant"})

    rounds: Annotated[int, Whole(1, 10)] = 1

    def _decompose(self, data, ctx):
        return table_raw(data.p, 0.0)
