"""Runs that are killed at random moments, or two at once into one place: ``python tests/kills/run.py --trials 5``.

Each trial starts a command in a session of its own, sends a signal after a random part of the time that a whole run
takes, counts what still lives after five seconds, goes on with the same command, and compares what it has made with
what a run that nothing stopped has made: weights, atoms, rows and arrays, to the bit. ``--pairs`` starts two of each
command at once: nothing may be lost, and the one that is refused has to say who holds the place.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MARK = "PIDKD_KILLS"
"""Environment variable by which the processes of a trial are found, whatever became of their parents."""

LAUNCHER = "torch.distributed.run"

PIDKD = (sys.executable, "-m", "pidkd")
TRAIN = (
    *("train", "digits-rid", "recipe.epochs=3", "teacher.recipe.epochs=2", "audit.layers=none", "strict=true"),
    *("data.samples_per_class=10", "teacher.samples_per_class=10", "--methods", "rid", "--seeds", "0"),
)
TIMES = (
    "seconds",
    "cpu",
    "cpu_seconds",
    "wall",
    "memory",
    "peak",
    "created",
    "time",
    "times",
    "note",
    "git",
    "started",
    "date",
    "base",
    "repeats",
)


@dataclass(frozen=True)
class Command:
    """A command that is killed: its words, those that go on with it, and the digest of what it makes."""

    words: tuple[str, ...]
    again: tuple[str, ...]
    digest: Callable[[Path], str]


def untimed(data: Any) -> Any:
    """The same data without what differs from run to run: times, memory, and where it was made."""
    if isinstance(data, dict):
        return {key: untimed(value) for key, value in data.items() if not any(word in key for word in TIMES)}
    return [untimed(value) for value in data] if isinstance(data, list) else data


def of_json(*names: str) -> Callable[[Path], str]:
    """Digest of JSON files, or of files of lines of JSON, in any order of lines."""

    def digest(out: Path) -> str:
        texts = []
        for name in names:
            lines = (out / name).read_text().splitlines()
            parsed = [json.loads(line) for line in lines] if name.endswith("l") else [json.loads("\n".join(lines))]
            texts.append(sorted(json.dumps(untimed(one), sort_keys=True) for one in parsed))
        return hashlib.sha256(json.dumps(texts).encode()).hexdigest()

    return digest


def of_arrays(out: Path) -> str:
    """Digest of all arrays of the shards."""
    digest = hashlib.sha256()
    for path in sorted(out.glob("shard-*.npz")):
        with np.load(path) as arrays:
            for name in sorted(arrays.files):
                digest.update(f"{path.name} {name} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return digest.hexdigest()


def of_weights(out: Path) -> str:
    """Digest of all weights that were trained."""
    import torch

    digest = hashlib.sha256()
    for path in sorted(out.rglob("student.pt")):
        digest.update(str(path.relative_to(out)).encode())
        for name, value in sorted(torch.load(path, weights_only=True).items()):
            digest.update(name.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def commands(place: Path) -> dict[str, Command]:
    """Commands by name; ``OUT`` in their words is the place of a trial."""
    rng = np.random.default_rng(0)
    y = np.arange(3000) * 7 % 5
    layers = {f"h{i}": (rng.normal(size=(3000, 20)) + y[:, None] * i).astype(np.float32) for i in range(3)}
    np.save(place / "y.npy", y)
    np.savez(place / "t.npz", **layers)
    np.savez(place / "s.npz", **{name: values[:, :10] for name, values in layers.items()})
    files = [str(place / name) for name in ("y.npy", "t.npz", "s.npz")]
    audit = (
        *(*PIDKD, "audit", "--labels", files[0], "--teacher", files[1], "--student", files[2], "--quantize"),
        *("pca=5,kmeans=8", "--all-pairs", "--shuffles", "10", "-o", "OUT"),
    )
    capture = (*PIDKD, "capture", "digits-rid", "-o", "OUT", "--part", "train", "--shard-size", "100")
    bench = (
        *PIDKD,
        "bench",
        "gates",
        "--sizes",
        "tiny",
        "--repeats",
        "1",
        "--estimator",
        "broja",
        "--estimator",
        "mmi",
    )
    ranks = (sys.executable, "-m", LAUNCHER, "--standalone", "--nproc-per-node", "2", "-m", "pidkd")
    return {
        "audit": Command(audit, ("--force",), of_json("audit.json")),
        "audit, 2 jobs": Command((*audit, "--jobs", "2"), ("--force",), of_json("audit.json")),
        "train": Command((*PIDKD, *TRAIN, "-o", "OUT"), ("--resume",), of_weights),
        "train, 2 ranks": Command((*ranks, *TRAIN, "-o", "OUT"), ("--resume",), of_weights),
        "bench": Command((*bench, "-o", "OUT/record.jsonl"), (), of_json("record.jsonl")),
        "capture": Command(capture, ("--resume",), of_arrays),
    }


@dataclass
class Started:
    """A command that runs."""

    process: subprocess.Popen[bytes]
    mark: str
    log: Path

    @property
    def living(self) -> list[int]:
        """Processes of it that live."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                ours = f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0")
                if ours and (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def end(self) -> int:
        """Wait for its end, a quarter of an hour at most; its exit status."""
        try:
            return self.process.wait(900)
        finally:
            for number in self.living:
                os.kill(number, signal.SIGKILL)


def start(words: tuple[str, ...], place: Path, out: Path) -> Started:
    """Start a command in a session and with temporary files of its own."""
    mark, log = uuid.uuid4().hex, place / f"{uuid.uuid4().hex}.log"
    (place / "tmp").mkdir(exist_ok=True)
    environ = {**os.environ, MARK: mark, "TMPDIR": str(place / "tmp"), "OMP_NUM_THREADS": "1"}
    told = [word.replace("OUT", str(out)) if word.startswith("OUT") else word for word in words]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            told, stdout=subprocess.DEVNULL, stderr=stream, env=environ, start_new_session=True, cwd=place
        )
    return Started(process, mark, log)


