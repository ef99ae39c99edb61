"""The forty tasks of mutual information of Czyz et al., 5,000 samples, in nats.

Published is the mutual information that their package bmi stores for a task; the truth is a closed form. The
estimates that the paper prints as colours are not known to their digits, so that ours stand beside the truth alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from pidkd import mutual_information
from pidkd.arrays import FloatArray
from pidkd.benchmarks.papers import CLOSED_FORM, Number, Paper, Setting
from pidkd.synthetic.tasks import (
    Task,
    additive_uniform,
    dense_normal,
    normal_cdf,
    sparse_normal,
    spiral,
    student,
    swissroll,
)

N_SAMPLES = 5_000


def mapped(of: Task, name: str, of_x: Callable[[FloatArray], FloatArray], of_y: Callable[..., FloatArray]) -> Task:
    """A task with both variables mapped, invertibly."""

    def draw(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        x, y = of.draw(n, rng)
        return of_x(x), of_y(y)

    return dataclasses.replace(of, name=f"{name}-{of.name}", draw=draw)


def half_cube(of: Task) -> Task:
    """Every coordinate to the power 3/2, with its sign."""

    def power(x: FloatArray) -> FloatArray:
        return x * np.sqrt(np.abs(x))

    return mapped(of, "half_cube", power, power)


def asinh(of: Task) -> Task:
    """Every coordinate through the inverse hyperbolic sine."""
    return mapped(of, "asinh", np.arcsinh, np.arcsinh)


def wiggly(of: Task) -> Task:
    """Every coordinate bent by small waves."""

    def of_x(x: FloatArray) -> FloatArray:
        return x + 0.4 * np.sin(x) + 0.2 * np.sin(1.7 * x + 1) + 0.03 * np.sin(3.3 * x - 2.5)

    def of_y(y: FloatArray) -> FloatArray:
        return y - 0.4 * np.sin(0.4 * y) + 0.17 * np.sin(1.3 * y + 3.5) + 0.02 * np.sin(4.3 * y - 2.5)

    return mapped(of, "wiggly", of_x, of_y)


def bimodal(of: Task) -> Task:
    """Uniform variables as mixtures of two normal ones each."""
    from scipy.special import ndtr

    grid = np.linspace(-10.0, 10.0, 200_001)

    def quantile(u: FloatArray, weight: float, low: float, high: float) -> FloatArray:
        return np.interp(u, weight * ndtr(grid - low) + (1 - weight) * ndtr(grid - high), grid)

    return mapped(of, "bimodal", partial(_first, quantile, 0.3, 0.0, 5.0), partial(_first, quantile, 0.5, -1.0, 3.0))


def _first(function: Callable[..., FloatArray], weight: float, low: float, high: float, u: FloatArray) -> FloatArray:
    return function(u, weight, low, high)


def tasks() -> Iterator[Task]:
    """All forty."""
    normal = dataclasses.replace(sparse_normal(1, 1, 0.75, n_pairs=1), name="1v1-normal-0.75")
    uniform = normal_cdf(normal)
    yield from (normal, uniform, additive_uniform(0.1), additive_uniform(0.75), bimodal(uniform))
    yield from (wiggly(normal), half_cube(normal), student(1, 1, 1), asinh(student(1, 1, 1)), swissroll(uniform))
    yield from (dense_normal(d, d) for d in (2, 3, 5, 25, 50))
    yield from (sparse_normal(d, d) for d in (2, 3, 5, 25))
    yield from (student(d, d, df) for d, df in ((2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3)))
    sparse = [sparse_normal(d, d) for d in (3, 5, 25)]
    for change in (normal_cdf, half_cube, spiral):
        yield from map(change, sparse)
    yield from (spiral(normal_cdf(of)) for of in sparse)
    yield from (asinh(student(d, d, df)) for d, df in ((2, 1), (3, 2), (5, 2)))


STORED = {
    "1v1-normal-0.75": "0.413",
    "1v1-additive-0.1": "1.709",
    "swissroll-normal_cdf-1v1-normal-0.75": "0.413",
    "multinormal-dense-25-25": "1.292",
    "multinormal-sparse-5-5": "1.022",
    "student-5-5-2": "0.448",
    "spiral-multinormal-sparse-5-5": "1.022",
    "normal_cdf-multinormal-sparse-25-25": "1.022",
}
"""Mutual information that bmi 0.1.3 stores, to three decimals, of the tasks for which it was looked up."""


CRITICS = {"critics": ("nwj", "infonce"), "estimates by critics": ("js", "mine", "smile")}
"""Trained estimators: those with a lower bound, and others."""


def numbers(of: Task, estimators: tuple[str, ...]) -> Iterator[Number]:
    """The truth, and estimates of these estimators."""
    if "gaussian" in estimators:
        yield Number("mutual information", of.mi, STORED.get(of.name), of.mi, CLOSED_FORM, units="nats")
    x, y = of.sample(N_SAMPLES, seed=0)
    for name in estimators:
        result = mutual_information(x, y, estimator=name, units="nats")
        interval = None if result.interval is None else (result.interval[0], result.interval[1])
        finite = math.isfinite(result.value)
        yield Number(name, result.value if finite else None, None, of.mi, CLOSED_FORM, interval, "nats")


PAPER = Paper(
    [
        *(
            Setting(of.name, "small", partial(numbers, of, ("gaussian", "ksg")), "bmi 0.1.3, stored with the task")
            for of in tasks()
        ),
        *(
            Setting(f"{of.name}, {name}", "full", partial(numbers, of, critics))
            for of in tasks()
            for name, critics in CRITICS.items()
        ),
    ]
)
