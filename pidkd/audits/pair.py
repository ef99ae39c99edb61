"""Atoms of one pair of layers in an audit, and the quantities to compare them with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pidkd.audits.probes import debiased_cka
from pidkd.audits.stored import LayerReading, stored
from pidkd.codec import plain
from pidkd.constraints import COUNT, TEXT, Entries, Fraction, Number, OrNone
from pidkd.errors import printable
from pidkd.result import ATOMS, NATS_PER, PIDResult, Units


def meet_all(pairs: Collection[tuple[str, str]]) -> bool:
    """Whether every teacher layer meets every one of several student layers."""
    teachers, students = ({pair[side] for pair in pairs} for side in (0, 1))
    return len(students) > 1 and len(pairs) == len(teachers) * len(students)


def cells(*readings: LayerReading) -> int:
    """Number of codes of a layer, or of pairs of codes of two, that occur; 0 where there are none."""
    codes = [reading.codes for reading in readings if reading.codes is not None]
    return len(set(zip(*codes, strict=True))) if len(codes) == len(readings) else 0


def _errors(name: str) -> tuple[str, str, str]:
    """Entries beside the mean of an atom."""
    return f"{name}_se", f"{name}_low", f"{name}_high"


MEANS = dict.fromkeys(ATOMS, Number())

Extreme: TypeAlias = Annotated[
    Mapping[str, object],
    Entries({"row": COUNT, "label": TEXT, **MEANS}, dict.fromkeys(("teacher", "student", "image"), TEXT)),
]
"""One sample with its local atoms."""

OfClass: TypeAlias = Annotated[
    Mapping[str, object],
    Entries({"label": TEXT, "n_samples": COUNT, **MEANS}, {key: Number() for name in ATOMS for key in _errors(name)}),
]
"""Means of local atoms over the samples of one label."""

Share: TypeAlias = Annotated[float | None, OrNone(Fraction())]
"""A share of samples, where it is known."""


@dataclass(frozen=True)
class AuditedPair:
    r"""The atoms of one teacher layer and one student layer, with what one compares them to.

    Parameters
    ----------
    teacher, student : str
        Names of the layers.
    result : PIDResult
        Its ``provenance`` says which files, how they became codes, by which seeds, and what was resampled; its ``null``
        is the 95 % quantile of each atom over shuffles of the labels.
    cells_t, cells_s, cells_ts : int
        Codes that occur, and pairs of them: I(Y;T) is at most log(cells_t), I(Y;S) at most log(cells_s); 0 where
        there are no codes.
    checkpoint : str, optional
        The checkpoint of the student, or "baseline"; None for the student itself.
    probe_t, probe_s : float, optional
        Share of held-out samples that a linear probe of the activations classifies rightly; None for codes.
    cka : float, optional
        Debiased linear CKA of the activations: how alike they are, whatever they know of the label. None for codes.
    history : tuple of AuditedPair
        The same pair at each checkpoint, in their order.
    baseline : AuditedPair, optional
        The same pair for a student that was not distilled.
    extremes : tuple of mapping
        Samples with most local Uni(Y:T\S), each with "row", "label" and its local atoms; where they are known with the
        "teacher" and "student" networks' answers, and an "image" as a data URI. Empty where no local atoms are known.
    by_class : tuple of mapping
        Classes, or labels of ``by=``, with most Uni(Y:T\S) first, each with "label", "n_samples", the mean of each
        local atom over its samples, and its standard error and interval ("unique_t_se", "unique_t_low",
        "unique_t_high"). Empty where no local atoms are known.
    accuracy_t, accuracy_s : float, optional
        Accuracy of the two networks, where their logits or predictions lie beside the layers.
    """

    teacher: str
    student: str
    result: PIDResult
    cells_t: Annotated[int, COUNT] = stored(lambda pair: cells(pair.t), default=0)
    cells_s: Annotated[int, COUNT] = stored(lambda pair: cells(pair.s), default=0)
    cells_ts: Annotated[int, COUNT] = stored(lambda pair: cells(pair.t, pair.s), default=0)
    checkpoint: str | None = None
    probe_t: Share = stored(
        lambda pair: pair.t.probe,
        heading="probe T",
        meaning="held-out accuracy of a linear probe of the teacher's layer",
        fact="linear probe",
        sentence="A linear probe reaches {0:.1%} accuracy on the teacher's layer and {1:.1%} on the student's.",
    )
    probe_s: Share = stored(
        lambda pair: pair.s.probe,
        heading="probe S",
        meaning="held-out accuracy of a linear probe of the student's layer",
        fact="linear probe",
    )
    cka: Annotated[float | None, OrNone(Number())] = stored(
        lambda pair: None if pair.t.gram is None or pair.s.gram is None else debiased_cka(pair.t.gram, pair.s.gram),
        heading="CKA",
        meaning="debiased linear CKA: likeness, whatever it says of the label",
    )
    history: tuple[AuditedPair, ...] = ()
    baseline: AuditedPair | None = None
    extremes: tuple[Extreme, ...] = ()
    by_class: tuple[OfClass, ...] = ()
    accuracy_t: Share = stored(
        lambda pair: pair.accuracies[0],
        heading="accuracy T",
        meaning="accuracy of the teacher network, from the logits or predictions beside its layers",
        fact="accuracy",
        sentence="The teacher's accuracy is {0:.1%}, the student's {1:.1%}.",
    )
    accuracy_s: Share = stored(
        lambda pair: pair.accuracies[1],
        heading="accuracy S",
        meaning="accuracy of the student network, likewise",
        fact="accuracy",
    )

    def __post_init__(self) -> None:
        for side in ("teacher", "student"):
            object.__setattr__(self, side, printable(getattr(self, side)))

    @property
    def conditional(self) -> float:
        r""":math:`I(Y;T|S) = \mathrm{Uni}_T + \mathrm{Syn}`: what the teacher adds to the student."""
        return self.result.mi - self.result.mi_s

    @property
    def stages(self) -> tuple[AuditedPair, ...]:
        """The baseline, each checkpoint and the student itself, as far as there are any."""
        return (*([self.baseline] if self.baseline else []), *self.history, self)

    def ceilings(self) -> tuple[float, float]:
        """The logarithms of the cells, which I(Y;T) and I(Y;S) cannot exceed, or inf, in the units of the result."""
        one = NATS_PER[self.result.units]
        t, s = (math.log(cells) / one if cells else math.inf for cells in (self.cells_t, self.cells_s))
        return t, s

    def to(self, units: Units) -> AuditedPair:
        """The same pair in other units."""
        factor = NATS_PER[self.result.units] / NATS_PER[units]
        return dataclasses.replace(
            self,
            result=self.result.to(units),
            extremes=tuple(_scaled(one, factor) for one in self.extremes),
            by_class=tuple(_scaled(one, factor) for one in self.by_class),
            history=tuple(pair.to(units) for pair in self.history),
            baseline=self.baseline.to(units) if self.baseline else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        # The atoms of every sample are for a file of their own.
        numbers = dataclasses.replace(
            self, result=dataclasses.replace(self.result, local=None), history=(), baseline=None
        )
        return {
            **plain(numbers),
            "history": [pair.to_dict() for pair in self.history],
            "baseline": self.baseline.to_dict() if self.baseline else None,
        }


def _scaled(entry: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Atoms and their standard errors times a factor; other entries as they are."""
    scaled = {key for name in ATOMS for key in (name, *_errors(name))}
    return {key: value * factor if key in scaled else value for key, value in entry.items()}
