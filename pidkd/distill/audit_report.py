"""What an audit found, for people and for machines."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pidkd.activations import PathLike
from pidkd.errors import InputError
from pidkd.result import NATS_PER, PIDResult, Units, check_units

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA = 1
"""Version of the layout of ``AuditReport.to_dict``. A change that an old reader would misread raises it."""


@dataclass(frozen=True)
class AuditedPair:
    """The atoms of one teacher layer and one student layer.

    Parameters
    ----------
    teacher, student : str
        Names of the layers.
    result : PIDResult
        Its ``provenance`` says which files, how they became codes, and by which seeds.
    cells_t, cells_s, cells_ts : int
        Codes that occur, and pairs of them: I(Y;T) is at most log(cells_t), I(Y;S) at most log(cells_s).
    """

    teacher: str
    student: str
    result: PIDResult
    cells_t: int
    cells_s: int
    cells_ts: int


@dataclass(frozen=True)
class AuditReport:
    r"""The result of ``pidkd.audit``: pairs of layers, the one with most left to distill first.

    Parameters
    ----------
    pairs : tuple of AuditedPair
        In the order of falling Uni(Y:T\S).
    units : {"bits", "nats"}
    n_samples, n_classes : int
    entropy : float
        H(Y), the ceiling of all information about the label.
    seconds : float
        Wall time.
    provenance : mapping
        Version, files, estimator, quantizer, seed.
    """

    pairs: tuple[AuditedPair, ...]
    units: Units
    n_samples: int
    n_classes: int
    entropy: float
    seconds: float
    provenance: Mapping[str, Any]

    @property
    def results(self) -> dict[tuple[str, str], PIDResult]:
        """The result of each pair (teacher layer, student layer)."""
        return {(pair.teacher, pair.student): pair.result for pair in self.pairs}

    @property
    def headline(self) -> str:
        """What is left to distill, and where most of it is, in words."""
        top = self.pairs[0]
        return (
            f"Most is left to distill from the teacher's {top.teacher}: {top.result.unique_t:.2f} {self.units} about "
            f"the label that the student's {top.student} lacks; both know {top.result.redundant:.2f} of the label's "
            f"{self.entropy:.2f}."
        )

    @property
    def notes(self) -> list[str]:
        """What a reader of the numbers must know."""
        one = 1 / NATS_PER[self.units]
        ceiling = max(math.log(max(pair.cells_t, pair.cells_s)) for pair in self.pairs) * one
        cells = max(pair.cells_ts for pair in self.pairs)
        lines = [
            f"{self.n_samples:,} samples of {self.n_classes} classes: H(Y) = {self.entropy:.3f} {self.units}, the full "
            f"width of a bar. A source tells at most the log of its cells, here {ceiling:.3f}.",
            "'certified' bounds the solver's error on the table of counts, not the error of counting samples.",
        ]
        if self.n_samples >= self.n_classes * cells:
            bias = (self.n_classes - 1) * (cells - 1) / (2 * self.n_samples) * one
            lines.append(
                "Plug-in estimates are biased upwards, Syn most: sources that knew nothing of the label would read "
                f"up to about I(Y;T,S) = {bias:.3f} (Miller-Madow, {cells} pairs of cells occur)."
            )
        return lines + sorted({text for pair in self.pairs for text in pair.result.warnings})

    def to(self, units: Units) -> AuditReport:
        """The same report in other units."""
        check_units("to(units)", units)
        pairs = tuple(dataclasses.replace(pair, result=pair.result.to(units)) for pair in self.pairs)
        entropy = self.entropy * NATS_PER[self.units] / NATS_PER[units]
        return dataclasses.replace(self, pairs=pairs, units=units, entropy=entropy)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, with the version of its layout."""
        pairs = [{**vars(pair), "result": pair.result.to_dict()} for pair in self.pairs]
        return {"kind": "pidkd.audit", "schema": SCHEMA, **vars(self), "pairs": pairs}

    @classmethod
    def from_dict(cls, data: Any, where: str = "AuditReport.from_dict(data)") -> AuditReport:
        """Rebuild what ``to_dict`` wrote; ``where`` is what messages call it.

        Raises
        ------
        InputError
            When ``data`` is something else, or of another schema.
        """
        if not isinstance(data, Mapping) or data.get("kind") != "pidkd.audit":
            raise InputError(where, "an audit written by pidkd", "something else")
        if data.get("schema") != SCHEMA:
            got = f"schema {data.get('schema')!r}"
            raise InputError(where, f"schema {SCHEMA}", got, "read it with the version of pidkd that wrote it")
        try:
            check_units(f"{where}['units']", data["units"])
            return cls(
                pairs=tuple(_pair(pair) for pair in data["pairs"]),
                units=data["units"],
                n_samples=int(data["n_samples"]),
                n_classes=int(data["n_classes"]),
                entropy=float(data["entropy"]),
                seconds=float(data["seconds"]),
                provenance=dict(data["provenance"]),
            )
        except InputError as error:
            raise error.at(f"{where}, {error.where}") from error
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise InputError(where, "what AuditReport.to_dict() writes", f"a damaged entry ({error})") from error

    def save(self, path: PathLike, force: bool = False) -> None:
        """Write it as JSON to a file that is whole or not there.

        Raises
        ------
        InputError
            When the file exists and ``force`` is not given, or cannot be written.
        """
        from pidkd.report import write_json

        write_json(path, self.to_dict(), force)

    @classmethod
    def load(cls, path: PathLike) -> AuditReport:
        """Read what ``save`` wrote.

        Raises
        ------
        InputError
            When the file is missing, damaged, or holds something else.
        """
        from pidkd.report import read_json

        return cls.from_dict(read_json(path), os.fspath(path))

    def table(self, title: str | None = None) -> RenderableType:
        """A rich table: atoms, certificate and bar of each pair."""
        from pidkd.report import atoms_table

        rows = ((pair.teacher, pair.student, pair.result) for pair in self.pairs)
        return atoms_table(rows, scale=self.entropy, title=title)

    def __rich__(self) -> RenderableType:
        """Table, legend, headline and notes."""
        from rich.console import Group
        from rich.text import Text

        from pidkd.report import Legend

        notes = [Text(f"- {note}", "dim") for note in self.notes]
        return Group(self.table(), "", Legend(), "", Text(self.headline, "bold"), *notes)

    def __str__(self) -> str:
        from pidkd.report import to_text

        return to_text(self)


def _pair(data: Mapping[str, Any]) -> AuditedPair:
    return AuditedPair(
        teacher=str(data["teacher"]),
        student=str(data["student"]),
        result=PIDResult.from_dict(data["result"]),
        cells_t=int(data["cells_t"]),
        cells_s=int(data["cells_s"]),
        cells_ts=int(data["cells_ts"]),
    )
