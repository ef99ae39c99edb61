"""Damaged files, wrong arguments and adversarial tables: ``python tests/fuzz/run.py --seed 0 --minutes 5``.

Every case is drawn from the seed, its area and its number, so that any one can be repeated:
``python tests/fuzz/run.py --area files --first 417 --cases 1``. A process runs many of them, with limits of time and
memory for each; what ends it, or has to be ended, is a case's outcome, and another process goes on with the next.
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).parent))

AREAS = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "run")

SECONDS = 30
"""After which a case counts as one that hangs."""

MEGABYTES = 600
"""What a case may take beyond what its process had before: a budget of 100 MB for reading, and 500 MB."""

TOGETHER = 100
"""Cases of a process: forking and the threads of zarr take longer than most of them."""

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

    before, text = peak(), ""
    try:
        outcome = attempt(rng, folder)
    except PidkdError as error:
        text = str(error)
        outcome = "refused" if "\n" not in text and len(text) < 2000 else "message of several lines"
    except AssertionError as error:
        outcome, text = f"wrong: {error}", traceback.format_exc()
    except BaseException as error:
        outcome, text = f"traceback: {type(error).__name__}", traceback.format_exc()
    if (grown := peak(reset=False) - before) > MEGABYTES:
        outcome, text = "memory", f"{grown:.0f} MB; {outcome} {text}"
    return {"outcome": outcome, "text": text[-5000:]}


def peak(reset: bool = True) -> float:
    """Most megabytes of this process, counted anew where the system can."""
    if reset:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    with contextlib.suppress(OSError):
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_cases(area: str, seed: int, first: int, cases: int) -> Iterator[dict[str, Any]]:
    """Outcomes of cases in their order, by processes that each run some."""
    attempt = importlib.import_module(area).attempt
    for name in WARM:  # once, and not in each process anew
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    number, stop = first, first + cases
    while number < stop:
        with tempfile.TemporaryDirectory(prefix="pidkd-fuzz-", ignore_cleanup_errors=True) as folder:
            together = min(stop, number + TOGETHER)
            for result in _outcomes(attempt, [f"{seed} {area} {i}" for i in range(number, together)], Path(folder)):
                yield result
                number += 1


def _outcomes(
    attempt: Callable[[random.Random, Path], str], seeds: list[str], folder: Path
) -> Iterator[dict[str, Any]]:
    """Outcomes of the cases of one process, up to the one that ends it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _attempt_all(attempt, seeds, folder, writing)
    os.close(writing)
    lines, has_ended, until, done = b"", False, time.monotonic() + SECONDS, 0
    try:
        while done < len(seeds) and not has_ended and time.monotonic() < until:
            if select.select([reading], [], [], max(0.0, until - time.monotonic()))[0]:
                has_ended = not (piece := os.read(reading, 65536))
                *whole, lines = (lines + piece).split(b"\n")
                for line in whole:
                    yield json.loads(line)
                    until, done = time.monotonic() + SECONDS, done + 1
    finally:
        os.close(reading)
        if not has_ended:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if done < len(seeds):
        how = f"crash: {signal.Signals(os.WTERMSIG(status)).name}" if status & 127 else "exit"
        yield {"outcome": how if has_ended else "hang", "text": ""}


def _attempt_all(
    attempt: Callable[[random.Random, Path], str], seeds: list[str], folder: Path, writing: int
) -> NoReturn:
    """Write the outcome of each case, a line of JSON each, and end this process."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    for number, seed in enumerate(seeds):
        place = folder / str(number)
        place.mkdir()
        result = outcome_of(attempt, random.Random(seed), place)
        shutil.rmtree(place, ignore_errors=True)
        os.write(writing, json.dumps(result).encode() + b"\n")
    os._exit(0)


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
        for result in run_cases(area, arguments.seed, number, arguments.cases or sys.maxsize // 2):
            outcome = result["outcome"]
            counts[outcome] += 1
            if outcome not in FINE and counts[outcome] <= arguments.show:
                print(f"--- {area}, seed {arguments.seed}, case {number}: {outcome}\n{result['text']}", flush=True)
            number += 1
            if not arguments.cases and time.monotonic() - started > 60 * arguments.minutes / len(areas):
                break
        seconds = time.monotonic() - started
        print(f"{area}: {number - arguments.first} cases from seed {arguments.seed}, {seconds:.0f} s")
        for outcome, count in counts.most_common():
            print(f"  {count:7,}  {outcome}")
            faults += count * (outcome not in FINE)
    print(f"faults: {faults}")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
