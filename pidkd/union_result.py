"""The union information of several sources, and how far it can be trusted."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pidkd.arrays import FloatArray
from pidkd.codec import PlainData
from pidkd.constraints import COUNT, NonNegative
from pidkd.export import html_table
from pidkd.result import NATS_PER, Certificate, Units, check_units


@dataclass(frozen=True, kw_only=True)
class UnionResult(PlainData):
    r"""The union information :math:`I_\cup(Y;X_1,\dots,X_n)`.

    Parameters
    ----------
    value : float
        In ``units``.
    sources : tuple of str
    information : mapping from source to float
        I(Y;X_i), which the union is never below.
    mi : float or None
        I(Y;X_1..X_n), where the joint of the sources is known.
    units : {"bits", "nats"}
    method : str
        Name of the estimator.
    params : mapping
        Its parameters.
    certificate : Certificate
        Proven bounds of the union information itself; of an estimate from samples, what the message says.
    n_samples : int or None
        None for an exact input.
    seconds : float
        Wall time of the estimation.
    warnings : tuple of str
        Limits of the number, in words.
    stats : mapping from str to float
        Effort of the solver.
    interval : tuple of float, optional
        Sampling interval (low, high).
    se, bias : float, optional
        Standard error and estimated bias, where known; the bias is taken off the value.
    plan : array, shape (n_y, n_1, .., n_n), optional
        The minimising joint distribution, where it was asked for.
    potentials : mapping from source to array, shape (n_y, n_i), optional
        Dual potentials in nats, where asked for.
    """

    value: float
    sources: tuple[str, ...]
    information: Mapping[str, float]
    mi: float | None
    units: Units
    method: str
    params: Mapping[str, Any]
    certificate: Certificate
    n_samples: Annotated[int, COUNT] | None
    seconds: Annotated[float, NonNegative()]
    warnings: tuple[str, ...] = ()
    stats: Mapping[str, float] = dataclasses.field(default_factory=dict, compare=False)
    interval: tuple[float, float] | None = None
    se: float | None = None
    bias: float | None = None
    plan: FloatArray | None = dataclasses.field(default=None, repr=False, compare=False)
    potentials: Mapping[str, FloatArray] | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def synergy(self) -> float | None:
        r""":math:`I(Y;X_1,\dots,X_n) - I_\cup`, information that no set of pairs shows; None without the joint."""
        return None if self.mi is None else self.mi - self.value

    def to(self, units: Units) -> UnionResult:
        """The same result in other units."""
        check_units("to(units)", units)
        factor = NATS_PER[self.units] / NATS_PER[units]
        return dataclasses.replace(
            self,
            value=self.value * factor,
            information={name: value * factor for name, value in self.information.items()},
            mi=None if self.mi is None else self.mi * factor,
            units=units,
            certificate=self.certificate.scaled(factor),
            interval=None if self.interval is None else (self.interval[0] * factor, self.interval[1] * factor),
            se=None if self.se is None else self.se * factor,
            bias=None if self.bias is None else self.bias * factor,
        )

    def __hash__(self) -> int:
        """By the numbers; what may be a mapping stays out."""
        return hash((self.method, self.units, self.sources, self.value))

    def _rows(self) -> list[tuple[str, str]]:
        text = f"{self.value:z.6f} {self.units}"
        if self.interval is not None:
            text += f"  [{self.interval[0]:z.6f}, {self.interval[1]:z.6f}]"
        rows = [(f"I_union(Y;{','.join(self.sources)})", text)]
        rows += [(f"I(Y;{name})", f"{value:z.6f} {self.units}") for name, value in self.information.items()]
        if self.synergy is not None:
            rows.append(("synergy", f"{self.synergy:z.6f} {self.units}"))
        return rows

    def _footer(self) -> str:
        gap = self.certificate.gap
        known = f"{abs(gap):.1e} {self.units}" if math.isfinite(gap) else "unknown"
        return f"{self.method}: {self.certificate.status}, gap {known}"

    def __str__(self) -> str:
        rows = self._rows()
        width = max(len(label) for label, _ in rows)
        return "\n".join([*(f"{label:<{width}} {value}" for label, value in rows), self._footer()])

    def _repr_html_(self) -> str:
        return html_table(self._rows(), self._footer())
