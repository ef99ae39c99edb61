"""Teachers of an experiment: made, trained or read, one alone or several as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pidkd.arrays import IntArray
from pidkd.contribution_result import ContributionResult
from pidkd.distill.dataset import LabelledData
from pidkd.distill.experiments.cases import UNFILED, Case
from pidkd.distill.experiments.config import Config, TeacherConfig
from pidkd.distill.experiments.keys import key_in_configuration
from pidkd.distill.experiments.making import calibrate_batchnorm, corrupt_teacher, drawing, make_network
from pidkd.distill.experiments.provenance import check_same, note
from pidkd.distill.feeding import eval_mode
from pidkd.distill.taps import FeatureTap
from pidkd.distill.teacher_ensemble import TeacherEnsemble
from pidkd.distill.training.engine import train
from pidkd.distill.training.evaluation import evaluate
from pidkd.distill.training.opening import open_batches
from pidkd.distill.training.recipe import Recipe
from pidkd.distill.training.runtime import device_of
from pidkd.distill.weights import load_weights
from pidkd.ensemble import contributions
from pidkd.errors import Argument, InputError
from pidkd.files.opening import existing_file
from pidkd.runs.record import check_record, file_digest

STUDENT = "student"
"""Name of the student beside several teachers, which none of these may have."""

Show = Callable[[float, str], None]
"""Called with the fraction done and what is being done."""


class Teachers:
    """Teachers of the cases of an experiment, each made once.

    Parameters
    ----------
    config : Config
    folder : path
        Trained ones are kept in ``teachers/`` there.
    data, test : LabelledData
        What they are trained and evaluated on.
    **options
        As for ``train``.
    """

    def __init__(self, config: Config, folder: Path, data: LabelledData, test: LabelledData, **options: Any) -> None:
        self.config, self.folder, self.test, self.options = config, folder, test, options
        self.data = {name: taught(data, one.teacher, config.data.seed) for name, one in config.members().items()}
        self.made: dict[str, tuple[nn.Module, float | None]] = {}

    def check(self, case: Case) -> None:
        """Make the teachers of a case, or read them; nothing is trained or written."""
        for name, config in case.of(self.config).members().items():
            network = self._network(name, config)
            if config.teacher.weights == "trained":
                self._train(network, name, config, case, lambda fraction, now: None, dry_run=True)

    def new(self, case: Case) -> nn.Module:
        """The teacher before it is trained, or with the weights of its file; of several an ensemble.

        Raises
        ------
        InputError
            When it cannot be made, or its file cannot be used.
        """
        members = case.of(self.config).members()
        return _as_one({name: self._network(name, config) for name, config in members.items()})

    def get(self, case: Case, show: Show) -> tuple[nn.Module, float | None]:
        """The teacher of a case and its accuracy on the test set, where its classes are those of the data."""
        if case.teacher_name not in self.made:
            config = case.of(self.config)
            network = _as_one({name: self._ready(name, one, case, show) for name, one in config.members().items()})
            corrupt_teacher(network, config)
            alike = config.teacher.n_classes in (None, self.test.n_classes)
            with drawing(case.teacher_seed):
                network.to(device_of(config.device))
                accuracy = evaluate(network, self.test)["accuracy"] if alike else None
            self.made[case.teacher_name] = network, accuracy
        return self.made[case.teacher_name]

    def made_from(self, case: Case) -> dict[str, Any]:
        """Digests of the data and of the files; a teacher that is trained here is made of the data."""
        digests: dict[str, Any] = {}
        for name, config in case.of(self.config).members().items():
            of, weights = f" {name}" if name else "", config.teacher.weights
            digests[f"training data of the teacher{of}"] = self.data[name].fingerprint
            is_file = weights not in UNFILED
            digests[f"weights of the teacher{of}"] = file_digest(existing_file(weights)) if is_file else None
        return digests

    def contributions(self, case: Case, student: nn.Module, show: Show) -> ContributionResult | None:
        """Contributions of several teachers to a student, by the classes that they name on the test set."""
        network, _ = self.get(case, show)
        if not isinstance(network, TeacherEnsemble):
            return None
        with drawing(case.teacher_seed):
            networks = {STUDENT: student, **dict(network.items())}
            named = {name: self._named(one) for name, one in networks.items()}
        return contributions(self.test.labels, named, given=STUDENT)

    def _named(self, network: nn.Module) -> IntArray:
        """Classes that a network names on the test set."""
        place, tap = (device_of(self.config.device), 0, 1), FeatureTap(network, [])
        batches = open_batches(self.test, "test data", Recipe(batch_size=512), 0, place, training=False)
        with eval_mode(tap), torch.no_grad():
            classes: IntArray = torch.cat([tap(x)[0].argmax(1).cpu() for x, _ in batches.in_order()]).numpy()
        return classes

    def _network(self, name: str, config: Config) -> nn.Module:
        """A fresh network, or one with the weights of its file."""
        network, weights = make_network(config, "teacher", self.test), config.teacher.weights
        if weights not in UNFILED:
            where = f"teachers.{name}.weights" if name else "teacher.weights"
            load_weights(network, weights, where, f"{', '.join(UNFILED)}, or ")
        return network

    def _ready(self, name: str, config: Config, case: Case, show: Show) -> nn.Module:
        """A network as a teacher: trained here, now or before, calibrated, or read."""
        network, weights = self._network(name, config), config.teacher.weights
        folder = self._folder(name, case)
        if weights == "trained" and (folder / "student.pt").exists():
            record = check_same(folder / "run.json", ("note", "config"), _settings(config))
            before, now = record["note"].get("made_from"), {"training data": self.data[name].fingerprint}
            check_record(str(folder), before, now, "take another folder, or remove this one")
            load_weights(network, folder / "student.pt", "teacher")
        elif weights == "trained":
            self._train(network, name, config, case, show)
        elif weights == "untrained":
            calibrate_batchnorm(network, self.data[name])
        return network

    def _folder(self, name: str, case: Case) -> Path:
        return self.folder / "teachers" / (f"{name}-{case.teacher_name}" if name else case.teacher_name)

    def _train(
        self, network: nn.Module, name: str, config: Config, case: Case, show: Show, dry_run: bool = False
    ) -> None:
        data = self.data[name]
        called = f"teacher {name}" if name else "teacher"
        try:
            train(
                None,
                network,
                data,
                self.test,
                method="none",
                recipe=config.teacher_recipe,
                seed=case.teacher_seed,
                out=self._folder(name, case),
                dry_run=dry_run,
                note={**note(config), "made_from": {"training data": data.fingerprint}},
                progress=lambda fraction, row: show(0.0, f"{called}, {fraction:.0%}, {progress_of(row)}"),
                **self.options,
            )
        except InputError as error:
            place = key_in_configuration(error.where, "teacher.recipe")  # the teacher is trained as a student is
            raise error.at(place if isinstance(place, Argument) else place.replace("student", "teacher")) from error


def taught(data: LabelledData, teacher: TeacherConfig, seed: int) -> LabelledData:
    """Samples that a teacher is trained on: so many of each class, of these its part, of these its classes."""
    if teacher.samples_per_class is not None:
        data = data.per_class(teacher.samples_per_class, seed)
    if teacher.part is None and teacher.classes is None:
        return data
    number, of = teacher.part or (1, 1)
    classes = range(data.n_classes) if teacher.classes is None else teacher.classes
    rows = np.arange(len(data))
    rows = rows[(rows % of == number - 1) & np.isin(data.labels, list(classes))]
    if not len(rows):
        raise InputError("teacher.classes, teacher.part", "a part of the training set with samples", "none")
    return data.take(rows)


def progress_of(row: Mapping[str, Any]) -> str:
    """The last epoch in words."""
    if not row:
        return ""
    return f"{row['phase']}, loss {row['loss']:.3g}, accuracy {row['valid_accuracy']:.1%}"


def _as_one(networks: Mapping[str, nn.Module]) -> nn.Module:
    """The only network, or an ensemble."""
    if "" in networks:
        return networks[""]
    try:
        return TeacherEnsemble(networks)
    except InputError as error:
        raise error.at("teachers") from error


def _settings(config: Config) -> dict[str, Any]:
    """Settings that identify a trained teacher."""
    settings = config.to_dict()
    return {key: settings[key] for key in ("data", "teacher", "teacher_seed", "recipe", "strict")}
