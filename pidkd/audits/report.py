"""The result of an audit, for people and for machines."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.audits.answers import Answers, accuracy, network_answers
from pidkd.audits.columns import COLUMNS
from pidkd.audits.engine import AuditEngine, Reading
from pidkd.audits.ensembles import Unions
from pidkd.audits.findings import Findings
from pidkd.audits.notes import headline_of, notes_of
from pidkd.audits.pair import AuditedPair
from pidkd.audits.plan import BASELINE, AuditPlan, LayerKey, PairKey
from pidkd.audits.samples import extremes_of, thumbnail
from pidkd.audits.stored import Measured, stored_in
from pidkd.errors import Argument, InputError
from pidkd.export import COLORS, axis, data_frame, latex_table
from pidkd.files.layer import Layer
from pidkd.files.tables import guarded_row
from pidkd.info import entropy
from pidkd.result import ATOMS, FORMULAS, NATS_PER, SYMBOLS, PIDResult
from pidkd.runs.output import PathLike, write_text, writing

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class AuditReport(Findings):
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

    @classmethod
    def of(
        cls,
        plan: AuditPlan,
        engine: AuditEngine,
        readings: Mapping[LayerKey, Reading],
        results: Mapping[PairKey, PIDResult],
        unions: Unions,
        seconds: float,
        images: Layer | None = None,
    ) -> AuditReport:
        """The report on the results of a plan; ``images`` are of its samples."""
        answers = network_answers(plan)
        audited = {key: audited_pair(key, plan, engine, readings, result, answers) for key, result in results.items()}
        checkpoints = [stage for stage in plan.students if stage not in (None, BASELINE)]
        pairs = [
            dataclasses.replace(
                audited[None, t, s],
                history=tuple(audited[stage, t, s] for stage in checkpoints),
                baseline=audited.get((BASELINE, t, s)),
            )
            for t, s in plan.pairs
        ]
        options, n_classes, h = engine.options, 0, math.inf
        if not plan.continuous:
            _, sizes = np.unique(engine.counted, return_counts=True)
            n_classes, h = len(sizes), entropy(sizes / len(engine.counted)) / NATS_PER[options.units]
        how = {
            "estimator": engine.estimator.name,
            "pool": _pool_of(options.pool, readings),
            "seed": options.seed,
        }
        if plan.by is not None:
            how["told_apart"] = True
        if plan.groups is not None:
            how["groups"] = int(plan.groups.max()) + 1
        pairs.sort(key=lambda pair: -pair.result.unique_t)
        report = cls(
            pairs=(*pairs[:DETAILED], *(dataclasses.replace(pair, by_class=()) for pair in pairs[DETAILED:])),
            units=options.units,
            n_samples=len(engine.counted),
            n_classes=n_classes,
            entropy=h,
            seconds=seconds,
            provenance={
                **plan.describe(),
                **how,
                **engine.describe(),
                **({"left_out": unions.notes} if unions.notes else {}),
            },
            ensembles=unions.ensembles,
            beyond=unions.beyond,
        )
        return report if images is None else report.with_images(images)

    def with_images(self, images: Layer) -> AuditReport:
        """The report with thumbnails of the samples of its leading pair."""
        leading = self.leading
        pixels = images.load()
        extremes = tuple({**one, "image": thumbnail(pixels[one["row"]], images.where)} for one in leading.extremes)
        shown = dataclasses.replace(leading, extremes=extremes)
        return dataclasses.replace(self, pairs=tuple(shown if pair is leading else pair for pair in self.pairs))

    @property
    def headline(self) -> str:
        """Most that is left to distill, where it is, and what both networks know."""
        return headline_of(self)

    @property
    def notes(self) -> list[str]:
        """Notes that a reader of the numbers must know."""
        return notes_of(self)

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
                yield {column.name: column.get(self, stage) for column in COLUMNS}

    def to_csv(self) -> str:
        """The rows as comma-separated text with a header; what is not known is empty."""
        stream = io.StringIO(newline="")
        writer = csv.DictWriter(stream, [column.name for column in COLUMNS])
        writer.writeheader()
        writer.writerows(map(guarded_row, self.rows()))
        return stream.getvalue()

    def by_csv(self) -> str:
        """Atoms by label as comma-separated text: pair, label, samples, means, standard errors, intervals."""
        rows = [{"teacher": p.teacher, "student": p.student, **one} for p in self.pairs for one in p.by_class]
        headings = max(rows, key=len, default={})
        stream = io.StringIO(newline="")
        writer = csv.DictWriter(stream, list(headings))
        writer.writeheader()
        writer.writerows(map(guarded_row, rows))
        return stream.getvalue()

    def to_dataframe(self) -> Any:
        """The rows as a ``pandas.DataFrame``.

        Raises
        ------
        MissingDependencyError
            When pandas is not installed.
        """
        return data_frame(list(self.rows()))

    def to_latex(self, digits: int = 3) -> str:
        r"""A LaTeX ``tabular`` with a row of atoms and mutual informations for each pair and stage.

        Parameters
        ----------
        digits : int, default 3
            After the point.
        """
        stages = [stage for pair in self.pairs for stage in pair.stages]
        staged = len(stages) > len(self.pairs)
        headings = ["teacher", "student", *(["stage"] if staged else []), *(FORMULAS[name] for name in QUANTITIES)]
        rows = [
            [
                stage.teacher,
                stage.student,
                *([stage.checkpoint or "student"] if staged else []),
                *(float(getattr(stage.result, name)) for name in QUANTITIES),
            ]
            for stage in stages
        ]
        return latex_table(headings, rows, digits)

    def plot(self, ax: Any = None) -> Any:
        """Atoms of each pair as stacked bars, layers in their order, with the interval of Uni T where it is known.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Default: that of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        ax = axis(ax)
        pairs = self.by_depth()
        names = [f"{pair.teacher} → {pair.student}" for pair in pairs]
        left = np.zeros(len(pairs))
        for atom in ATOMS:
            values = np.array([max(0.0, pair.result.atoms[atom]) for pair in pairs])
            values[~np.isfinite(values)] = 0.0
            ax.barh(range(len(pairs)), values, left=left, color=COLORS[atom], label=SYMBOLS[atom])
            if atom == "unique_t":
                self._plot_intervals(ax, pairs, left)
            left += values
        if self.n_classes:
            ax.axvline(self.entropy, color="black", linewidth=0.8, linestyle="dashed", label="H(Y)")
        ax.set_yticks(range(len(pairs)), names)
        ax.invert_yaxis()
        ax.set_xlabel(f"information about Y ({self.units})")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3, frameon=False)
        return ax

    def _plot_intervals(self, ax: Any, pairs: Sequence[AuditedPair], left: FloatArray) -> None:
        for place, pair in enumerate(pairs):
            interval = (pair.result.interval or {}).get("unique_t")
            if interval is not None:
                ax.hlines(place, *(left[place] + end for end in interval), color="black", linewidth=1.5)

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
        """Write ``audit.json``, ``audit.csv``, ``report.html`` and, where it is known, ``by.csv`` into a folder.

        Returns the list of what was written.

        Raises
        ------
        InputError
            When one of them exists and ``force`` is not given, or cannot be written.
        """
        from pidkd.files.json import to_json

        texts = {"audit.json": to_json(self.to_dict()), "audit.csv": self.to_csv(), "report.html": self.to_html()}
        if any(pair.by_class for pair in self.pairs):
            texts["by.csv"] = self.by_csv()
        paths = [str(Path(folder, name)) for name in texts]
        for path, text in zip(paths, texts.values(), strict=True):
            write_text(path, text, force)
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
            raise InputError(Argument("write_local", "path"), "atoms of single samples", "a report without", hint)
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
        from pidkd.audits.terminal import AuditTable

        return AuditTable(self, title)

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


