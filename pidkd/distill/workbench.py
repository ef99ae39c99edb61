"""One case of an experiment after the other: its data, teacher and student, trained, evaluated and audited."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from pidkd.activations import PathLike, writing
from pidkd.distill.architectures import build_model
from pidkd.distill.auditing import audit
from pidkd.distill.batches import stream
from pidkd.distill.capture import capture
from pidkd.distill.config import Config, StudentConfig
from pidkd.distill.corruption import corrupt
from pidkd.distill.dataset import ImageData, load_data
from pidkd.distill.engine import train
from pidkd.distill.evaluation import evaluate
from pidkd.distill.method import get_method
from pidkd.distill.preflight import Preflight
from pidkd.errors import AlignmentWarning, InputError
from pidkd.layers import faults
from pidkd.quantize import Quantizer

CONFIG = "config.yaml"

FREE = ("device", "chosen")
"""Keys of a configuration that do not tell one case from another."""

ATOMS = {"Red": "redundant", "Uni_T": "unique_t", "Uni_S": "unique_s", "Syn": "synergistic"}
"""Atoms by their headings."""

Show = Callable[[float, str], None]

Before = Callable[[str, str, Preflight], None]


@dataclass(frozen=True)
class Case:
    """One method, one teacher, and the seeds of both networks."""

    method: str
    teacher: str
    teacher_seed: int
    seed: int

    @property
    def teacher_name(self) -> str:
        """The name of the teacher's folder."""
        label = self.teacher if self.teacher in ("trained", "untrained") else Path(self.teacher).stem
        return f"{label}-t{self.teacher_seed}"

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.method}-{self.teacher_name}-s{self.seed}"

    @property
    def run_name(self) -> str:
        """The name of the folder of its run: one for all teachers if the method needs none."""
        return self.name if get_method(self.method)().needs_teacher else f"{self.method}-s{self.seed}"

    def of(self, config: Config) -> Config:
        """The configuration of this run."""
        teacher = dataclasses.replace(config.teacher, weights=self.teacher)
        return dataclasses.replace(
            config, teacher=teacher, method=self.method, teacher_seed=self.teacher_seed, seed=self.seed
        )


class Workbench:
    """What the cases of an experiment share: data, teachers, and students that several cases ask for."""

    def __init__(
        self,
        config: Config,
        folder: Path | None,
        before: Before | None,
        **options: Any,
    ) -> None:
        self.config, self.folder, self.before = config, folder, before
        self.options = {"device": config.device, "strict": config.strict, **options}
        self.is_main = int(os.environ.get("RANK", 0)) == 0
        whole, self.test = read_data(config)
        settings = config.data
        self.teacher_data, self.student_data = (
            whole if n is None else whole.per_class(n, settings.seed)
            for n in (config.teacher.samples_per_class, settings.samples_per_class)
        )
        if settings.label_noise:
            self.student_data = self.student_data.with_label_noise(settings.label_noise, settings.seed)
        self.teachers: dict[str, tuple[nn.Module, float | None]] = {}
        self.students: dict[str, dict[str, Any]] = {}

    def row(self, case: Case, show: Show) -> dict[str, Any]:
        """The row of a case: as found before, or now."""
        config = {key: value for key, value in case.of(self.config).to_dict().items() if key not in FREE}
        place = f"results/{case.name}"
        if self.folder is not None and (self.folder / place / "result.json").exists():
            return _finished(self.folder / place / "result.json", config)
        found = self.trained(case, show)
        teacher, accuracy = self.teacher(case, show)
        row = {**dataclasses.asdict(case), "run": case.run_name, **found["row"], "teacher_accuracy": accuracy}
        if self.is_main and self.folder is not None:
            show(1.0, "audit")
            row |= self._audit(teacher, found["student"], self.folder / place)
            self.record(f"{place}/result.json", json.dumps({"config": config, "row": row}, indent=1))
        return row

    def trained(self, case: Case, show: Show) -> dict[str, Any]:
        """The student of a case, and its row so far."""
        if case.run_name in self.students:
            return self.students[case.run_name]
        config = case.of(self.config)
        method = config.make_method()
        student = make_network(config, "student", self.test)
        first = self.config.starts.get(case.method)
        if first is not None and not self.options.get("dry_run"):
            begin = self.trained(dataclasses.replace(case, method=first), show)
            student.load_state_dict(begin["student"].state_dict())
        started = time.process_time()
        run = train(
            self.teacher(case, show)[0] if method.needs_teacher else None,
            student,
            self.student_data,
            self.test,
            method=method,
            taps=config.taps,
            recipe=config.student_recipe,
            seed=case.seed,
            out=None if self.folder is None else self.folder / "runs" / case.run_name,
            note=_note(config),
            remarks=_remarks(config),
            before=lambda report: None if self.before is None else self.before(case.method, case.run_name, report),
            progress=lambda fraction, row: show(fraction, _now(row)),
            **self.options,
        )
        row: dict[str, Any] = {"cpu_seconds": time.process_time() - started}
        if run.history:
            row |= {"accuracy": run.history[-1]["valid_accuracy"], "loss": run.history[-1]["valid_loss"]}
        if run.best is not None:
            row |= {"best_epoch": run.best["epoch"], "held_out_accuracy": run.best["accuracy"]}
        found = {"student": run.student, "row": row}
        if not method.needs_teacher or case.method in self.config.starts.values():
            self.students[case.run_name] = found
        return found

    def teacher(self, case: Case, show: Show) -> tuple[nn.Module, float | None]:
        """The teacher of a case and its accuracy on the test set, where its classes are those of the data."""
        if case.teacher_name not in self.teachers:
            config = case.of(self.config)
            network = make_network(config, "teacher", self.test)
            if case.teacher == "trained":
                self._train_teacher(network, case, show)
            elif case.teacher != "untrained":
                load_weights(network, case.teacher, "teacher.weights")
            if config.teacher.corrupted:
                corrupt(network, [t for t, _ in config.taps], config.teacher.corrupted, config.teacher.noise)
            alike = config.teacher.n_classes in (None, self.test.n_classes)
            self.teachers[case.teacher_name] = network, evaluate(network, self.test)["accuracy"] if alike else None
        return self.teachers[case.teacher_name]

    def record(self, name: str, text: str) -> None:
        """Write a file of the experiment, from one process."""
        if self.is_main and self.folder is not None:
            with writing(self.folder / name, force=True) as stream:
                stream.write(text.encode())

    def _train_teacher(self, network: nn.Module, case: Case, show: Show) -> None:
        if self.options.get("dry_run"):
            return
        train(
            None,
            network,
            self.teacher_data,
            self.test,
            method="none",
            recipe=self.config.teacher_recipe,
            seed=case.teacher_seed,
            out=None if self.folder is None else self.folder / "teachers" / case.teacher_name,
            note=_note(self.config),
            progress=lambda fraction, row: show(0.0, f"teacher, {fraction:.0%}, {_now(row)}"),
            **self.options,
        )

    def _audit(self, teacher: nn.Module, student: nn.Module, folder: Path) -> dict[str, float]:
        """Atoms on the test set; the report goes into the folder."""
        settings = self.config.audit
        pairs = self.config.taps[-1:] if settings.layers == "last" else self.config.taps
        if settings.layers == "none" or not pairs:
            return {}
        held_t, held_s = (
            capture(network, self.test, [pair[side] for pair in pairs], device=self.config.device)
            for side, network in enumerate((teacher, student))
        )
        quantizer = Quantizer.from_text(settings.quantize, seed=self.config.data.seed)
        with warnings.catch_warnings():
            # An untrained teacher may know nothing; the report says so.
            warnings.simplefilter("ignore", AlignmentWarning)
            report = audit(held_t, held_s, self.test.labels, pairs, quantize=quantizer, shuffles=settings.shuffles)
        report.write(folder, force=True)
        last = report.results[pairs[-1]]
        return {key: getattr(last, key) for key in (*ATOMS.values(), "mi_t", "mi_s")}


