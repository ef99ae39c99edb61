"""Prospects of an experiment: what its teachers have for its student, before any distillation."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pidkd.distill.experiments.cases import cases_of
from pidkd.distill.experiments.config import Config
from pidkd.distill.experiments.making import drawing
from pidkd.distill.experiments.pairing import BASELINE
from pidkd.distill.experiments.workbench import CONFIG, Workbench
from pidkd.distill.training.monitor import Prospect, prospect
from pidkd.errors import Argument, InputError
from pidkd.files.opening import is_there
from pidkd.runs.output import PathLike

if TYPE_CHECKING:
    from rich.console import RenderableType

HELD_OUT = 0.2
"""The part of the training set that is audited where ``data.validation`` says nothing."""


@dataclass(frozen=True)
class Prospects:
    """Unique information of teachers for a student, by teacher and layer pair.

    Parameters
    ----------
    by_teacher : mapping from str to Prospect
    teacher_accuracy : mapping from str to float or None
    student_accuracy : float
        Of the student without a teacher, as that of the teachers on what was held out.
    """

    by_teacher: Mapping[str, Prospect]
    teacher_accuracy: Mapping[str, float | None]
    student_accuracy: float

    def rows(self) -> list[dict[str, Any]]:
        """A row for each teacher and layer pair: informations and unique atoms in bits, and the verdict."""
        return [
            {
                "teacher": name,
                "teacher_accuracy": self.teacher_accuracy[name],
                "student_accuracy": self.student_accuracy,
                "pair": list(pair),
                "mi_t": result.mi_t,
                "mi_s": result.mi_s,
                "unique_t": result.unique_t,
                "unique_t_by_chance": (result.null or {}).get("unique_t"),
                "unique_s": result.unique_s,
                "verdict": prospect.verdicts[pair],
            }
            for name, prospect in self.by_teacher.items()
            for pair, result in prospect.report.results.items()
        ]

    def __rich__(self) -> RenderableType:
        """One table of all teachers."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        names = ("teacher", "accuracy", "teacher: student", "I(Y;T)", "I(Y;S)", "Uni T", "chance", "Uni S", "")
        table = Table(*names, title="Prospects, in bits", title_justify="left")
        for row in self.rows():
            numbers = (row[key] for key in ("mi_t", "mi_s", "unique_t", "unique_t_by_chance", "unique_s"))
            right = "" if row["teacher_accuracy"] is None else f"{row['teacher_accuracy']:.1%}"
            cells = ("" if number is None else f"{number:.3f}" for number in numbers)
            table.add_row(row["teacher"], right, ": ".join(row["pair"]), *cells, row["verdict"])
        note = f"Beside a student without a teacher, of accuracy {self.student_accuracy:.1%} on held-out samples."
        return Group(table, Text(note, "dim"))


def run_prospects(
    config: Config,
    out: PathLike,
    *,
    teachers: Sequence[str] | None = None,
    resume: bool = False,
    progress: Callable[[float, str], None] | None = None,
) -> Prospects:
    r"""Train the student without a teacher, and audit it beside each teacher: Uni(Y:T\S) by layer pair.

    Parameters
    ----------
    config : Config
        A part of the training set, ``data.validation`` or a fifth, is held out of both networks' training and audited.
    out : path
        A new folder; it gets the runs, and ``prospect.json``.
    teachers : sequence of str, optional
        "trained", "untrained", "untrained-raw" or files of weights; that of the configuration unless given.
    resume : bool
        Go on with what is in the folder.
    progress : callable, optional
        Called with the fraction done and what is being done.

    Raises
    ------
    InputError
        When the configuration cannot be used, or the folder holds another experiment.
    """
    folder = Path(out)
    if is_there(folder / CONFIG) and not resume:
        hint = "go on with it by --resume (resume=True), or take another folder"
        raise InputError(str(folder), "a new folder", "one with an experiment", hint)
    if not config.taps:
        raise InputError(Argument("prospect", "taps"), "at least one layer pair", "none")
    if not config.data.validation:
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, validation=HELD_OUT))
    bench = Workbench(config, folder, resume=resume)
    cases = cases_of(config, None, [BASELINE], teachers)
    for case in cases:
        bench.teachers.check(case)
    bench.record(CONFIG, config.to_yaml())
    show = progress or (lambda fraction, now: None)
    by_teacher, accuracies, alone = {}, {}, 0.0
    for number, case in enumerate(cases):
        student, measured = bench.student(case, show)
        teacher, accuracies[case.teacher_name] = bench.teachers.get(case, show)
        show(number / len(cases), f"audit beside {case.teacher_name}")
        alone = measured["accuracy"]
        with drawing(case.teacher_seed):
            by_teacher[case.teacher_name] = prospect(
                teacher,
                student,
                bench.test,
                config.taps,
                device=config.device,
                quantize=bench.quantizer,
                shuffles=config.audit.shuffles,
                uncertainty=None,
            )
    prospects = Prospects(by_teacher, accuracies, alone)
    bench.record("prospect.json", json.dumps(prospects.rows(), indent=1))
    return prospects
