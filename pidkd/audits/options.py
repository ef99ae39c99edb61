"""Options of an audit, checked before any file is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pidkd.arrays import TARGETS
from pidkd.errors import InputError, Keyword
from pidkd.files.layer import Pool
from pidkd.inputs.activations import Target
from pidkd.parameters import SEED, Whole, check_choice, check_flag, check_whole
from pidkd.result import Units, check_units
from pidkd.uncertainty import Method, as_methods

if TYPE_CHECKING:
    from pidkd.quantize import Quantizer


MOST_SHUFFLES = 100_000
"""Shuffles of the labels that still end within reason."""


@dataclass(frozen=True)
class AuditOptions:
    """Options of ``audit`` that an engine acts upon, or refuses; their meaning is in its docstring."""

    quantize: Quantizer | None = None
    fit_on: Any = "all"
    pool: Pool | Literal["auto"] = "auto"
    shuffles: int | None = None
    uncertainty: Method | Sequence[Method] | Literal["auto"] | None = "auto"
    local: bool = False
    images: bool = False
    max_memory: int | None = None
    device: str = "cpu"
    seed: int = 0
    units: Units = "bits"
    target: Target = "auto"

    def __post_init__(self) -> None:
        check_units(Keyword("audit", "units"), self.units)
        check_choice(Keyword("audit", "pool"), self.pool, ("auto", "flatten", "mean"))
        check_choice(Keyword("audit", "target"), self.target, TARGETS)
        SEED.check(Keyword("audit", "seed"), self.seed)
        check_flag(Keyword("audit", "local"), self.local)
        if self.shuffles is not None:
            Whole(0, MOST_SHUFFLES).check(Keyword("audit", "shuffles"), self.shuffles)
        if self.max_memory is not None:
            check_whole(Keyword("audit", "max_memory"), self.max_memory, 1)
        check_choice(Keyword("audit", "device"), self.device, ("cpu", "cuda", "auto"))
        if not (self.uncertainty is None or (isinstance(self.uncertainty, str) and self.uncertainty == "auto")):
            try:
                object.__setattr__(self, "uncertainty", as_methods(self.uncertainty))
            except InputError as error:
                raise error.at(Keyword("audit", "uncertainty")) from None

    @property
    def fits_on_all(self) -> bool:
        """Whether ``fit_on`` was left alone."""
        return isinstance(self.fit_on, str) and self.fit_on == "all"

    @property
    def methods(self) -> list[Method]:
        """Methods of uncertainty that the user named."""
        if self.uncertainty is None or isinstance(self.uncertainty, str):
            return []
        return [*self.uncertainty] if isinstance(self.uncertainty, Sequence) else [self.uncertainty]