def leftovers(place: Path, out: Path) -> list[str]:
    """Unfinished files and folders that are still there; locks of runs that ended well are removed by them."""
    inside = [path.name for path in out.rglob(".pidkd-*")] if out.exists() else []
    return inside + [path.name for path in (place / "tmp").glob(".pidkd-*")]


def trial(command: Command, place: Path, number: int, after: float, expected: str) -> str:
    """Outcome of one kill and what follows."""
    out = place / "out"
    run = start(command.words, place, out)
    time.sleep(after)
    if run.process.poll() is not None:
        return "ended before the kill"
    run.process.send_signal(number)
    try:
        run.process.wait(60)
    except subprocess.TimeoutExpired:
        run.end()
        return f"{signal.Signals(number).name}: lives after a minute"
    until = time.monotonic() + 5
    while run.living and time.monotonic() < until:
        time.sleep(0.2)
    if living := run.living:
        run.end()
        return f"{signal.Signals(number).name}: {len(living)} workers left after 5 s"
    said = run.log.read_text(errors="replace")
    if "Traceback" in said and LAUNCHER not in command.words:
        return f"{signal.Signals(number).name}: a traceback\n{said[-2000:]}"
    again = start((*command.words, *command.again), place, out)
    if status := again.end():
        return f"{signal.Signals(number).name}: exit {status} when it went on\n{again.log.read_text()[-2000:]}"
    if command.digest(out) != expected:
        return f"{signal.Signals(number).name}: another result"
    if left := leftovers(place, out):
        return f"{signal.Signals(number).name}: left {left[:5]}"
    return "resumed to the bit"


def pair(command: Command, place: Path, expected: str) -> str:
    """Outcome of two at once."""
    out = place / "out"
    runs = [start(command.words, place, out) for _ in range(2)]
    statuses = sorted((run.end(), run.log.read_text(errors="replace").strip()) for run in runs)
    launched = LAUNCHER in command.words  # its status is 1 whatever ended its processes, of which it says more
    if [status for status, _ in statuses] not in ([0, 1] if launched else [0, 2], [0, 0]):
        return f"ended with {[status for status, _ in statuses]}\n{statuses[-1][1][-1500:]}"
    if command.digest(out) != expected:
        return "another result"
    refused = statuses[1][1].splitlines()
    if statuses[1][0] == 0:
        return "one after the other"
    said = ("held by process", "one that exists", "--resume")
    if launched:
        refused = [line for line in refused if line.startswith("pidkd ")][:1]
    if len(refused) != 1 or not any(words in refused[0] for words in said):
        return f"refused in other words: {statuses[1][1][:600]}"
    return "one refused, which says why"


def main() -> int:
    """Run trials, print outcomes, and return 1 where one is a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--command", action="append", help="one or several; all unless given")
    parser.add_argument("--trials", type=int, default=5, help="kills of each command")
    parser.add_argument("--pairs", type=int, default=0, help="pairs of runs of each command")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    faults = 0
    root = Path(tempfile.mkdtemp(prefix="pidkd-kills-"))
    try:
        for name, command in commands(root).items():
            if arguments.command and name not in arguments.command:
                continue
            counts: collections.Counter[str] = collections.Counter()
            whole = root / "whole"
            whole.mkdir()
            started = time.monotonic()
            run = start(command.words, whole, whole / "out")
            if run.end():
                print(f"{name}: fails by itself\n{run.log.read_text()[-3000:]}")
                return 1
            seconds, expected = time.monotonic() - started, command.digest(whole / "out")
            shutil.rmtree(whole)
            rng = random.Random(f"{arguments.seed} {name}")
            for number in range(arguments.trials + arguments.pairs):
                place = Path(tempfile.mkdtemp(dir=root))
                if number < arguments.trials:
                    after = rng.uniform(0.05, 0.9) * seconds
                    outcome = trial(command, place, SIGNALS[number % 4], after, expected)
                else:
                    outcome = pair(command, place, expected)
                counts[outcome.splitlines()[0]] += 1
                if outcome not in FINE:
                    print(f"--- {name}, trial {number} of seed {arguments.seed}: {outcome}", flush=True)
                shutil.rmtree(place, ignore_errors=True)
            print(f"{name} ({seconds:.0f} s when nothing stops it): {dict(counts)}", flush=True)
            faults += sum(count for outcome, count in counts.items() if outcome not in FINE)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(f"faults: {faults}")
    return int(faults > 0)


FINE = ("resumed to the bit", "ended before the kill", "one refused, which says why", "one after the other")
"""Outcomes that are no fault."""

if __name__ == "__main__":
    sys.exit(main())
