"""The cases of an experiment: every method with every teacher and seed."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pidkd.distill.experiments.config import Config
from pidkd.distill.method import get_method

UNFILED = ("trained", "untrained", "untrained-raw")
"""Names of teachers whose weights are read from no file."""


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
        label = self.teacher if self.teacher in UNFILED else Path(self.teacher).stem
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


def cases_of(
    config: Config,
    seeds: Sequence[int] | None = None,
    methods: Sequence[str] | None = None,
    teachers: Sequence[str] | None = None,
    teacher_seeds: Sequence[int] | None = None,
) -> list[Case]:
    """The cases of an experiment in their order; what is None is as the configuration has it.

    Raises
    ------
    InputError
        When a method is unknown, or one of its parameters cannot be used.
    """
    for method in (*config.methods, *(methods or ())):
        dataclasses.replace(config, method=method).make_method()
    axes = (
        [config.method] if methods is None else methods,
        [config.teacher.weights] if teachers is None else teachers,
        [config.teacher_seed] if teacher_seeds is None else teacher_seeds,
        [config.seed] if seeds is None else seeds,
    )
    return list(dict.fromkeys(Case(*values) for values in itertools.product(*axes)))
