"""Mutual information of two continuous variables: the tasks of the literature, and the staircase."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from pidkd.benchmarks.problems import Problem, Size, Truth
from pidkd.inputs import Input
from pidkd.mi import ContinuousPairs, Pairs
from pidkd.synthetic import Task, list_tasks, staircase, task

INPUT = ContinuousPairs
ESTIMATORS = ("*",)
PEERS = ("mi-*-neighbours", "mi-*-ksg")


def drawn(of: Task, n_samples: int) -> Sequence[ContinuousPairs]:
    """One sample."""
    return [ContinuousPairs(*of.sample(n_samples))]


def _truth(of: Task, data: Sequence[Input | Pairs]) -> Sequence[Truth]:
    return [{"mi": of.mi / np.log(2)}] * len(data)


def _problem(of: Task, n_samples: int, size: Size, axis: tuple[str, float] | None = None) -> Problem:
    make, truth = partial(drawn, of, n_samples), partial(_truth, of)
    return Problem(f"{of.name}, {n_samples:,} samples", size, make, truth, of.known_by, axis)


PROBLEMS = (
    _problem(task("1v1-normal-0.75"), 300, "tiny"),
    _problem(task("1v1-normal-0.75"), 2_000, "small"),
    _problem(task("multinormal-sparse-5-5"), 2_000, "small"),
    *(_problem(task(name), 5_000, "full") for name in list_tasks()),
    *(_problem(step, 10_000, "full", ("true nats, staircase", step.mi)) for step in staircase()),
)
