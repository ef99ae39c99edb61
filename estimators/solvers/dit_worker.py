"""A process of its own in which dit computes, so that it can be stopped at any moment.

Run as a script it answers requests, one line of JSON each, until its input ends. The process is kept between requests,
because importing dit takes longer than most of its measures.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from typing import Any


class Worker:
    """The process, started when it is first asked and again after it was stopped."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0
        self._lock = threading.Lock()
        atexit.register(self.close)

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Answer of dit: ``atoms``, or an ``error`` in words. Starting does not count towards the time."""
        with self._lock:
            process = self._started()
            stopped = threading.Event()

            def stop() -> None:
                stopped.set()
                process.kill()

            timer = threading.Timer(seconds, stop)
            timer.start()
            try:
                line = self._exchange(process, request)
            finally:
                timer.cancel()
            if line:
                answer: dict[str, Any] = json.loads(line)
                return answer
            self.close()
            if stopped.is_set():
                return {"error": f"stopped after time_limit={seconds:g} seconds; raise it, or take a smaller table"}
            return {"error": f"dit's process ended with status {process.returncode}, perhaps for lack of memory"}

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _exchange(self, process: subprocess.Popen[str], request: dict[str, Any]) -> str:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process has no pipes")
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            return process.stdout.readline()
        except OSError:  # it has ended
            return ""

    def _started(self) -> subprocess.Popen[str]:
        if self._owner != os.getpid():  # after a fork the process belongs to the parent
            self._process, self._owner = None, os.getpid()
        if self._process is None or self._process.poll() is not None:
            # By its path: it needs nothing of pidkd. With -P the modules beside it hide none of dit's.
            self._process = subprocess.Popen(  # noqa: S603 (this file, by this interpreter)
                [sys.executable, "-P", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
            self._exchange(self._process, {})  # returns when dit is imported
        return self._process


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The atoms of one measure on one table, in bits; runs inside the process.

    An outcome is (x_1, ..., x_n, y): the target comes last, because some of dit's measures take the last variable for
    it whatever they are told. "nodes" are the antichains whose atoms are wanted.
    """
    import random

    import dit.pid
    import numpy as np

    if not request:
        return {}
    random.seed(request["seed"])
    np.random.seed(request["seed"])  # noqa: NPY002 (what dit draws from)
    outcomes = [tuple(map(str, outcome)) for outcome in request["outcomes"]]
    n_sources = len(outcomes[0]) - 1
    nodes = [tuple(map(tuple, node)) for node in request["nodes"]]
    try:
        distribution = dit.Distribution(outcomes, request["masses"])
        decomposition = getattr(dit.pid, request["class"])(distribution, [[i] for i in range(n_sources)], [n_sources])
        return {"atoms": [float(decomposition[node]) for node in nodes]}
    except Exception as error:  # whatever dit may raise
        return {"error": f"dit raised {type(error).__name__}: {error}".splitlines()[0][:200]}


def serve() -> None:
    """Answer until the input ends. What dit prints goes nowhere."""
    import warnings

    warnings.simplefilter("ignore")
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as replies:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            replies.write(json.dumps(answer(json.loads(line))) + "\n")
            replies.flush()


if __name__ == "__main__":
    serve()
