"""An experiment: every method with every teacher and seed, and what came of them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from pidkd.audits.pair import AuditedPair
from pidkd.audits.report import AuditReport
from pidkd.contribution_result import ContributionResult
from pidkd.distill.experiments.cases import Case, cases_of
from pidkd.distill.experiments.config import Config
from pidkd.distill.experiments.loading import load_config
from pidkd.distill.experiments.page import experiment_page
from pidkd.distill.experiments.pairing import BASELINE, paired_differences
from pidkd.distill.experiments.provenance import check_alike, telling
from pidkd.distill.experiments.workbench import CONFIG, CONTRIBUTIONS, Workbench
from pidkd.distill.training.preflight import Preflight
from pidkd.distill.training.runtime import device_of, from_main, together
from pidkd.errors import InputError
from pidkd.files.json import read_json
from pidkd.files.opening import is_there
from pidkd.files.tables import guarded_row
from pidkd.result import HEADINGS
from pidkd.runs.output import PathLike, check_folder, holding, write_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


@dataclass(frozen=True)
class Experiment:
    """Results of an experiment.

    Parameters
    ----------
    folder : Path
    rows : list of dict
        One for each case: "method", "teacher", "teacher_seed", "seed", "run"; "accuracy" and "loss" on the test set
        after the last epoch; "train_accuracy" in the last epoch that trains the whole student; where there is matching,
        the mean over epochs of the "ratio" of matching to task gradient on the student and of the "factor" of the cap;
        "teacher_accuracy"; "cpu_seconds" of this process; and of the last audited layer pair, in
        bits, "redundant", "unique_t", "unique_s", "synergistic", "mi_t" and "mi_s".
    is_main : bool
        Of several processes the one that audits and writes; the rows of others have no atoms.
    """

    folder: Path
    rows: list[dict[str, Any]]
    is_main: bool = True

    def summary(self) -> list[dict[str, Any]]:
        """For each method and teacher: n, and mean and standard deviation (n - 1) over the seeds of students."""
        groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
        for row in self.rows:
            groups.setdefault((row["method"], row["teacher"], row["teacher_seed"]), []).append(row)
        records = []
        for (method, teacher, teacher_seed), rows in groups.items():
            entry: dict[str, Any] = {"method": method, "teacher": teacher, "teacher_seed": teacher_seed, "n": len(rows)}
            for key in MEASURED:
                values = [row[key] for row in rows if row.get(key) is not None]
                entry[key] = fmean(values) if values else None
                entry[f"{key}_sd"] = stdev(values) if len(values) > 1 else None
            records.append(entry)
        return records

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"summary": self.summary(), "differences": self.differences(), "cases": self.rows}

    def differences(self) -> list[dict[str, Any]]:
        """For each method and teacher the differences to the student without one, paired by seed."""
        return paired_differences(self.rows)

    def report(self) -> AuditReport | None:
        """The audits of all cases in one, each layer named with its case; None where nothing was audited."""
        pairs, reports = [], []
        for case in map(_case, self.rows):
            path = self.folder / "results" / case.name / "audit.json"
            if path.exists():
                reports.append(AuditReport.load(path))
                pairs += [_named(pair, case) for pair in reports[-1].pairs]
        return dataclasses.replace(reports[0], pairs=tuple(pairs)) if reports else None

    def contributions(self) -> dict[str, ContributionResult]:
        """Contributions of several teachers to the student, by case; empty where there is one teacher."""
        paths = {_case(row).name: self.folder / "results" / _case(row).name / CONTRIBUTIONS for row in self.rows}
        return {name: ContributionResult.from_dict(read_json(path)) for name, path in paths.items() if path.exists()}

    def write(self) -> None:
        """Write ``results.json`` and ``results.csv``."""
        text = io.StringIO()
        columns = dict.fromkeys(key for row in self.rows for key in row)
        table = csv.DictWriter(text, list(columns), lineterminator="\n")
        table.writeheader()
        table.writerows(map(guarded_row, self.rows))
        for name, written in {
            "results.json": json.dumps(self.to_dict(), indent=1),
            "results.csv": text.getvalue(),
        }.items():
            write_text(self.folder / name, written, force=True)

    def write_pages(self, config: Config) -> None:
        """Write ``report.html``, and into ``audits/`` the page and the files of the audits of all cases."""
        page = experiment_page(self.folder, self.rows, config, f"pidkd train · {self.folder.name}")
        write_text(self.folder / "report.html", page, force=True)
        if (report := self.report()) is not None:
            report.write(self.folder / "audits", force=True)

    def __rich__(self) -> RenderableType:
        """A table of the runs, and one of means."""
        from rich.console import Group
        from rich.text import Text

        columns = {"student": "accuracy", **{heading: atom for atom, heading in HEADINGS.items()}}
        runs = _table("Cases", ["case"], ["teacher", *columns])
        means = _table("Means over the seeds of students", ["method", "with", "n"], columns)
        for row in self.rows:
            runs.add_row(_case(row).name, *(_shown(row, key) for key in ("teacher_accuracy", *columns.values())))
        for entry in self.summary():
            cells = (_shown(entry, key) for key in columns.values())
            means.add_row(entry["method"], f"{entry['teacher']}-t{entry['teacher_seed']}", str(entry["n"]), *cells)
        parts: list[RenderableType] = [runs, means] if any(entry["n"] > 1 for entry in self.summary()) else [runs]
        if differences := self.differences():
            parts += _differences(differences)
        if (report := self.report()) is not None and report.pairs[0].history:
            parts.append(_trajectories(report))
        for name, added in self.contributions().items():
            parts += [Text(f"\nAdded by each teacher, by the classes that it names: {name}"), Text(str(added))]
        note = (
            "Accuracy in per cent on the test set after the last epoch; atoms in bits there; standard deviations use "
            "n - 1; p is of the two-sided sign test over seeds."
        )
        return Group(*parts, Text(note, "dim"))


SHOWN = 5
"""Stages of a trajectory in a table; the report has all."""

Before = Callable[[str, Preflight], None]

MEASURED = ("accuracy", "loss", "teacher_accuracy", "cpu_seconds", *HEADINGS, "mi_t", "mi_s")
"""What is averaged over seeds."""


def run_experiment(
    config: Config,
    out: PathLike,
    *,
    seeds: Sequence[int] | None = None,
    methods: Sequence[str] | None = None,
    teachers: Sequence[str] | None = None,
    teacher_seeds: Sequence[int] | None = None,
    resume: bool = False,
    processes: int | None = None,
    tensorboard: bool = False,
    before: Before | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Experiment:
    """Train every method with every teacher and every pair of seeds, evaluate on the test set, and audit there.

    Parameters
    ----------
    config : Config
    out : path
        A new folder. It gets ``config.yaml``; ``teachers/`` and ``runs/`` with a folder for every run; ``results/``
        with a folder for every case: its row, and the report of its audit; ``results.json`` and ``results.csv``, which
        are written anew after each case; and at the end ``report.html``, and ``audits/`` with the audits of all cases.
    seeds, methods, teachers, teacher_seeds : sequence, optional
        Of the students; of distillation methods; "trained", "untrained" or files of weights; of the teachers. Those of
        the configuration unless given.
    resume : bool
        Go on with the experiment in that folder: finished runs are skipped, and a stopped one resumes.
    processes, tensorboard
        As for ``train``.
    before : callable, optional
        Called with the name of a run and its preflight, once for each method, before anything is trained.
    progress : callable, optional
        Called with the fraction done and what is being done.

    Raises
    ------
    InputError
        When the configuration cannot be used, or the folder holds an experiment and ``resume`` is not given, or one of
        another configuration.
    """
    folder = Path(out)
    cases = cases_of(config, seeds, methods, teachers, teacher_seeds)
    with ExitStack() as stack:
        stack.enter_context(together(device_of(config.device)))  # from run to run
        from_main(lambda: _hold(stack, folder, config, cases[0], resume))
        bench = Workbench(config, folder, resume=resume, processes=processes, tensorboard=tensorboard)
        _check(bench, cases, before)
        bench.record(CONFIG, config.to_yaml())
        experiment = Experiment(folder, [], bench.is_main)
        for number, case in enumerate(cases):

            def show(fraction: float, now: str, number: int = number, name: str = case.name) -> None:
                if progress is not None:
                    progress((number + fraction) / len(cases), f"{name}: {now}")

            experiment.rows.append(bench.row(case, show))
            if bench.is_main:
                experiment.write()
        if bench.is_main:
            experiment.write_pages(config)
    return experiment


def _hold(stack: ExitStack, folder: Path, config: Config, case: Case, resume: bool) -> None:
    """Hold the folder of an experiment, unless something else is in it."""
    check_folder(folder)
    if is_there(folder / CONFIG) and not resume:
        hint = "go on with it by --resume (resume=True), or take another folder"
        raise InputError(str(folder), "a new folder", "one with an experiment", hint)
    if is_there(folder / CONFIG):  # as one case of either, for the cases may be others
        stored = load_config(folder / CONFIG)
        check_alike(folder / CONFIG, telling(case.of(stored)), telling(case.of(config)))
    stack.enter_context(holding(folder))


def preview(
    config: Config,
    before: Before,
    *,
    seeds: Sequence[int] | None = None,
    methods: Sequence[str] | None = None,
    teachers: Sequence[str] | None = None,
    teacher_seeds: Sequence[int] | None = None,
) -> None:
    """Call ``before`` as ``run_experiment`` does, and stop: nothing is trained or written.

    Raises
    ------
    InputError
        When the configuration cannot be used.
    """
    _check(Workbench(config, Path()), cases_of(config, seeds, methods, teachers, teacher_seeds), before)


def _check(bench: Workbench, cases: Sequence[Case], before: Before | None) -> None:
    """Refuse settings that cannot be used, before a teacher is trained."""
    for case in {case.teacher: case for case in cases}.values():
        bench.teachers.check(case)
    for method in dict.fromkeys(case.method for case in cases):
        bench.check(next(case for case in cases if case.method == method), before)


def _case(row: Mapping[str, Any]) -> Case:
    return Case(row["method"], row["teacher"], row["teacher_seed"], row["seed"])


def _named(pair: AuditedPair, case: Case) -> AuditedPair:
    """With the case in the names of the layers."""
    return dataclasses.replace(
        pair,
        teacher=f"{pair.teacher} of {case.teacher_name}",
        student=f"{pair.student} of {case.name}",
        history=tuple(_named(before, case) for before in pair.history),
    )


def _trajectories(report: AuditReport) -> Table:
    """Redundant and unique atoms during training, one pair a row."""
    from rich.table import Table

    n_stages = len(report.pairs[0].stages)
    shown = sorted({round(i * (n_stages - 1) / (SHOWN - 1)) for i in range(SHOWN)})
    table = Table("student's layer", title="While training: Red, Uni T in bits", title_justify="left")
    for i in shown:
        table.add_column(report.pairs[0].stages[i].checkpoint or "end", justify="right", no_wrap=True)
    for pair in report.pairs:
        atoms = [pair.stages[i].result.atoms for i in shown]
        table.add_row(pair.student, *(f"{a['redundant']:.2f}, {a['unique_t']:.2f}" for a in atoms))
    return table


def _differences(entries: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Gain of each method over the baseline: a table of accuracy, in points, and one of the atoms, in bits."""
    title = f"Differences to {BASELINE}, paired by seed (standard error)"
    gains = _table(title, ["method", "with", "n"], ["student", "above", "p"])
    atoms = _table(f"{title}, in bits", ["method", "with", "n"], HEADINGS.values())
    for entry in entries:
        names = (entry["method"], f"{entry['teacher']}-t{entry['teacher_seed']}", str(entry["n"]))
        above, p = f"{entry['above']} of {entry['n']}", f"{entry['p']:.2g}"
        gains.add_row(*names, _difference(entry, "accuracy"), above, p)
        atoms.add_row(*names, *(_difference(entry, key) for key in HEADINGS))
    measured = any(entry.get(key) is not None for entry in entries for key in HEADINGS)
    return [gains, atoms] if measured else [gains]


def _difference(entry: Mapping[str, Any], key: str) -> str:
    if entry.get(key) is None:
        return ""
    scale, digits = (100, 1) if key == "accuracy" else (1, 2)
    error = entry[f"{key}_se"]
    return f"{scale * entry[key]:+.{digits}f}" + ("" if error is None else f" ({scale * error:.{digits}f})")


def _table(title: str, names: Sequence[str], numbers: Iterable[str]) -> Table:
    from rich.table import Table

    table = Table(title=f"\n{title}", title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    return table


def _shown(row: Mapping[str, Any], key: str) -> str:
    """A value, or a mean with its standard deviation; accuracy in per cent."""
    value, spread = row.get(key), row.get(f"{key}_sd")
    if value is None:
        return ""
    scale, digits = (100, 1) if key.endswith("accuracy") else (1, 3 if spread is None else 2)
    return f"{scale * value:.{digits}f}" + ("" if spread is None else f" ± {scale * spread:.{digits}f}")
