"""Problems times estimators, each pair in a process of its own, with a time limit, a memory limit and one thread."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pidkd.benchmarks.peers import PEER_PATH, list_peers
from pidkd.benchmarks.problems import SIZES, Problem, Size, get_family, list_families
from pidkd.benchmarks.process import Cluster, Place, ThisMachine
from pidkd.benchmarks.record import Record, Row
from pidkd.benchmarks.selection import OPTION, list_own, select
from pidkd.errors import InputError, UnknownNameError, quote
from pidkd.files.opening import existing
from pidkd.parameters import Positive, Whole
from pidkd.runs.cluster import lost, on_cluster
from pidkd.runs.output import PathLike, check_output, holding, scratch

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS"), "1"
)
REPEATING_SECONDS = 5.0
"""No run is repeated beyond this time: what takes long needs no median."""

DEVICES = ("cpu", "cuda")

LIMITS = ("time limit", "memory limit")
"""What makes larger problems not worth a try."""

Progress = Callable[[float, str], None]


def run_benchmark(
    families: str | Sequence[str] = (),
    *,
    estimators: Sequence[str] | None = None,
    peers: bool = False,
    sizes: Size = "small",
    device: str = "cpu",
    time_limit: float = 60.0,
    memory_limit: float = 8192.0,
    repeats: int = 5,
    n_jobs: int | None = None,
    cluster: str | None = None,
    out: PathLike | None = None,
    force: bool = False,
    peer_path: PathLike | None = None,
    progress: Progress | None = None,
) -> Record[Row]:
    """Run every estimator on every problem, up to a size.

    Parameters
    ----------
    families : str or sequence of str
        Modules of ``benchmarks/problems``, such as "broja"; none means all.
    estimators : sequence of str, optional
        Names or patterns (``conic-*``) of estimators and peers, ``auto``, or ``package.module:Class``, each with
        parameters (``kmeans(n_clusters=20)``) and a device (``broja@cuda``) if need be. By default those that solve
        what each family asks, of pidkd and of installed packages.
    peers : bool
        The peers that solve what each family asks, too.
    sizes : {"tiny", "small", "full"}
        The largest size; smaller ones are included.
    device : {"cpu", "cuda"}
        Where those that know it run once more, in rows of their own.
    time_limit : float, default 60
        Seconds for each process. An estimator that ran out of them is not started on what is larger still.
    memory_limit : float, default 8192
        Megabytes for each process.
    repeats : int, default 5
        Runs whose median is taken; fewer where they take more than some seconds.
    n_jobs : int, optional
        Processes at a time; one, or on a cluster one for each thread of its workers, unless another number is asked
        for. More than one on a machine disturb each other's times.
    cluster : str, optional
        Address of a dask scheduler, whose workers run the processes. They must have the packages of this machine and
        equal processors.
    out : path, optional
        The file of the record. What is in it already is not run again.
    force : bool
        Begin the file anew.
    peer_path : path, optional
        A folder below which peers lie that are on no registry.
    progress : callable, optional
        Called with the fraction done and what runs next.

    Returns
    -------
    Record
        An estimator that hangs, crashes or is not installed is a row that says so.

    Raises
    ------
    UnknownNameError
        When a family, the size or an estimator is unknown.
    InputError
        When a limit or a number is not positive, the record cannot be continued, or no cluster is at the address.
    LostWorkersError
        When the cluster has gone; the record goes on with what is left.
    """
    named = [families] if isinstance(families, str) else list(families) or list_families()
    chosen = {name: get_family(name) for name in named}
    if not isinstance(sizes, str) or sizes not in SIZES:
        raise UnknownNameError("bench --sizes", "a size", sizes, SIZES)
    for option, number in {"--time-limit": time_limit, "--memory-limit": memory_limit}.items():
        Positive(ends="(]").check(f"bench {option}", number)
    for option, count in {"--repeats": repeats, "--jobs": 1 if n_jobs is None else n_jobs}.items():
        Whole(1).check(f"bench {option}", count)
    if not isinstance(device, str) or device not in DEVICES:
        raise UnknownNameError("bench --device", "a device", device, DEVICES)
    if peer_path is not None and not existing(peer_path, "a folder of peers").is_dir():
        raise InputError("bench --peer-path", "a folder", quote(str(peer_path)))
    selected = {name: select(family, estimators, peers, device) for name, family in chosen.items()}
    for pattern in estimators or ():
        if not any(select(family, [pattern], peers, "cpu") for family in chosen.values()):
            known = sorted({name for family in chosen.values() for name in list_own(family)})
            raise UnknownNameError(
                OPTION, "an estimator, a peer or a pattern of names", pattern, [*known, *list_peers()]
            )
    if out is not None:
        check_output(out, force=True)  # a record that is there goes on
    variables = ONE_THREAD | ({} if peer_path is None else {PEER_PATH: str(Path(peer_path).absolute())})
    with ExitStack() as held, scratch("bench") as folder:
        if out is not None:
            held.enter_context(holding(out, file=True))
        client = held.enter_context(on_cluster("bench --cluster", cluster))
        place = ThisMachine(folder, variables) if client is None else Cluster(client, folder, variables)
        settings = {"time_limit": time_limit, "memory_limit": memory_limit, "repeats": repeats}
        settings["jobs"] = n_jobs or place.n_jobs
        record = Record(out, settings, Row, force, place.environment())
        bench = _Bench(record, folder, settings, place, progress)
        lanes = {
            (name, estimator): [p for p in family.problems if SIZES.index(p.size) <= SIZES.index(sizes)]
            for name, family in chosen.items()
            for estimator in selected[name]
        }
        try:
            bench.run(lanes)
        except Exception as error:
            hint = "with an output file (-o) the same call goes on with what is left"
            if (gone := lost("bench", error, len(record.rows), sum(map(len, lanes.values())), hint)) is None:
                raise
            raise gone from error
        record.sort(list(lanes), lambda row: (row.family, row.estimator))
    return record


@dataclass
class _Bench:
    """Runner of a benchmark: each estimator takes the problems of a family in their order, side by side with others."""

    record: Record[Row]
    folder: Path
    settings: dict[str, Any]
    place: Place
    progress: Progress | None
    made: dict[tuple[str, str], Path] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    stopped: bool = False
    done: int = 0

    def run(self, lanes: Mapping[tuple[str, str], Sequence[Problem]]) -> None:
        before = {row.key: row.status for row in self.record.rows}
        total = sum(map(len, lanes.values()))
        with ThreadPoolExecutor(self.settings["jobs"]) as pool:
            try:
                for future in [
                    pool.submit(self._lane, family, estimator, problems, before, total)
                    for (family, estimator), problems in lanes.items()
                ]:
                    future.result()
            except BaseException:  # Ctrl-C, or a fault of our own: nothing goes on, and what is cut short is no row
                self._stop()
                raise
        if self.progress is not None:
            self.progress(1.0, "done")

    def _lane(
        self, family: str, estimator: str, problems: Sequence[Problem], before: Mapping[Any, str], total: int
    ) -> None:
        too_much: tuple[int, str] | None = None
        for problem in problems:
            with self.lock:
                if self.stopped:
                    return
                if self.progress is not None:
                    self.progress(self.done / total, f"{problem.name}, {estimator}")
                self.done += 1
            status = before.get((family, problem.name, estimator))
            if status not in (None, *LIMITS):
                continue
            stored = self._stored(family, problem)
            size = stored.stat().st_size
            if status is None:
                outcome: dict[str, Any]
                if too_much is not None and size > too_much[0]:
                    outcome = {"status": "not tried", "message": f"ran out of {too_much[1]}"}
                else:
                    outcome = self._measured(family, estimator, stored)
                if self.stopped:
                    return
                self._add(family, problem, estimator, outcome)
                status = outcome["status"]
            if status in LIMITS:
                too_much = size, f"{status.split()[0]} on {problem.name}"

    def _add(self, family: str, problem: Problem, estimator: str, found: Mapping[str, Any]) -> None:
        kind, known = get_family(family).kind, problem.known if "error" in found else ""
        row = Row(family, problem.name, estimator, kind, **found, known=known, axis=problem.axis)
        with self.lock:
            self.record.append(row)

    def _stored(self, family: str, problem: Problem) -> Path:
        """The problem's data in a file, made when the first estimator asks for it."""
        with self.lock:
            if (family, problem.name) not in self.made:
                data = problem.make()
                path = self.folder / f"{len(self.made)}.pkl"
                truths = None if problem.truth is None else problem.truth(data)
                path.write_bytes(pickle.dumps((data, truths, problem.uncertainty)))
                self.made[family, problem.name] = path
            return self.made[family, problem.name]

    def _measured(self, family: str, estimator: str, stored: Path) -> dict[str, Any]:
        """The measurement of one process, or what became of it."""
        limits = {name: self.settings[name] for name in ("time_limit", "memory_limit", "repeats")}
        seconds = min(REPEATING_SECONDS, limits["time_limit"] / 2)
        return self.place.measure({"family": family, "estimator": estimator, "seconds": seconds, **limits}, stored)

    def _stop(self) -> None:
        """End what runs, and begin nothing more."""
        self.stopped = True
        self.place.stop()
