"""Mutual information of two continuous variables: the tasks of the literature."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from pidkd.benchmarks.problems import Asks, Family, Problem, Size, Truth
from pidkd.mi import ContinuousPairs
from pidkd.synthetic import Task, list_tasks, task


def drawn(of: Task, n_samples: int, times: int) -> Sequence[ContinuousPairs]:
    """Samples with seeds 0, 1 and so on."""
    return [ContinuousPairs(*of.sample(n_samples, seed)) for seed in range(times)]


def of_task(of: Task, n_samples: int, size: Size, times: int = 1, axis: tuple[str, float] | None = None) -> Problem:
    """A task as a problem."""
    repeated = f", {times} times" if times > 1 else ""
    make = partial(drawn, of, n_samples, times)
    return Problem(f"{of.name}, {n_samples:,} samples{repeated}", size, make, partial(_truth, of), of.known_by, axis)


def _truth(of: Task, data: Sequence[Any]) -> Sequence[Truth]:
    return [{"mi": of.mi / np.log(2)}] * len(data)


PROBLEMS = (
    of_task(task("1v1-normal-0.75"), 300, "tiny"),
    of_task(task("1v1-normal-0.75"), 2_000, "full"),
    of_task(task("multinormal-sparse-5-5"), 2_000, "small"),
    *(of_task(task(name), 500, "full", times=20) for name in ("1v1-normal-0.75", "multinormal-sparse-5-5")),
    *(of_task(task(name), 5_000, "full") for name in list_tasks()),
)

FAMILY = Family(PROBLEMS, Asks(ContinuousPairs), section="mutual information")
