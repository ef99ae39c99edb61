"""The demonstration of training: students of a trained and of an untrained teacher, and what they take over."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pidkd.distill.experiments.config import AuditConfig
from pidkd.distill.experiments.experiment import Experiment, run_experiment
from pidkd.distill.experiments.loading import load_config
from pidkd.distill.experiments.workbench import CONFIG
from pidkd.errors import InputError
from pidkd.files.opening import is_there
from pidkd.runs.output import PathLike
from pidkd.runs.pool import one_thread

if TYPE_CHECKING:
    from rich.console import RenderableType

PRESET = "digits-rid"
METHODS = ("none", "vid", "rid")
TEACHERS = ("trained", "untrained")
SPECIALISTS = {"low": {"classes": [0, 1, 2, 3, 4]}, "high": {"classes": [5, 6, 7, 8, 9]}}
"""Teachers that each know half of the digits."""


@dataclass(frozen=True)
class TrainingDemonstration:
    """Results of the demonstration of training, and those of two specialists as teachers."""

    experiment: Experiment
    specialists: Experiment | None = None

    @property
    def words(self) -> str:
        """Summary of the numbers in one sentence."""
        accuracy = {(row["method"], row["teacher"]): row["accuracy"] for row in self.experiment.rows}
        alone = accuracy["none", "trained"]
        gains = {key: 100 * (value - alone) for key, value in accuracy.items()}
        parts = [
            f"{method.upper()} changes that by {gains[method, 'trained']:+.1f} points with the trained teacher and by "
            f"{gains[method, 'untrained']:+.1f} with the untrained one"
            for method in METHODS[1:]
        ]
        start = f"A student alone recognises {alone:.1%} of the digits it has not seen."
        return f"{start} {'; '.join(parts)}. {_lesson(gains)}."

    @property
    def words_on_specialists(self) -> str:
        """Summary of what two specialists add, in one sentence; empty without them."""
        if self.specialists is None:
            return ""
        accuracy = {row["method"]: row["accuracy"] for row in self.specialists.rows}
        result = next(iter(self.specialists.contributions().values()))
        known = ", ".join(f"{name} {result.information[name].value:.2f}" for name in result.sources)
        assert result.remaining is not None  # noqa: S101 the student is given
        return (
            f"Two specialists, each taught five of the ten digits, know {known} bits of the digit, and together "
            f"{result.remaining.value:.2f} that the student alone lacks; KD from the mean of both changes its accuracy "
            f"by {100 * (accuracy['kd'] - accuracy['none']):+.1f} points."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        specialists = None if self.specialists is None else self.specialists.to_dict()
        return self.experiment.to_dict() | {"specialists": specialists}

    def __rich__(self) -> RenderableType:
        """The tables, what they say, and where the files are."""
        from rich.console import Group
        from rich.text import Text

        folder = self.experiment.folder
        command = f"  pidkd train {PRESET} --methods all --teachers {','.join(TEACHERS)} --seeds 0,1,2,3,4 -o DIR"
        return Group(
            Text("What do students take over while they are trained?", "bold"),
            Text("A small convolutional student sees 300 digits; its teacher, four times as wide, sees 1,078.\n"),
            self.experiment,
            Text(f"\n{self.words} {self.words_on_specialists}".rstrip(), "bold"),
            Text(f"\nThe trajectories are in {folder / 'report.html'}. All methods over five seeds, paired:"),
            Text(command, no_wrap=True, overflow="ignore"),
        )


SPREAD = 1.0
"""Points of accuracy within which a difference may be chance."""


def _lesson(gains: Mapping[tuple[str, str], float]) -> str:
    """Sentence on whom distillation helped, as far as one seed can tell."""
    taught = min(gains[method, "trained"] for method in METHODS[1:])
    rid, vid = gains["rid", "untrained"], gains["vid", "untrained"]
    if taught <= max(0, rid, vid):
        return "One seed tells little: differences to the student alone are within what seeds differ by"
    if rid > vid and vid < 0:
        fooled = "RID is not fooled by it" if rid > -SPREAD else "RID is fooled less"
        return f"A teacher that knows the task helps; one that knows nothing misleads VID, and {fooled}"
    return "A teacher that knows the task helps, and one that knows nothing is worth nothing: ask before you distill"


def demonstrate_training(
    folder: PathLike, *, force: bool = False, seed: int = 0, progress: Callable[[float, str], None] | None = None
) -> TrainingDemonstration:
    """Train and audit students on the digits of scikit-learn, by the preset "digits-rid".

    Parameters
    ----------
    folder : path
        A new folder for an experiment, as ``run_experiment`` writes it.
    force : bool
        Remove an experiment that is there.
    seed : int
        Of students and teachers.
    progress : callable, optional
        Called with the fraction done and what is being done.

    Raises
    ------
    InputError
        When the folder holds an experiment and ``force`` is not given, or cannot be written.
    """
    out = Path(folder)
    if is_there(out / CONFIG):
        if not force:
            raise InputError(
                str(out), "a new folder", "one with an experiment", "overwrite it with --force (force=True)"
            )
        shutil.rmtree(out)
    config = dataclasses.replace(load_config(PRESET), seed=seed, teacher_seed=seed)
    with one_thread():  # in networks this small, threads mostly wait for each other
        results = run_experiment(config, out, methods=METHODS, teachers=TEACHERS, progress=progress)
        two = dataclasses.replace(config, teachers=SPECIALISTS, taps=(), audit=AuditConfig(layers="none"))
        specialists = run_experiment(two, out / "specialists", methods=("none", "kd"), progress=progress)
    return TrainingDemonstration(results, specialists)
