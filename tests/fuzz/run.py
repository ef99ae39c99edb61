"""Damaged files, wrong arguments and adversarial tables: ``python tests/fuzz/run.py --seed 0 --minutes 5``.

Every case is drawn from the seed, its area and its number, and runs in a process of its own with limits of time and
memory, so that any one can be repeated: ``python tests/fuzz/run.py --area files --first 417 --cases 1``.
Areas are the other modules of this folder; each has ``attempt(rng, folder)``, which returns the outcome of a case.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import importlib
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

AREAS = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "run")

SECONDS = 30
"""After which a case counts as one that hangs."""

MEGABYTES = 600
"""What a case may take beyond what its process had before: a budget of 100 MB for reading, and 500 MB."""

WARM = (
    *("torch", "h5py", "zarr", "zarr.codecs", "safetensors.numpy", "yaml", "sklearn.cluster", "joblib"),
    *("pidkd.distill", "pidkd.distill.data.idx", "pidkd.benchmarks.record", "pidkd.audits.auditing"),
)
"""What cases import."""

FINE = ("right", "refused", "read, without a check sum", "certified")
"""Outcomes that are no fault."""


def outcome_of(attempt: Callable[[random.Random, Path], str], rng: random.Random, folder: Path) -> dict[str, Any]:
    """Outcome of a case, in the process that runs it."""
    from pidkd.errors import PidkdError

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    text = ""
    try:
        outcome = attempt(rng, folder)
    except PidkdError as error:
        text = str(error)
        outcome = "refused" if "\n" not in text and len(text) < 2000 else "message of several lines"
    except AssertionError as error:
        outcome, text = f"wrong: {error}", traceback.format_exc()
    except BaseException as error:
        outcome, text = f"traceback: {type(error).__name__}", traceback.format_exc()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if grown > MEGABYTES:
        outcome, text = "memory", f"{grown:.0f} MB; {outcome} {text}"
    return {"outcome": outcome, "text": text}


def run_case(area: str, seed: int, number: int) -> dict[str, Any]:
    """Outcome of a case, which a process of its own runs."""
    attempt = importlib.import_module(area).attempt
    for name in WARM:  # once, and not in each process anew
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    folder = Path(tempfile.mkdtemp(prefix="pidkd-fuzz-"))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        result = outcome_of(attempt, random.Random(f"{seed} {area} {number}"), folder)
        os.write(writing, json.dumps(result)[:60000].encode())
        os._exit(0)
    os.close(writing)
    try:
        return _result(reading, child)
    finally:
        os.close(reading)
        shutil.rmtree(folder, ignore_errors=True)


def _result(reading: int, child: int) -> dict[str, Any]:
    content, until = b"", time.monotonic() + SECONDS
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, until - time.monotonic()))
        piece = os.read(reading, 65536) if ready else b""
        content += piece
        if not piece:
            break
    if not ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not ready:
        return {"outcome": "hang", "text": ""}
    if not content:
        return {"outcome": f"crash: {signal.Signals(os.WTERMSIG(status)).name}" if status & 127 else "exit", "text": ""}
    result: dict[str, Any] = json.loads(content)
    return result


def main() -> int:
    """Run cases, print the outcomes by area, and return 1 where one is a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--area", action="append", choices=AREAS, help="one or several; all unless given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--cases", type=int, help="cases of each area; as many as the minutes allow unless given")
    parser.add_argument("--minutes", type=float, default=5.0, help="for all areas together, where no cases are given")
    parser.add_argument("--show", type=int, default=3, help="faults of each kind that are shown")
    arguments = parser.parse_args()
    areas = arguments.area or AREAS
    faults = 0
    for area in areas:
        started, counts = time.monotonic(), collections.Counter[str]()
        number = arguments.first
        shown: collections.Counter[str] = collections.Counter()
        while (
            number - arguments.first < arguments.cases
            if arguments.cases
            else time.monotonic() - started < 60 * arguments.minutes / len(areas)
        ):
            result = run_case(area, arguments.seed, number)
            counts[result["outcome"]] += 1
            shown[result["outcome"]] += 1
            if result["outcome"] not in FINE and shown[result["outcome"]] <= arguments.show:
                print(f"--- {area}, seed {arguments.seed}, case {number}: {result['outcome']}\n{result['text']}")
            number += 1
        seconds = time.monotonic() - started
        print(f"{area}: {number - arguments.first} cases from seed {arguments.seed}, {seconds:.0f} s")
        for outcome, count in counts.most_common():
            print(f"  {count:7,}  {outcome}")
            faults += count * (outcome not in FINE)
    print(f"faults: {faults}")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
