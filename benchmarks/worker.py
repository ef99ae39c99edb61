"""One solver on one problem, in a process of its own: ``python -m pidkd.benchmarks.worker <job.json>``.

The job names the solver, the file of tables, how often to repeat, and the file that receives the measurement.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pidkd.benchmarks.peers import Answer, get_solver
from pidkd.errors import MissingDependencyError, PidkdWarning
from pidkd.inputs import Pmf
from pidkd.synthetic import random_pmf

CERTIFIED = 1e-9
"""Gap in bits up to which a table counts as certified."""

STEADY_SECONDS, STEADY_RUNS = 0.5, 50
"""A solver is run so long, or so often, before its median is believed."""


def save_tables(path: Path, tables: Sequence[Pmf]) -> None:
    """Write tables of any shapes to one ``.npz``."""
    shapes = np.array([table.shape for table in tables])
    np.savez(path, shapes=shapes, masses=np.concatenate([table.p.ravel() for table in tables]))


def load_tables(path: Path) -> list[Pmf]:
    """Read what ``save_tables`` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        shapes, masses = stored["shapes"], stored["masses"]
    pieces = np.split(masses, np.cumsum(shapes.prod(axis=1))[:-1])
    return [Pmf(piece.reshape(shape)) for piece, shape in zip(pieces, shapes, strict=True)]


def measure(solver_name: str, tables: Sequence[Pmf], repeats: int, seconds: float) -> dict[str, Any]:
    """Medians over up to ``repeats`` runs, of which none starts after ``seconds``.

    A small table is solved before the first run, so that no run pays for imports. What takes milliseconds is run
    more often than that, because the first runs find caches cold.
    """
    solve = get_solver(solver_name)
    solve([random_pmf((2, 2, 2))])
    base = peak_memory()
    cpu: list[float] = []
    wall: list[float] = []
    inside: list[float] = []
    answers: list[Answer] = []
    while not cpu or (sum(wall) < seconds and len(cpu) < (STEADY_RUNS if sum(wall) < STEADY_SECONDS else repeats)):
        cpu_started, wall_started = time.process_time(), time.perf_counter()
        answers = solve(tables)
        cpu.append(time.process_time() - cpu_started)
        wall.append(time.perf_counter() - wall_started)
        inside.append(math.fsum(answer.seconds or 0.0 for answer in answers))
    gaps = [answer.gap for answer in answers]
    iterations = [answer.iterations for answer in answers if answer.iterations is not None]
    solved = [answer for answer in answers if np.isfinite(answer.gap)]
    worst = max(answers, key=lambda answer: answer.gap)
    return {
        "status": "solved" if len(solved) == len(answers) else "failed",
        "message": worst.status,
        "certified": sum(gap <= CERTIFIED for gap in gaps),
        "failed": len(answers) - len(solved),
        "gap": max((answer.gap for answer in solved), default=None),
        "cpu_seconds": statistics.median(cpu),
        "wall_seconds": statistics.median(wall),
        "solver_seconds": statistics.median(inside) or None,
        "iterations": statistics.fmean(iterations) if iterations else None,
        "repeats": len(cpu),
        "peak_mb": peak_memory() / 2**20,
        "base_mb": base / 2**20,
    }


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


def main(job_file: str) -> None:
    """Do the job, and write the measurement or why there is none."""
    job = json.loads(Path(job_file).read_text())
    warnings.simplefilter("ignore", PidkdWarning)  # the measurement says how well each table is certified
    try:
        measured = measure(job["solver"], load_tables(Path(job["tables"])), job["repeats"], job["seconds"])
    except MissingDependencyError as error:
        measured = {"status": "skipped", "message": str(error)}
    except MemoryError as error:
        measured = {"status": "failed", "message": f"MemoryError: {error}"}
    Path(job["output"]).write_text(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1])
