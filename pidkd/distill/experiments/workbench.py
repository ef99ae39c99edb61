"""The runner of an experiment: each case with its data, teacher and student, trained, evaluated and audited."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import nn

from pidkd.audits.auditing import audit
from pidkd.distill.dataset import LabelledData
from pidkd.distill.experiments.cases import Case
from pidkd.distill.experiments.config import Config
from pidkd.distill.experiments.keys import key_in_configuration
from pidkd.distill.experiments.making import drawing, make_network, read_data
from pidkd.distill.experiments.provenance import FREE, check_same, note, remarks
from pidkd.distill.experiments.teaching import Show, Teachers, progress_of
from pidkd.distill.method import get_method
from pidkd.distill.teacher_ensemble import TeacherEnsemble
from pidkd.distill.training.capturing import Captured, capture
from pidkd.distill.training.engine import TrainResult, train
from pidkd.distill.training.monitor import Monitor
from pidkd.distill.training.preflight import Preflight, without_teacher
from pidkd.distill.training.run import Run
from pidkd.errors import AlignmentWarning, InputError
from pidkd.quantize import Quantizer
from pidkd.result import ATOMS
from pidkd.runs.output import PathLike, write_text
from pidkd.runs.record import check_record

CONFIG = "config.yaml"

CONTRIBUTIONS = "contributions.json"
"""File in the folder of a case with several teachers: what each of them adds for the student."""

MADE_HERE = ("trained", "untrained")
"""Teachers that are not yet what they will be when a preflight is shown before anything is trained."""


class Workbench:
    """Data, teachers and shared students of the cases of an experiment.

    Parameters
    ----------
    config : Config
    folder : path
    **options
        As for ``train``.
    """

    def __init__(self, config: Config, folder: PathLike, **options: Any) -> None:
        self.config, self.folder = config, Path(folder)
        self.options = {"device": config.device, "strict": config.strict, **options}
        self.is_main = int(os.environ.get("RANK", 0)) == 0
        self.quantizer = Quantizer.from_text(config.audit.quantize, seed=config.data.seed)
        self.audited = {"last": config.taps[-1:], "all": config.taps, "none": ()}[config.audit.layers]
        whole, self.test = read_data(config)
        settings = config.data
        if settings.validation:
            whole, self.test = whole.split(settings.validation, settings.seed)
        n = settings.samples_per_class
        self.student_data = whole if n is None else whole.per_class(n, settings.seed)
        if settings.label_noise:
            self.student_data = self.student_data.with_label_noise(settings.label_noise, settings.seed)
        self.held_out: LabelledData | None = None
        if config.monitor is not None:
            self.student_data, self.held_out = self.student_data.split(config.monitor.held_out, settings.seed)
        self.teachers = Teachers(config, self.folder, whole, self.test, **self.options)
        self.students: dict[str, tuple[nn.Module, dict[str, Any]]] = {}
        self.captured: tuple[str, Captured] = ("", Captured())

    def check(self, case: Case, before: Callable[[str, Preflight], None] | None) -> None:
        """Show the preflight of a case, with networks as they are made or read: nothing is trained or written.

        Of a teacher that is yet to be trained or calibrated, nothing is said that would not hold then.
        """

        def show(name: str, report: Preflight) -> None:
            if before is not None:
                before(name, without_teacher(report, self.test.n_classes) if case.teacher in MADE_HERE else report)

        student = make_network(case.of(self.config), "student", self.test)
        self._train(self.teachers.new(case), student, case, lambda fraction, now: None, before=show, dry_run=True)

    def row(self, case: Case, show: Show) -> dict[str, Any]:
        """The row of a case: as found before, or now."""
        config = {key: value for key, value in case.of(self.config).to_dict().items() if key not in FREE}
        place = f"results/{case.name}"
        made_from, finished = self._made_from(case), self.folder / place / "result.json"
        if finished.exists():
            record = check_same(finished, ("config",), config)
            hint = "take another folder, or remove results, runs and teachers that were made of it"
            check_record(str(finished), record.get("made_from"), made_from, hint)
            return _row_of(record, finished)
        student, measured = self.student(case, show)
        teacher, accuracy = self.teachers.get(case, show)
        row = {**dataclasses.asdict(case), "run": case.run_name, **measured, "teacher_accuracy": accuracy}
        if self.is_main:
            show(1.0, "audit")
            row |= self._audit(case, teacher, student)
            added = self.teachers.contributions(case, student, show)
            if added is not None:
                self.record(f"{place}/{CONTRIBUTIONS}", json.dumps(added.to_dict(), indent=1))
            record = {"config": config, "made_from": made_from, "row": row}
            self.record(f"{place}/result.json", json.dumps(record, indent=1))
        return row

    def _made_from(self, case: Case) -> dict[str, Any]:
        """Digests of all that the row of a case is made of."""
        own = {"training data": self.student_data.fingerprint, "test data": self.test.fingerprint}
        return own | self.teachers.made_from(case)

    def student(self, case: Case, show: Show) -> tuple[nn.Module, dict[str, Any]]:
        """The trained student of a case, and what its training came to."""
        if case.run_name in self.students:
            return self.students[case.run_name]
        student = make_network(case.of(self.config), "student", self.test)
        teacher, _ = self.teachers.get(case, show)
        if first := self.config.starts.get(case.method):
            student.load_state_dict(self.student(dataclasses.replace(case, method=first), show)[0].state_dict())
        self._keep(student, case, 0)
        started = time.process_time()
        run = self._train(teacher, student, case, show)
        measured: dict[str, Any] = {"cpu_seconds": time.process_time() - started}
        measured |= {key: run.history[-1][f"valid_{key}"] for key in ("accuracy", "loss")} | _balance(run.history)
        if run.best is not None:
            measured |= {"best_epoch": run.best["epoch"], "held_out_accuracy": run.best["accuracy"]}
        if case.run_name != case.name or case.method in self.config.starts.values():
            self.students[case.run_name] = run.student, measured
        return run.student, measured

    def record(self, name: str, text: str) -> None:
        """Write a file of the experiment, from one process."""
        if self.is_main:
            write_text(self.folder / name, text, force=True)

    def _train(
        self,
        teacher: nn.Module,
        student: nn.Module,
        case: Case,
        show: Show,
        before: Callable[[str, Preflight], None] | None = None,
        dry_run: bool = False,
    ) -> TrainResult:
        config = case.of(self.config)
        method, monitor = config.make_method(), self._monitor(teacher, case)
        if isinstance(teacher, TeacherEnsemble):
            teacher.temperature = getattr(method, "temperature", 1.0)

        def after_epoch(run: Run) -> Mapping[str, Any] | None:
            self._keep(run.step.student.model, case, run.epoch + 1)
            return None if monitor is None else monitor(run)

        try:
            return train(
                teacher,
                student,
                self.student_data,
                self.test,
                method=method,
                taps=config.taps,
                recipe=config.student_recipe,
                seed=case.seed,
                out=self.folder / "runs" / case.run_name,
                dry_run=dry_run,
                note=note(config),
                remarks=remarks(config),
                before=None if before is None else lambda report: before(case.run_name, report),
                after_epoch=after_epoch,
                progress=lambda fraction, row: show(fraction, progress_of(row)),
                **self.options,
            )
        except InputError as error:
            raise error.at(key_in_configuration(error.where, "recipe")) from error

    def _monitor(self, teacher: nn.Module, case: Case) -> Monitor | None:
        settings = self.config.monitor
        if settings is None or self.held_out is None or not get_method(case.method)().needs_teacher:
            return None
        return Monitor(
            teacher,
            self.held_out,
            self.audited,
            every=settings.every,
            gate=settings.gate,
            folder=self.folder / "runs" / case.run_name / "monitor",
            quantize=self.quantizer,
            shuffles=self.config.audit.shuffles,
        )

    def _keep(self, student: nn.Module, case: Case, epochs: int) -> None:
        """Capture the student after so many epochs, if it is to be audited then."""
        config = case.of(self.config)
        every, last = config.audit.every, len(config.make_method().epochs_of(config.student_recipe))
        due = every is not None and epochs % every == 0 and epochs < last
        if due and self.is_main and self.audited:
            out = self._snapshots(case) / f"{epochs:05}"
            shutil.rmtree(out, ignore_errors=True)  # what a stopped run left
            capture(student, self.test, [s for _, s in self.audited], out, device=self.config.device)

    def _audit(self, case: Case, teacher: nn.Module, student: nn.Module) -> dict[str, float]:
        """Atoms on the test set; the report goes into the folder of the case."""
        if not self.audited:
            return {}
        if self.captured[0] != case.teacher_name:  # one teacher's at a time: cases come teacher by teacher
            self.captured = case.teacher_name, self._capture(case, teacher, 0)
        held_t, held_s = self.captured[1], self._capture(case, student, 1)
        pairs = [(self._audit_name(t), s) for t, s in self.audited]
        checkpoints = {f"epoch {int(path.name)}": path for path in sorted(self._snapshots(case).glob("?????"))}
        with warnings.catch_warnings():
            # An untrained teacher may know nothing; the report says so.
            warnings.simplefilter("ignore", AlignmentWarning)
            report = audit(
                self._by_teacher(held_t) if self.config.teachers else held_t,
                held_s,
                self.test.labels,
                pairs,
                checkpoints=checkpoints,
                quantize=self.quantizer,
                shuffles=self.config.audit.shuffles,
            )
        report.write(self.folder / "results" / case.name, force=True)
        last = report.results[pairs[-1]]
        return {key: getattr(last, key) for key in (*ATOMS, "mi_t", "mi_s")}

    def _audit_name(self, layer: str) -> str:
        """Name of a layer in an audit, which writes ``name/layer`` of several teachers."""
        name, _, rest = layer.partition(".")
        return f"{name}/{rest}" if name in self.config.teachers else layer

    def _by_teacher(self, captured: Captured) -> dict[str, dict[str, Any]]:
        """Layers of several teachers, each teacher's by itself."""
        layers: dict[str, dict[str, Any]] = {}
        for path in dict.fromkeys(t for t, _ in self.audited):
            name, _, layer = path.partition(".")
            layers.setdefault(name, {})[layer] = captured[path]
        return layers

    def _capture(self, case: Case, network: nn.Module, side: int) -> Captured:
        """Features of the audited layers on the test set."""
        with drawing(case.teacher_seed):
            return capture(network, self.test, [pair[side] for pair in self.audited], device=self.config.device)

    def _snapshots(self, case: Case) -> Path:
        return self.folder / "runs" / case.run_name / "snapshots"


def _row_of(record: Mapping[str, Any], path: Path) -> dict[str, Any]:
    row = record.get("row")
    if not isinstance(row, dict):
        raise InputError(str(path), "the record of a case", "one without its row", "remove it, and the case is redone")
    return row


def _balance(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of the epochs that train the whole student: the last training accuracy, and means of what the balance logged."""
    accuracies = [row["train_accuracy"] for row in history if "train_accuracy" in row]
    balances = [row["balance"] for row in history if row.get("balance", {}).get("ratio") is not None]
    means = {key: fmean(balance[key] for balance in balances) for key in ("ratio", "factor") if balances}
    return {"train_accuracy": accuracies[-1], **means}
