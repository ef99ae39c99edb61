"""One estimator on one problem, in a process of its own: ``python -m pidkd.benchmarks.worker <folder>``.

The folder holds ``job.json``, written by the process that started this one: what to run, how often, and in which file
the pickled problem is. ``output.json`` receives the measurement.
"""

from __future__ import annotations

import json
import math
import pickle
import re
import statistics
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from pidkd.benchmarks.peers import get_contestant
from pidkd.benchmarks.problems import Truth
from pidkd.decomposition import decompose
from pidkd.errors import IncompatibleInputError, MissingDependencyError, PidkdError, PidkdWarning
from pidkd.estimator import Estimator, PIDEstimator
from pidkd.inputs import Gaussian, Pmf
from pidkd.mi import MIEstimator, MIResult
from pidkd.resample import Method
from pidkd.result import PIDResult
from pidkd.synthetic import random_pmf

CERTIFIED = 1e-9
"""Gap in bits up to which a member counts as certified."""

STEADY_SECONDS, STEADY_RUNS = 0.5, 50
"""An estimator is run so long, or so often, before its median is believed."""

Answer = PIDResult | MIResult | Exception


def measure(
    estimator: Estimator,
    data: Sequence[Any],
    truths: Sequence[Truth] | None,
    uncertainty: Method | None,
    repeats: int,
    seconds: float,
) -> dict[str, Any]:
    """Medians over up to ``repeats`` runs, of which none starts after ``seconds``.

    A small input is solved before the first run, so that no run pays for imports. What takes milliseconds is run
    more often than that, because the first runs find caches cold.
    """
    _warm_up(estimator, data[0])
    base = peak_memory()
    cpu: list[float] = []
    wall: list[float] = []
    answers: list[Answer] = []
    while not cpu or (sum(wall) < seconds and len(cpu) < (STEADY_RUNS if sum(wall) < STEADY_SECONDS else repeats)):
        cpu_started, wall_started = time.process_time(), time.perf_counter()
        answers = _run(estimator, data, uncertainty)
        cpu.append(time.process_time() - cpu_started)
        wall.append(time.perf_counter() - wall_started)
    times = {"cpu": statistics.median(cpu), "wall": statistics.median(wall), "repeats": len(cpu)}
    memory = {"peak": peak_memory() / 2**20, "base": base / 2**20}
    return _judged(answers, truths) | times | memory


def _run(estimator: Estimator, data: Sequence[Any], uncertainty: Method | None) -> list[Answer]:
    """As one batch where the estimator has a way of its own with batches; otherwise a fault is its member's alone."""
    if (
        isinstance(estimator, PIDEstimator)
        and type(estimator)._decompose_batch is not PIDEstimator._decompose_batch
        and len(data) > 1
        and uncertainty is None
    ):
        return list(estimator.decompose_batch(data))
    return [_one(estimator, item, uncertainty) for item in data]


def _one(estimator: Estimator, item: Any, uncertainty: Method | None) -> Answer:
    try:
        if isinstance(estimator, MIEstimator):
            return estimator.estimate(item)
        return decompose(item, estimator=estimator, uncertainty=uncertainty)  # type: ignore[arg-type]
    except (MissingDependencyError, IncompatibleInputError, MemoryError):
        raise
    except Exception as error:  # whatever somebody else's code may raise
        return error


def _judged(answers: Sequence[Answer], truths: Sequence[Truth] | None) -> dict[str, Any]:
    """How good the answers are, and what they say of the effort."""
    solved = {i: answer for i, answer in enumerate(answers) if not isinstance(answer, Exception) and _finite(answer)}
    faults = [answer for i, answer in enumerate(answers) if i not in solved]
    found: dict[str, Any] = {
        "status": "solved" if not faults else "failed",
        "members": len(answers),
        "failed": len(faults),
        "message": f"{type(faults[0]).__name__}: {faults[0]}".splitlines()[0][:300] if faults else "",
    }
    if not solved:
        return found
    certificates = [answer.certificate for answer in solved.values() if isinstance(answer, PIDResult)]
    proven = [one for one in certificates if math.isfinite(one.gap)]
    if proven:
        worst = max(proven, key=lambda one: one.gap)
        found |= {"gap": worst.gap, "certified": sum(one.gap <= CERTIFIED for one in proven)}
        found["message"] = found["message"] or f"{worst.status}: {worst.message}"
        for name, pattern in (("iterations", r"(\d+) iterations"), ("solver", r"([\d.e+-]+) s in the solver")):
            said = [float(hit[1]) for one in certificates if (hit := re.search(pattern, one.message))]
            if said:
                found[name] = statistics.fmean(said) if name == "iterations" else math.fsum(said)
    values = {i: _values(answer) for i, answer in solved.items()}
    names = list(next(iter(values.values())))
    found["estimate"] = {name: statistics.fmean(value[name] for value in values.values()) for name in names}
    if truths is None:
        return found
    off = np.array([[value[name] - truths[i][name] for name in names] for i, value in values.items()])
    largest = np.abs(off).max(axis=1)
    found |= {"error": float(largest.mean()), "worst": float(largest.max())}
    found["bias"] = dict(zip(names, off.mean(axis=0).tolist(), strict=True))
    if all(answer.interval is not None for answer in solved.values()):
        found["covered"] = {
            name: statistics.fmean(_covers(answer, name, truths[i][name]) for i, answer in solved.items())
            for name in names
        }
    return found


def _values(answer: PIDResult | MIResult) -> dict[str, float]:
    return {"mi": answer.value} if isinstance(answer, MIResult) else dict(answer.atoms)


def _finite(answer: PIDResult | MIResult) -> bool:
    return all(map(math.isfinite, _values(answer).values()))


def _covers(answer: PIDResult | MIResult, name: str, truth: float) -> bool:
    """Whether the interval holds the truth; a true zero is known to the certified gap only."""
    held: Any = answer.interval
    low, high = held if isinstance(answer, MIResult) else held[name]
    return bool(low <= truth + CERTIFIED and truth - CERTIFIED <= high)


def _warm_up(estimator: Estimator, like: Any) -> None:
    """Load what the estimator loads; where training is part of it, the first run does."""
    small = {Pmf: random_pmf((2, 2, 2)), Gaussian: Gaussian(np.eye(3) + 1.0, (1, 1, 1))}.get(type(like))
    if small is not None:
        with suppress(PidkdError):
            _one(estimator, small, None)


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
    warnings.simplefilter("ignore", PidkdWarning)  # the measurement says how good each answer is
    try:
        with Path(job["problem"]).open("rb") as stream:
            data, truths, uncertainty = pickle.load(stream)  # noqa: S301 (written by the process that started this one)
        estimator = get_contestant(job["estimator"], job["kind"])
        measured = measure(estimator, data, truths, uncertainty, job["repeats"], job["seconds"])
    except (MissingDependencyError, IncompatibleInputError) as error:
        measured = {"status": "skipped", "message": str(error)}
    except MemoryError as error:
        limit = f"more than {job['memory_limit']:g} MB"
        measured = {"status": "memory limit", "message": f"{limit} {error}".strip()}
    Path(folder, "output.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1])
