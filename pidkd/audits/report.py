"""What an audit found, for people and for machines."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pidkd.arrays import Array
from pidkd.codec import plain
from pidkd.errors import InputError, MissingDependencyError
from pidkd.result import ATOMS, NATS_PER, PIDResult, Units, check_units
from pidkd.runs.output import PathLike, writing

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA = 2
"""Version of the layout of ``AuditReport.to_dict``. A change that an old reader would misread raises it."""

READABLE = (1, SCHEMA)
"""Schemas that ``AuditReport.from_dict`` reads. The first had no checkpoints, baseline, probes or CKA."""


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
        Samples with most local Uni(Y:T\S), each with "row", "label" and its local atoms; empty where none are known.
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
            extremes=tuple({**one, **{name: one[name] * factor for name in ATOMS}} for one in self.extremes),
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
            "history": [pair.to_dict() for pair in self.history],
            "baseline": self.baseline.to_dict() if self.baseline else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AuditedPair:
        """Rebuild what ``to_dict`` wrote, in any readable schema."""
        if not isinstance(data, Mapping):
            raise TypeError(f"{data!r:.60}")
        checkpoint, baseline = data.get("checkpoint"), data.get("baseline")
        if not (checkpoint is None or isinstance(checkpoint, str)):
            raise TypeError(f"checkpoint {checkpoint!r:.60}")
        return cls(
            teacher=str(data["teacher"]),
            student=str(data["student"]),
            result=PIDResult.from_dict(data["result"]),
            cells_t=_cells(data["cells_t"]),
            cells_s=_cells(data["cells_s"]),
            cells_ts=_cells(data["cells_ts"]),
            checkpoint=checkpoint,
            **{key: _number(data.get(key)) for key in ("probe_t", "probe_s", "cka")},
            history=tuple(cls.from_dict(pair) for pair in data.get("history", ())),
            baseline=None if baseline is None else cls.from_dict(baseline),
            extremes=tuple(_extreme(one) for one in data.get("extremes", ())),
        )


@dataclass(frozen=True)
class AuditReport:
    r"""The result of ``pidkd.audit``: pairs of layers, the one with most left to distill first.

    Parameters
    ----------
    pairs : tuple of AuditedPair
        In the order of falling Uni(Y:T\S).
    units : {"bits", "nats"}
    n_samples, n_classes : int
        No classes, 0, where the target is continuous.
    entropy : float
        H(Y), the ceiling of all information about the label; infinite where the target is continuous.
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
    def scale(self) -> float:
        """What the full width of a bar stands for: H(Y), and of a continuous target the largest I(Y;T,S)."""
        if self.n_classes:
            return self.entropy
        return max([pair.result.mi for pair in self.pairs if math.isfinite(pair.result.mi)], default=0.0) or 1.0

    @property
    def headline(self) -> str:
        """What is shared, what is left to distill, and where most of it is, in words."""
        top = self.pairs[0]
        whole = f"of the label's {self.entropy:.2f}" if self.n_classes else f"{self.units} of the target"
        both = f"both know {top.result.redundant:.2f} {whole}."
        chance = (top.result.null or {}).get("unique_t")
        if chance is not None and top.result.unique_t <= chance:
            return (
                "Nothing measurable is left to distill: no layer holds more that the student lacks than shuffled "
                f"labels read ({chance:.2f} {self.units}). Of the teacher's {top.teacher} and the student's "
                f"{top.student}, {both}"
            )
        return (
            f"Most is left to distill from the teacher's {top.teacher}: {top.result.unique_t:.2f} {self.units} about "
            f"the {'label' if self.n_classes else 'target'} that the student's {top.student} lacks; {both}"
        )

    @property
    def notes(self) -> list[str]:
        """What a reader of the numbers must know."""
        if not self.n_classes:
            return self._notes_of_moments()
        one = 1 / NATS_PER[self.units]
        cells = max(pair.cells_ts for pair in self.pairs)
        size = (
            f"{self.n_samples:,} samples of {self.n_classes} classes: H(Y) = {self.entropy:.3f} {self.units}, the full "
            "width of a bar."
        )
        if cells:
            ceiling = max(max(pair.cells_t, pair.cells_s) for pair in self.pairs)
            about = [
                f"{size} A source tells at most the log of its cells, here {math.log(ceiling) * one:.3f}.",
                "'certified' bounds the solver's error on the table of counts, not the error of counting samples.",
            ]
        else:
            about = [size]
        if "posteriors" in self.provenance:
            about += [
                "Every sample was scored by classifiers that had not seen it. I(Y;T), I(Y;S), I(Y;T,S) and the sum of "
                "Red, Uni T and Uni S are lower bounds but for sampling; single atoms are no bounds.",
                "Intervals are of the samples that were scored, with the classifiers as they are. Atoms of single "
                "samples average to the atoms; where the optimum is not unique they are one choice among many.",
            ]
        lines = [
            *about,
            *(
                ["'chance' is the 95 % quantile of Uni T over shuffles of the labels."]
                if any(pair.result.null for pair in self.pairs)
                else []
            ),
            *self._intervals(),
        ]
        if cells and self.n_samples >= self.n_classes * cells:
            bias = (self.n_classes - 1) * (cells - 1) / (2 * self.n_samples) * one
            lines.append(
                "Plug-in estimates are biased upwards, Syn most: sources that knew nothing of the label would read "
                f"up to about I(Y;T,S) = {bias:.3f} (Miller-Madow, {cells} pairs of cells occur)."
            )
        return lines + sorted({text for pair in self.pairs for text in pair.result.warnings})

    def _notes_of_moments(self) -> list[str]:
        lines = [
            f"{self.n_samples:,} samples of a continuous target. The atoms are those of Gaussian variables with the "
            "same covariances: they do not speak of what is not linear. A bar's full width is the largest I(Y;T,S).",
        ]
        if any(pair.result.interval for pair in self.pairs):
            lines.append("Atoms are corrected for bias; intervals are of Gaussian samples.")
        return lines + sorted({text for pair in self.pairs for text in pair.result.warnings})

    def _intervals(self) -> list[str]:
        """How intervals were made, and of what they do not speak."""
        made = {
            (record["method"], record["level"], record.get("bias") is not None and record["method"] == "Bootstrap")
            for pair in self.pairs
            for record in (pair.result.provenance or {}).get("uncertainty", ())
            if record["method"] != "Permutation"
        }
        return [
            f"Intervals ({100 * level:g} %, {method}) are of counting samples, conditional on the codebook: the cells "
            f"are held fixed.{' They are of atoms less their bias, and may leave out the atom.' if corrected else ''}"
            for method, level, corrected in sorted(made)
        ]

    def to(self, units: Units) -> AuditReport:
        """The same report in other units."""
        check_units("to(units)", units)
        pairs = tuple(pair.to(units) for pair in self.pairs)
        entropy = self.entropy * NATS_PER[self.units] / NATS_PER[units]
        return dataclasses.replace(self, pairs=pairs, units=units, entropy=entropy)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, with the version of its layout."""
        pairs = [pair.to_dict() for pair in self.pairs]
        return {"kind": "pidkd.audit", "schema": SCHEMA, **vars(self), "pairs": pairs, "entropy": plain(self.entropy)}

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
        if not any(data.get("schema") is number for number in READABLE):
            got = f"schema {data.get('schema')!r}"
            expected = f"schema {' or '.join(map(str, READABLE))}"
            raise InputError(where, expected, got, "read it with the version of pidkd that wrote it")
        try:
            check_units(f"{where}['units']", data["units"])
            return cls(
                pairs=tuple(AuditedPair.from_dict(pair) for pair in data["pairs"]),
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
        from pidkd.files.json import write_json

        write_json(path, self.to_dict(), force)

    def rows(self) -> Iterator[dict[str, Any]]:
        """One flat record per pair and stage (baseline, checkpoints, the student itself), pairs in their order."""
        for pair in self.pairs:
            for stage in pair.stages:
                result = stage.result
                ceiling_t, ceiling_s = stage.ceilings()
                yield {
                    "teacher": stage.teacher,
                    "student": stage.student,
                    "checkpoint": stage.checkpoint,
                    "units": self.units,
                    **result.atoms,
                    "mi_t": result.mi_t,
                    "mi_s": result.mi_s,
                    "mi": result.mi,
                    "mi_t_given_s": stage.conditional,
                    **{f"null_{name}": (result.null or {}).get(name) for name in ATOMS},
                    **{
                        f"{name}_{end}": (result.interval or {}).get(name, (None, None))[side]
                        for name in ATOMS
                        for side, end in enumerate(("low", "high"))
                    },
                    "status": result.certificate.status,
                    "gap": result.certificate.gap,
                    "entropy": self.entropy,
                    "ceiling_t": ceiling_t,
                    "ceiling_s": ceiling_s,
                    "cells_t": stage.cells_t,
                    "cells_s": stage.cells_s,
                    "cells_ts": stage.cells_ts,
                    "probe_t": stage.probe_t,
                    "probe_s": stage.probe_s,
                    "cka": stage.cka,
                    "n_samples": self.n_samples,
                }

    def to_csv(self) -> str:
        """The rows as comma-separated text with a header; what is not known is empty."""
        stream = io.StringIO(newline="")
        rows = list(self.rows())
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        return stream.getvalue()

    def to_dataframe(self) -> Any:
        """The rows as a ``pandas.DataFrame``.

        Raises
        ------
        MissingDependencyError
            When pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            text = "to_dataframe(): expected the package 'pandas', got an environment without it"
            raise MissingDependencyError(f"{text}; install it with: pip install pandas, or use to_csv()") from error
        return pandas.DataFrame(list(self.rows()))

    def to_html(self, title: str = "Distillation audit") -> str:
        """One page that needs nothing beside it: headline, pictures, table, warnings, how it was computed."""
        from pidkd.audits.html import audit_page

        return audit_page(self, title)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that neither its style nor its script meets those of the notebook."""
        import html

        source = html.escape(self.to_html(), quote=True)
        return f'<iframe srcdoc="{source}" style="width:100%;height:720px;border:0" title="audit"></iframe>'

    def write(self, folder: PathLike, force: bool = False) -> list[str]:
        """Write ``audit.json``, ``audit.csv`` and ``report.html`` into a folder; the list of what was written.

        Raises
        ------
        InputError
            When one of them exists and ``force`` is not given, or cannot be written.
        """
        from pidkd.files.json import to_json

        texts = {"audit.json": to_json(self.to_dict()), "audit.csv": self.to_csv(), "report.html": self.to_html()}
        paths = [str(Path(folder, name)) for name in texts]
        for path, text in zip(paths, texts.values(), strict=True):
            with writing(path, force) as stream:
                stream.write(text.encode())
        return paths

    def write_local(self, path: PathLike, force: bool = False, **about: Array) -> None:
        """Write the atoms of every sample, of an audit with ``local=True``, as ``.npz``.

        Its arrays are ``local`` of shape (n_pairs, 4, n_samples) in the units of the report, ``pairs`` of shape
        (n_pairs, 3) with teacher, student and checkpoint, ``atoms`` with the four names, and those of ``about``, such
        as ids and labels of the samples.

        Raises
        ------
        InputError
            When no pair has them, or the file exists and ``force`` is not given, or cannot be written.
        """
        stages = [stage for pair in self.pairs for stage in pair.stages if stage.result.local is not None]
        if not stages:
            hint = "audit activations with estimator 'posterior' and local=True"
            raise InputError("write_local(path)", "atoms of single samples", "a report without", hint)
        local = np.stack([[dict(stage.result.local or {})[name] for name in ATOMS] for stage in stages])
        pairs = np.array([(stage.teacher, stage.student, stage.checkpoint or "") for stage in stages])
        stream = io.BytesIO()
        arrays: dict[str, Any] = {"local": local.astype(np.float32), "pairs": pairs, "atoms": np.array(ATOMS), **about}
        np.savez_compressed(stream, **arrays)
        with writing(path, force) as out:
            out.write(stream.getvalue())

    @classmethod
    def load(cls, path: PathLike) -> AuditReport:
        """Read what ``save`` wrote.

        Raises
        ------
        InputError
            When the file is missing, damaged, or holds something else.
        """
        from pidkd.files.json import read_json

        return cls.from_dict(read_json(path), os.fspath(path))

    def table(self, title: str | None = None) -> RenderableType:
        """A rich table: atoms, certificate and bar of each pair, at each checkpoint."""
        from pidkd.display.terminal import atoms_table

        rows = (
            (stage.teacher, stage.student + (f" @ {stage.checkpoint}" if stage.checkpoint else ""), stage.result)
            for pair in self.pairs
            for stage in pair.stages
        )
        return atoms_table(rows, scale=self.scale, title=title)

    def __rich__(self) -> RenderableType:
        """Table, legend, headline and notes."""
        from rich.console import Group
        from rich.text import Text

        from pidkd.display.terminal import Legend

        notes = [Text(f"- {note}", "dim") for note in self.notes]
        return Group(self.table(), "", Legend(), "", Text(self.headline, "bold"), *notes)

    def __str__(self) -> str:
        from pidkd.display.terminal import to_text

        return to_text(self)


def _cells(value: Any) -> int:
    cells = int(value)
    if cells < 0:
        raise ValueError(f"{cells} cells")
    return cells


def _extreme(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"row": int(data["row"]), "label": str(data["label"]), **{name: float(data[name]) for name in ATOMS}}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