def read_data(config: Config) -> tuple[ImageData, ImageData]:
    """The training and the test set, whole.

    Raises
    ------
    InputError
        When they cannot be read.
    """
    settings = config.data
    train_data, test = load_data(settings.name, settings.path, **settings.options)
    if not settings.mean and not settings.std:
        return train_data, test
    return tuple(dataclasses.replace(d, mean=settings.mean, std=settings.std) for d in (train_data, test))  # type: ignore[return-value]


def make_network(config: Config, side: Literal["teacher", "student"], data: ImageData) -> nn.Module:
    """The teacher or the student of a configuration with fresh weights, by its seed.

    Raises
    ------
    InputError
        When there is no such model, or an option cannot be used.
    """
    network: StudentConfig = getattr(config, side)
    n_classes = getattr(network, "n_classes", None) or data.n_classes
    # Alike networks of one seed are not to begin alike.
    seed = stream(config.teacher_seed, 5) if side == "teacher" else stream(config.seed, 4)
    return build_model(network.model, data.shape, n_classes, seed=seed, **network.options)


def load_weights(network: nn.Module, path: PathLike, where: str) -> None:
    """Load a state dictionary into a network.

    Raises
    ------
    InputError
        When the file is missing, damaged or holds anything else, or does not fit.
    """
    expected = "a state dictionary, as torch.save writes it"
    if not Path(path).is_file():
        raise InputError(where, f"trained, untrained, or a file with {expected}", repr(os.fspath(path)))
    with faults(os.fspath(path)):
        state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise InputError(os.fspath(path), expected, type(state).__name__)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        got = " ".join(str(error).split())[:300]
        raise InputError(os.fspath(path), f"weights of the network, {type(network).__name__}", got) from error


def _finished(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a case that was finished before, with the same configuration."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        row: dict[str, Any] = held["row"]
        before = _flat(held["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(str(path), "the result of a run", f"a file that cannot be read ({error})") from error
    now = _flat(json.loads(json.dumps(config)))
    other = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if other:
        got = f"{other[0]} {now.get(other[0])!r} instead of {before.get(other[0])!r}"
        raise InputError(str(path), "the configuration it was made with", got, "take another folder")
    return row


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def _note(config: Config) -> dict[str, Any]:
    """What the record of a run holds beside its settings."""
    return {"config": config.to_dict(), "git": git_revision()}


def git_revision() -> str | None:
    """What git calls the working directory, "dirty" where it differs from its commit; None outside of git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607 whichever git is in use
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _remarks(config: Config) -> list[str]:
    """The chosen values that matter for the method."""
    values = _flat(config.to_dict())
    lines = []
    for key, why in config.chosen.items():
        part, _, rest = key.partition(".")
        if part not in ("methods", "recipes") or rest.partition(".")[0] == config.method:
            lines.append(f"chosen: {key} {values.get(key, '')}; {why}".replace("  ", " "))
    return lines


def _now(row: Mapping[str, Any]) -> str:
    """The last epoch in words."""
    if not row:
        return ""
    return f"{row['phase']}, loss {row['loss']:.3g}, accuracy {row['valid_accuracy']:.1%}"
