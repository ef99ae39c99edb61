"""Problems times solvers, each pair in a process of its own, with a time limit and one thread."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path
from typing import Any

from pidkd.benchmarks.peers import list_solvers
from pidkd.benchmarks.problems import SIZES, Size, get_family
from pidkd.benchmarks.worker import save_tables
from pidkd.errors import InputError, UnknownNameError
from pidkd.inputs import Pmf

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS"), "1"
)
PACKAGES = ("pidkd", "numpy", "scipy", "cvxpy", "clarabel", "ecos", "scs", "dit")
REPEATING_SECONDS = 5.0
"""No run is repeated beyond this time: what takes long needs no median."""


@dataclass(frozen=True)
class Row:
    """One solver on one problem.

    Parameters
    ----------
    family, problem, solver : str
    n_tables : int
    status : str
        ``solved`` (every table has a finite certified gap), ``failed``, ``crashed``, ``time limit`` or ``skipped``.
    message : str
        The solver's words about the table it did worst on, or why there is no measurement.
    certified, failed : int
        Tables with a gap of at most 1e-9 bits, and tables without any.
    gap : float, optional
        Largest certified gap in bits, on the table as given, among the tables that have one.
    cpu_seconds, wall_seconds : float, optional
        For all tables together, model building and certificate included; medians over ``repeats``.
    solver_seconds : float, optional
        The solver's own account, without model building.
    iterations : float, optional
        Mean over tables.
    repeats : int
    peak_mb, base_mb : float, optional
        Most memory of the process, and what it was before the first run.
    """

    family: str
    problem: str
    solver: str
    n_tables: int
    status: str
    message: str
    certified: int = 0
    failed: int = 0
    gap: float | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    solver_seconds: float | None = None
    iterations: float | None = None
    repeats: int = 0
    peak_mb: float | None = None
    base_mb: float | None = None


def run_benchmark(
    family: str,
    *,
    solvers: Sequence[str] | None = None,
    sizes: Size = "small",
    time_limit: float = 60.0,
    repeats: int = 5,
    progress: Callable[[float, str], None] | None = None,
) -> list[Row]:
    """Run every solver on every problem of a family, up to a size.

    Parameters
    ----------
    family : str
        A module of ``benchmarks/problems``, such as "broja" or "robust".
    solvers : sequence of str, optional
        Names or patterns of solvers (``conic-*``), or ``package.module:callable``; by default those that the family
        names.
    sizes : {"small", "medium", "large"}
        The largest size; smaller ones are included.
    time_limit : float, default 60
        Seconds for each process. A solver that ran out of them is not started on what is larger still.
    repeats : int, default 5
        Runs whose median is taken; fewer where they take more than some seconds.
    progress : callable, optional
        Called with the fraction done and what runs next.

    Returns
    -------
    list of Row
        A solver that hangs, crashes or is not installed is a row that says so.

    Raises
    ------
    UnknownNameError
        When the family, the size or a solver is unknown.
    InputError
        When the limit or the repeats are not positive.
    """
    module = get_family(family)
    if sizes not in SIZES:
        raise UnknownNameError("bench --sizes", "a size", sizes, SIZES)
    if not time_limit > 0:
        raise InputError("bench --time-limit", "seconds > 0", repr(time_limit))
    if repeats < 1:
        raise InputError("bench --repeats", "a whole number >= 1", repr(repeats))
    chosen = _choose(module.SOLVERS if solvers is None else solvers)
    problems = [problem for problem in module.PROBLEMS if SIZES.index(problem.size) <= SIZES.index(sizes)]
    rows: list[Row] = []
    out_of_time: dict[str, tuple[int, str]] = {}
    with tempfile.TemporaryDirectory(prefix="pidkd-bench-") as folder:
        for i, problem in enumerate(problems):
            tables = problem.make()
            stored = Path(folder) / "tables.npz"
            save_tables(stored, tables)
            n_cells = sum(_n_cells(table) for table in tables)
            for j, solver in enumerate(chosen):
                if progress is not None:
                    progress((i * len(chosen) + j) / (len(problems) * len(chosen)), f"{problem.name}, {solver}")
                found: dict[str, Any]
                if solver in out_of_time and n_cells >= out_of_time[solver][0]:
                    found = {"status": "skipped", "message": f"ran out of time on {out_of_time[solver][1]}"}
                else:
                    found = _run(solver, stored, time_limit, repeats)
                if found["status"] == "time limit":
                    out_of_time[solver] = n_cells, problem.name
                rows.append(Row(family, problem.name, solver, len(tables), **found))
    if progress is not None:
        progress(1.0, "done")
    return rows


def _n_cells(table: Pmf) -> int:
    """Cells that a plan may use: of every class, those of T times those of S."""
    used_t, used_s = ((table.p.sum(axis=axis) > 0).sum(axis=1) for axis in (2, 1))
    return int((used_t * used_s).sum())


def _choose(patterns: Sequence[str]) -> list[str]:
    """Names of solvers that match, in the order of the patterns."""
    known = list_solvers()
    chosen: dict[str, None] = {}
    for pattern in patterns:
        matches = [pattern] if ":" in pattern else [name for name in known if fnmatchcase(name, pattern)]
        if not matches:
            raise UnknownNameError("bench --solver", "a solver or a pattern of names", pattern, known)
        chosen |= dict.fromkeys(matches)
    return list(chosen)


def _run(solver: str, tables: Path, time_limit: float, repeats: int) -> dict[str, Any]:
    """The measurement of one process, or what became of it."""
    job, output = tables.with_name("job.json"), tables.with_name("output.json")
    output.unlink(missing_ok=True)
    seconds = min(REPEATING_SECONDS, time_limit / 2)
    asked = {"solver": solver, "tables": str(tables), "output": str(output), "repeats": repeats, "seconds": seconds}
    job.write_text(json.dumps(asked))
    command = [sys.executable, "-m", "pidkd.benchmarks.worker", str(job)]
    try:
        ended = subprocess.run(
            command, timeout=time_limit, env=os.environ | ONE_THREAD, capture_output=True, text=True, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return {"status": "time limit", "message": f"stopped after {time_limit:g} s"}
    if ended.returncode or not output.exists():
        return {"status": "crashed", "message": _last_words(ended)}
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def _last_words(ended: subprocess.CompletedProcess[str]) -> str:
    said = ended.stderr.strip().splitlines() or ["nothing on stderr"]
    code = ended.returncode
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    return f"{how}: {said[-1]}"


def environment() -> dict[str, Any]:
    """Versions and machine, for the head of a record."""
    installed: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed[package] = None
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "threads": 1,
        "versions": installed,
    }


def _processor() -> str:
    description = Path("/proc/cpuinfo")
    if description.exists():
        for line in description.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def json_lines(rows: Iterable[Row]) -> Iterator[str]:
    """A record: one line for the environment, then one for each row."""
    yield json.dumps(environment())
    for row in rows:
        yield json.dumps(dataclasses.asdict(row))
