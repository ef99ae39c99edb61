"""Runs of a benchmark: each a process with limits, of this machine or of a worker of a cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from pidkd.benchmarks.record import environment
from pidkd.errors import InputError
from pidkd.runs.output import scratch
from pidkd.runs.pool import workers_see


class Place(Protocol):
    """Protocol of what makes the runs of a benchmark: this machine, or a cluster."""

    @property
    def n_jobs(self) -> int:
        """Runs at a time, unless another number is asked for."""

    def environment(self) -> dict[str, Any]:
        """Versions and machine, for the head of a record."""

    def measure(self, job: Mapping[str, Any], problem: Path) -> dict[str, Any]:
        """The measurement of one process, or what became of it; called by several threads."""

    def stop(self) -> None:
        """End what runs, and begin nothing more."""


class ThisMachine:
    """Processes of this machine.

    Parameters
    ----------
    folder : path
        For what goes to and comes from a process.
    variables : mapping
        Of the environment, beside those of this process.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.folder, self.variables = folder, os.environ | variables
        self.lock = threading.Lock()
        self.running: set[subprocess.Popen[str]] = set()
        self.stopped = False

    @property
    def n_jobs(self) -> int:
        """Number of runs at a time: one, as more would disturb each other's times."""
        return 1

    def environment(self) -> dict[str, Any]:
        """Versions and machine, for the head of a record."""
        return environment()

    def measure(self, job: Mapping[str, Any], problem: Path) -> dict[str, Any]:
        """The measurement of one process, or what became of it."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            Path(folder, "job.json").write_text(json.dumps({**job, "problem": str(problem), "parent": os.getpid()}))
            output = Path(folder, "output.json")
            command = [sys.executable, "-m", "pidkd.benchmarks.worker", folder]
            ended = self._ended(command, job["time_limit"])
            if ended is None:
                return {"status": "time limit", "message": f"stopped after {job['time_limit']:g} s"}
            if ended.returncode or not output.exists():
                return {"status": "crashed", "message": _last_words(ended)}
            outcome: dict[str, Any] = json.loads(output.read_text())
            return outcome

    def _ended(self, command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str] | None:
        """The process with its last words, or None if it took too long: then whatever it has started ends with it."""
        with subprocess.Popen(
            command,
            env=self.variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                with self.lock:
                    self.running.add(process)
                    if self.stopped:
                        _kill(process)
                _, errors = process.communicate(timeout=seconds)
                return subprocess.CompletedProcess(command, process.returncode, "", errors)
            except subprocess.TimeoutExpired:
                return None
            finally:
                with self.lock:
                    self.running.remove(process)
                _kill(process)

    def stop(self) -> None:
        """End what runs, and begin nothing more."""
        with self.lock:
            self.stopped = True
            for process in self.running:
                _kill(process)


class Cluster:
    """Processes of the workers of a cluster.

    Parameters
    ----------
    client : distributed.Client
    folder : path
        Of the problems, which are sent where workers do not see it.
    variables : mapping
        As of ``ThisMachine``.
    """

    def __init__(self, client: Any, folder: Path, variables: Mapping[str, str]) -> None:
        self.client, self.variables, self.by_name = client, dict(variables), workers_see(folder)
        self.stopped = threading.Event()
        self.futures: set[Any] = set()

    @property
    def n_jobs(self) -> int:
        """Number of runs at a time: one for each thread of a worker."""
        return sum(self.client.nthreads().values())

    def environment(self) -> dict[str, Any]:
        """Versions and machine of the workers.

        Raises
        ------
        InputError
            When they are not all equal, or not of these versions.
        """
        versions = environment()["versions"]
        environments: dict[str, dict[str, Any]] = self.client.run(environment)
        first = next(iter(environments.values()))
        for worker, one in environments.items():
            different = [
                f"{name} {one['versions'].get(name)}"
                for name in versions
                if one["versions"].get(name) != versions[name]
            ]
            if different:
                raise InputError(
                    "bench --cluster",
                    "workers with the packages of this machine",
                    f"{', '.join(different)} on {worker}",
                )
            if one["processor"] != first["processor"]:
                got = f"{first['processor']} and {one['processor']}"
                raise InputError("bench --cluster", "workers of equal processors, whose times can be compared", got)
        return first

    def measure(self, job: Mapping[str, Any], problem: Path) -> dict[str, Any]:
        """The measurement of one process of a worker, or what became of it."""
        sent = problem if self.by_name else problem.read_bytes()
        future = self.client.submit(measured_there, dict(job), sent, self.variables, pure=False)
        self.futures.add(future)
        try:
            if self.stopped.is_set():
                future.cancel()
            outcome: dict[str, Any] = future.result()
            return outcome
        finally:
            self.futures.discard(future)

    def stop(self) -> None:
        """Let go of what waits; what runs ends with its time limit."""
        self.stopped.set()
        with suppress(Exception):  # a scheduler that is gone has nothing to let go of
            self.client.cancel(list(self.futures), force=True)


def measured_there(job: Mapping[str, Any], problem: Path | bytes, variables: Mapping[str, str]) -> dict[str, Any]:
    """The measurement of one process, as a worker of a cluster makes it."""
    with scratch("bench") as folder:
        if isinstance(problem, bytes):
            path = folder / "problem.pkl"
            path.write_bytes(problem)
            problem = path
        return ThisMachine(folder, variables).measure(job, problem)


def _kill(process: subprocess.Popen[str]) -> None:
    """End a process and whatever it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()


def _last_words(ended: subprocess.CompletedProcess[str]) -> str:
    stderr_lines = ended.stderr.strip().splitlines() or ["nothing on stderr"]
    code = ended.returncode
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    return f"{how}: {stderr_lines[-1]}"