QUANTITIES = (*ATOMS, "mi_t", "mi_s", "mi")
"""Columns of a LaTeX table."""

MOST_LABELS = 200
"""Labels that a pair keeps."""

DETAILED = 12
"""Pairs that keep means by class."""


def audited_pair(
    key: PairKey,
    plan: AuditPlan,
    engine: AuditEngine,
    readings: Mapping[LayerKey, Reading],
    result: PIDResult,
    answers: Answers,
) -> AuditedPair:
    """One pair at one stage, in the units of the report: atoms, stored quantities, samples left to learn."""
    stage, teacher, student = key
    t, s = readings["teacher", None, teacher], readings["student", stage, student]
    origin = {"teacher": t.record, "student": s.record, "labels": engine.file, "seed": engine.options.seed}
    accuracies = (
        accuracy(answers.get((plan.network_of.get(teacher, "teacher"), None)), plan),
        accuracy(answers.get(("student", stage)), plan),
    )
    measured = Measured(t, s, accuracies)
    return AuditedPair(
        teacher=teacher,
        student=student,
        result=dataclasses.replace(
            result,
            provenance={**(result.provenance or {}), **origin},
            local=result.local if engine.options.local else None,
            by=(),
        ),
        checkpoint=stage,
        **{name: quantity.of(measured) for name, quantity in stored_in(AuditedPair).items()},
        **({} if plan.continuous else _by_sample(key, plan, engine, (t, s), result, answers)),
    ).to(engine.options.units)


def _pool_of(asked: str, readings: Mapping[LayerKey, Reading]) -> str:
    """Pooling of the layers with positions, "auto" where they differ."""
    used = {str(reading.record["pool"]) for reading in readings.values() if len(reading.record["shape"]) > 2}
    return asked if asked != "auto" else used.pop() if len(used) == 1 else "auto" if used else "flatten"


def _by_sample(
    key: PairKey,
    plan: AuditPlan,
    engine: AuditEngine,
    readings: tuple[Reading, Reading],
    result: PIDResult,
    answers: Answers,
) -> dict[str, Any]:
    """Samples with most left to learn and the networks' answers, and means by class for the student itself."""
    extremes = extremes_of(result.local, plan.target)
    teacher = plan.network_of.get(key[1], "teacher")
    for network, name, stage, reading in (
        ("teacher", teacher, None, readings[0]),
        ("student", "student", key[0], readings[1]),
    ):
        given = answers.get((name, stage), engine.answers(reading) if extremes else None)
        if given is not None:
            extremes = tuple({**one, network: str(given[one["row"]])} for one in extremes)
    by = () if key[0] is not None else result.by[:MOST_LABELS]
    return {"extremes": extremes, "by_class": tuple(one.record() for one in by)}
