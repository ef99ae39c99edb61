"""Atoms of one pair of layers in an audit, and the quantities to compare them with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pidkd.codec import restored
from pidkd.constraints import COUNT, TEXT, Constraint, Fraction, Number, OfType, OrNone, Several
from pidkd.errors import InputError, printable, quote
from pidkd.result import ATOMS, NATS_PER, PIDResult, Units


def meet_all(pairs: Collection[tuple[str, str]]) -> bool:
    """Whether every teacher layer meets every one of several student layers."""
    teachers, students = ({pair[side] for pair in pairs} for side in (0, 1))
    return len(students) > 1 and len(pairs) == len(teachers) * len(students)


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
    cells_t: int
    cells_s: int
    cells_ts: int
    checkpoint: str | None = None
    probe_t: float | None = None
    probe_s: float | None = None
    cka: float | None = None
    history: tuple[AuditedPair, ...] = ()
    baseline: AuditedPair | None = None
    extremes: tuple[Mapping[str, Any], ...] = ()
    by_class: tuple[Mapping[str, Any], ...] = ()
    accuracy_t: float | None = None
    accuracy_s: float | None = None

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
        return {
            **vars(self),
            # The atoms of every sample are for a file of their own.
            "result": dataclasses.replace(self.result, local=None).to_dict(),
            "extremes": [dict(one) for one in self.extremes],
            "by_class": [dict(one) for one in self.by_class],
            "history": [pair.to_dict() for pair in self.history],
            "baseline": self.baseline.to_dict() if self.baseline else None,
        }

    @classmethod
    def from_dict(cls, data: Any) -> AuditedPair:
        """Rebuild what ``to_dict`` wrote, in any readable schema.

        Raises
        ------
        InputError
            The message names the entry that is damaged or missing.
        """
        if not isinstance(data, Mapping):
            raise InputError("pairs", "a mapping for each pair", quote(data))
        return cls(
            teacher=printable(entry(data, "teacher", TEXT)),
            student=printable(entry(data, "student", TEXT)),
            result=PIDResult.from_dict(entry(data, "result", OfType(Mapping, "a mapping"))),
            **{name: entry(data, name, COUNT) for name in ("cells_t", "cells_s", "cells_ts")},
            checkpoint=entry(data, "checkpoint", OrNone(TEXT), None),
            **{name: entry(data, name, OrNone(Fraction()), None) for name in PARTS},
            cka=entry(data, "cka", OrNone(Number()), None),
            history=tuple(map(cls.from_dict, entry(data, "history", SEVERAL, ()))),
            baseline=None if data.get("baseline") is None else cls.from_dict(data["baseline"]),
            extremes=tuple(map(_extreme, entry(data, "extremes", SEVERAL, ()))),
            by_class=tuple(map(_of_class, entry(data, "by_class", SEVERAL, ()))),
        )


PARTS = ("probe_t", "probe_s", "accuracy_t", "accuracy_s")
"""Entries that are shares of samples."""

SEVERAL = Several(OfType(Mapping, "a mapping"))

REQUIRED: Any = object()


def entry(data: Mapping[str, Any], name: str, constraint: Constraint, default: Any = REQUIRED) -> Any:
    """An entry of plain data, once its constraint accepts it; numbers that are not finite come as text.

    Raises
    ------
    InputError
        When it is missing or another value; the message names it.
    """
    if name not in data and default is not REQUIRED:
        return default
    value = restored(data.get(name)) if isinstance(constraint, Number) else data.get(name)
    constraint.check(name, value)
    return value


def _extreme(data: Mapping[str, Any]) -> dict[str, Any]:
    beside = {key: entry(data, key, TEXT) for key in ("teacher", "student", "image") if key in data}
    numbers = {name: entry(data, name, FINITE) for name in ATOMS}
    return {"row": entry(data, "row", COUNT), "label": entry(data, "label", TEXT), **numbers, **beside}


def _of_class(data: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: entry(data, name, FINITE) for name in ATOMS}
    numbers |= {key: entry(data, key, FINITE) for name in ATOMS for key in _errors(name) if key in data}
    return {"label": entry(data, "label", TEXT), "n_samples": entry(data, "n_samples", COUNT), **numbers}


FINITE = Number()


def _errors(name: str) -> tuple[str, str, str]:
    """Entries beside the mean of an atom."""
    return f"{name}_se", f"{name}_low", f"{name}_high"


def _scaled(entry: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Atoms and their standard errors times a factor; other entries as they are."""
    scaled = {key for name in ATOMS for key in (name, *_errors(name))}
    return {key: value * factor if key in scaled else value for key, value in entry.items()}
