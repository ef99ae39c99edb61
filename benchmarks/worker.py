"""One estimator on one problem, in a process of its own: ``python -m pidkd.benchmarks.worker <folder>``.

The folder holds ``job.json``, written by the process that started this one: what to run, how often, and in which file
the pickled problem is. ``output.json`` receives the measurement.
"""

from __future__ import annotations

import json
import math
import pickle
import signal
import statistics
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from pidkd.benchmarks.problems import Truth, get_family
from pidkd.benchmarks.scoring import Answers, Result, judged
from pidkd.benchmarks.selection import find_estimator, parse
from pidkd.decomposition import decompose
from pidkd.errors import IncompatibleInputError, MissingDependencyError, PidkdError, PidkdWarning
from pidkd.estimator import Context, Estimator, cuda_is_there
from pidkd.inputs import Gaussian, Pmf
from pidkd.mi import MIEstimator
from pidkd.parent import end_with_parent
from pidkd.pid import PIDEstimator
from pidkd.synthetic import random_pmf
from pidkd.uncertainty import Method

STEADY_SECONDS, STEADY_RUNS = 0.5, 50
"""An estimator is run so long, or so often, before its median is believed."""


def measure(
    estimator: Estimator,
    data: Sequence[Any],
    truths: Sequence[Truth] | None,
    uncertainty: Method | None,
    device: str,
    repeats: int,
    seconds: float,
) -> dict[str, Any]:
    """Medians over up to ``repeats`` runs, of which none starts after ``seconds``.

    A small input is solved before the first run, so that no run pays for imports. What takes milliseconds is run
    more often than that, because the first runs find caches cold.
    """
    _warm_up(estimator, data[0], device)
    base = peak_memory()
    cpu: list[float] = []
    wall: list[float] = []
    answers: Answers = []
    while not cpu or (sum(wall) < seconds and len(cpu) < (STEADY_RUNS if sum(wall) < STEADY_SECONDS else repeats)):
        cpu_started, wall_started = time.process_time(), time.perf_counter()
        answers = _run(estimator, data, uncertainty, device)
        cpu.append(time.process_time() - cpu_started)
        wall.append(time.perf_counter() - wall_started)
    scores = judged(answers, truths)
    if scores["failed"] == scores["members"]:  # how long it took to fail is no time to compare with
        return scores
    times = {"cpu": statistics.median(cpu), "wall": statistics.median(wall), "repeats": len(cpu)}
    memory = {"peak": peak_memory() / 2**20, "base": base / 2**20}
    return scores | times | memory


def _run(estimator: Estimator, data: Sequence[Any], uncertainty: Method | None, device: str) -> Answers:
    """Run as one batch where the estimator has its own batch method; otherwise a fault is its member's alone."""
    if (
        isinstance(estimator, PIDEstimator)
        and type(estimator)._decompose_batch is not PIDEstimator._decompose_batch
        and len(data) > 1
        and uncertainty is None
    ):
        return estimator.decompose_batch(data, ctx=Context(device=device))
    return [_one(estimator, item, uncertainty, device) for item in data]


def _one(estimator: Estimator, item: Any, uncertainty: Method | None, device: str) -> Result | Exception:
    try:
        if isinstance(estimator, MIEstimator):
            return estimator.estimate(item, ctx=Context(device=device))
        return decompose(item, estimator=estimator, uncertainty=uncertainty, device=device)  # type: ignore[arg-type]
    except (MissingDependencyError, IncompatibleInputError, MemoryError):
        raise
    except Exception as error:  # whatever somebody else's code may raise
        return error


def _warm_up(estimator: Estimator, like: Any, device: str) -> None:
    """Load what the estimator loads; where training is part of it, the first run does."""
    small = {Pmf: random_pmf((2, 2, 2)), Gaussian: Gaussian(np.eye(3) + 1.0, (1, 1, 1))}.get(type(like))
    if small is not None:
        with suppress(PidkdError):
            _run(estimator, [small, small], None, device)


def peak_memory() -> int:
    """Most bytes that this process has held.

    Linux's getrusage also counts what the parent held before it started this program; its status file does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def _limit_memory(megabytes: float) -> None:
    """Beyond this an allocation fails; where the system has no such limit, there is none."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (int(megabytes * 2**20), resource.RLIM_INFINITY))


def main(folder: str) -> None:
    """Do the job, and write the measurement or why there is none."""
    job = json.loads(Path(folder, "job.json").read_text())
    _limit_memory(job["memory_limit"])
    end_with_parent(job["parent"])
    if hasattr(signal, "alarm"):  # should this process hang in a way that its parent cannot end
        signal.alarm(math.ceil(job["time_limit"]) + 5)
    warnings.simplefilter("ignore", PidkdWarning)  # the measurement says how good each answer is
    try:
        with Path(job["problem"]).open("rb") as stream:
            data, truths, uncertainty = pickle.load(stream)  # noqa: S301 (written by the process that started this one)
        family, asked = get_family(job["family"]), job["estimator"]
        name, _, device = parse(asked)
        if device == "cuda" and not cuda_is_there():
            raise MissingDependencyError("torch finds no accelerator")
        if family.measure is not None:
            measured = family.measure(name, data, device) | {"peak": peak_memory() / 2**20}
        else:
            estimator = find_estimator(asked, family.kind, data[0])
            measured = measure(estimator, data, truths, uncertainty, device, job["repeats"], job["seconds"])
    except (MissingDependencyError, IncompatibleInputError) as error:
        measured = {"status": "skipped", "message": str(error)}
    except MemoryError as error:
        limit = f"more than {job['memory_limit']:g} MB"
        measured = {"status": "memory limit", "message": f"{limit} {error}".strip()}
    Path(folder, "output.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1])
