"""How long closed forms, batches and streams take on one core, and how many times faster batches are on an accelerator.

``python -m pidkd.benchmarks.speed`` prints CPU times of one thread. With ``--device cuda`` it solves the batches on an
accelerator, whole, and on one core, a share of them, and prints seconds of both and the ratio. Times of the accelerator
are wall times of the call that a user makes, with copies and certificates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pidkd.decomposition import decompose, decompose_batch
from pidkd.dependence import mutual_information
from pidkd.estimators.solvers.gaussian.closed_form import bracket, conditionals, decomposed
from pidkd.inputs import FloatArray, Gaussian
from pidkd.moments import Moments
from pidkd.resample import Bootstrap


@dataclass(frozen=True)
class Task:
    """What is timed: ``make`` gives its input of size ``n``, ``run`` takes it."""

    make: Callable[[int], Any]
    run: Callable[..., Any]
    n: int = 1
    share: int = 1
    """How many times fewer members one core is timed on, where an accelerator solves them all."""


def tables(n: int) -> FloatArray:
    """Random tables of shape (10, 10, 10)."""
    return np.random.default_rng(0).dirichlet(np.ones(1000), size=n).reshape(n, 10, 10, 10)


def covariances(n: int, d: int) -> FloatArray:
    """Random covariances of d variables."""
    mixing = np.random.default_rng(0).normal(size=(n, d, 2 * d))
    return mixing @ mixing.swapaxes(1, 2) / (2 * d)


def channel(n: int, d: int) -> Gaussian:
    """Ten target variables, each source d noisy mixtures of them; ``n`` is not used."""
    h = np.random.default_rng(0).normal(size=(2 * d, 10)) / 10**0.5
    return Gaussian(np.block([[np.eye(10), h.T], [h, h @ h.T + np.eye(2 * d)]]), (10, d, d))


def looks(n: int) -> list[Any]:
    """5,000 samples of ten classes with two noisy looks at them, and how many resamples of them are asked for."""
    rng = np.random.default_rng(0)
    y = rng.integers(10, size=5000)
    return [n, y, *(np.where(rng.random(5000) < right, y, rng.integers(10, size=5000)) for right in (0.8, 0.6))]


def normals(n: int) -> list[FloatArray]:
    """Two variables of ten dimensions."""
    x, noise = np.random.default_rng(0).normal(size=(2, n, 10))
    return [x, x + noise]


def streamed(n: int) -> Moments:
    """Moments of n samples of 512 columns, which come 10,000 a time."""
    moments, rng = Moments(), np.random.default_rng(0)
    piece = rng.normal(size=(10_000, 512))
    for _ in range(n // 10_000):
        moments.update(piece[:, :1], piece[:, 1:256], piece[:, 256:])
    return moments


def _atoms(system: Gaussian) -> Any:
    return decomposed(conditionals(system.cov, system.dims)[0])


def _bootstrapped(data: list[Any], **options: Any) -> Any:
    n, y, t, s = data
    return decompose(y, t, s, uncertainty=Bootstrap(n=n), **options)


ONE_CORE = {
    "gaussian (10,100,100), covariance to atoms": Task(partial(channel, d=100), _atoms),
    "gaussian (10,100,100), decompose(confirm=False)": Task(partial(channel, d=100), partial(decompose, confirm=False)),
    "gaussian (10,100,100), certificate": Task(lambda n: conditionals(channel(n, 100).cov, (10, 100, 100))[0], bracket),
    "gaussian (10,1000,1000), covariance to atoms": Task(partial(channel, d=1000), _atoms),
    "10,000 gaussian (2,2,2)": Task(
        partial(covariances, d=6), partial(decompose_batch, dims=(2, 2, 2), confirm=False), 10_000
    ),
    "KSG, 10,000 samples of 10 + 10 columns": Task(
        normals, lambda data: mutual_information(*data, estimator="ksg"), 10_000
    ),
    "Moments, 1,000,000 x 512": Task(lambda n: n, streamed, 1_000_000),
}
"""CPU time only."""

BATCHES = {
    "10,000 broja (10,10,10)": Task(tables, decompose_batch, 10_000, 20),
    "1,000 bootstrap resamples of (10,10,10)": Task(looks, _bootstrapped, 1_000, 4),
    "10,000 gaussian (16,24,24)": Task(
        partial(covariances, d=64), partial(decompose_batch, dims=(16, 24, 24)), 10_000, 20
    ),
}
"""CPU time of one core, and time of an accelerator."""


def lines(device: str = "cpu", scale: float = 1.0) -> Iterator[str]:
    """The table, a line at a time; ``scale`` shrinks every task."""
    for name, task in ONE_CORE.items() if device == "cpu" else ():
        data = task.make(max(1, round(task.n * scale)))
        yield f"{name:<50} {1e3 * _seconds(time.process_time, task.run, data):>10.2f} ms"
    for name, task in BATCHES.items():
        n = max(2, round(task.n * scale))
        n_core = n if device == "cpu" else max(2, n // task.share)
        core = _seconds(time.process_time, task.run, task.make(n_core), repeats=1) * n / n_core
        line = f"{name:<50} {core:>10.2f} s on one core"
        if device != "cpu":
            task.run(task.make(2), device=device)
            data = task.make(n)
            there = _seconds(time.perf_counter, partial(task.run, device=device), data)
            found = task.run(data, device=device)
            left = getattr(found, "finished_on_cpu", None)
            left = found.provenance["resamples_finished_on_cpu"] if left is None else left
            line += f", {there:.2f} s on {device}: {core / there:.1f} times faster, {left} of {n} finished on the CPU"
        yield line


def _seconds(clock: Callable[[], float], run: Callable[[Any], Any], data: Any, repeats: int = 3) -> float:
    """The least of some runs, in one thread."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    taken = []
    with threadpool_limits(1):
        for _ in range(repeats):
            started = clock()
            run(data)
            taken.append(clock() - started)
            if taken[-1] > 5:
                break
    return min(taken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--scale", type=float, default=1.0, help="share of each size")
    arguments = parser.parse_args()
    for line in lines(arguments.device, arguments.scale):
        print(line, flush=True)
