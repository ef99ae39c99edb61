"""A value chosen on a validation split of the training set, never on the test set."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pidkd.distill.experiments.config import Config
from pidkd.distill.experiments.experiment import run_experiment
from pidkd.distill.experiments.loading import with_value
from pidkd.errors import Argument, InputError
from pidkd.runs.output import PathLike, writing

if TYPE_CHECKING:
    from rich.console import RenderableType

VALIDATION = 0.2
"""The part of the training set that chooses, where ``data.validation`` says nothing."""


@dataclass(frozen=True)
class Sweep:
    """Values of a key with what they came to on the validation split.

    Parameters
    ----------
    key : str
        With dots, as in a configuration.
    rows : list of dict
        For each "value" the mean "accuracy" over methods and seeds, and "n", how many runs that is of.
    config : Config
        With the chosen value, and under ``chosen`` why it was.
    """

    key: str
    rows: list[dict[str, Any]]
    config: Config

    @property
    def chosen(self) -> Any:
        """The value of highest accuracy; the first of several."""
        return max(self.rows, key=lambda row: row["accuracy"])["value"]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"key": self.key, "chosen": self.chosen, "values": self.rows}

    def __rich__(self) -> RenderableType:
        """A table of the values."""
        from rich.table import Table

        title = f"{self.key} on the validation split"
        table = Table("value", "accuracy", "runs", "", title=title, title_justify="left")
        for row in self.rows:
            mark = "chosen" if row["value"] == self.chosen else ""
            table.add_row(str(row["value"]), f"{row['accuracy']:.1%}", str(row["n"]), mark)
        return table


def run_sweep(
    config: Config,
    out: PathLike,
    key: str,
    values: Sequence[Any],
    *,
    seeds: Sequence[int] | None = None,
    methods: Sequence[str] | None = None,
    resume: bool = False,
    progress: Callable[[float, str], None] | None = None,
) -> Sweep:
    """Train with each value of a key, and choose the one with the highest mean accuracy on a validation split.

    The split is a part of the training set that neither teacher nor student is trained on, ``data.validation`` or a
    fifth; the test set is not read. Of a key under ``methods.NAME`` only that method is trained.

    Parameters
    ----------
    config : Config
    out : path
        It gets a folder for each value, and ``sweep.json``.
    key : str
        With dots: ``methods.vid.weight``.
    values : sequence
        At least two.
    seeds, methods : sequence, optional
        Of students, and the methods over which accuracies are averaged.
    resume : bool
        Go on with what is in the folder.
    progress : callable, optional
        Called with the fraction done and what is being done.

    Raises
    ------
    InputError
        When a value cannot be used; before anything is trained.
    """
    if len(values) < 2:
        raise InputError(Argument("train", "sweep"), "a key with at least two values", f"{key} with {len(values)}")
    part, _, name = key.partition(".")
    own = name.partition(".")[0]
    methods = [own] if part == "methods" else methods
    data = dataclasses.replace(config.data, validation=config.data.validation or VALIDATION)
    audit = dataclasses.replace(config.audit, layers="none", every=None)
    base = dataclasses.replace(config, data=data, audit=audit, monitor=None, gate=None)
    trials = {str(value): with_value(base, key, value) for value in values}
    folder, rows = Path(out), []
    for number, (label, trial) in enumerate(trials.items()):
        place = folder / f"{key}={label}"
        if number and part == "methods":  # all values have one teacher
            _share_teachers(folder / f"{key}={next(iter(trials))}", place)

        def show(fraction: float, now: str, number: int = number, label: str = label) -> None:
            if progress is not None:
                progress((number + fraction) / len(trials), f"{key}={label}: {now}")

        trained = run_experiment(trial, place, seeds=seeds, methods=methods, resume=resume, progress=show)
        accuracies = [row["accuracy"] for row in trained.rows]
        rows.append({"value": values[number], "accuracy": fmean(accuracies), "n": len(accuracies)})
    best = max(rows, key=lambda row: row["accuracy"])
    reason = (
        f"the best of {', '.join(trials)} on {data.validation:g} of the training set: {best['accuracy']:.1%} in the "
        f"mean of {best['n']} runs"
    )
    settled = with_value(config, key, best["value"])
    sweep = Sweep(key, rows, dataclasses.replace(settled, chosen={**settled.chosen, key: reason}))
    with writing(folder / "sweep.json", force=True) as stream:
        stream.write(json.dumps(sweep.to_dict(), indent=1).encode())
    return sweep


def _share_teachers(source: Path, target: Path) -> None:
    """Copy trained teachers from one experiment to another, where this has none."""
    if (source / "teachers").exists() and not (target / "teachers").exists():
        shutil.copytree(source / "teachers", target / "teachers")
