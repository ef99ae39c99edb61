"""The record of a benchmark: a file of JSON lines, one for the environment and one for each measurement."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Generic, TypeVar

from pidkd.codec import from_plain, plain
from pidkd.errors import InputError, reason, unwritable
from pidkd.files.opening import read_text
from pidkd.runs.output import PathLike, writing

PACKAGES = (
    "pidkd",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "cvxpy",
    "clarabel",
    "ecos",
    "scs",
    "dit",
    "infomeasure",
)

NO_MEASUREMENT = ("skipped", "not tried")
"""Statuses of rows without a measurement."""


@dataclass(frozen=True)
class Row:
    """One estimator on one problem. Information is in bits, time in seconds, memory in megabytes.

    Parameters
    ----------
    family, problem, estimator : str
        The estimator as it was asked for, with its parameters and its device.
    kind : {"pid", "mi", "timing"}
    status : str
        ``solved``, ``failed`` (some member without a finite answer), ``crashed``, ``time limit``, ``memory limit``,
        ``skipped`` (a package is missing), or ``not tried`` (a smaller problem took too much).
    message : str
        The certificate of the member it did worst on, or why there is no measurement.
    known : str
        How the truth is known.
    axis : (str, float), optional
        What grows from problem to problem, and its value here.
    members, failed, certified : int
        Inputs, those without a finite answer, and those with a certified gap of at most 1e-9 bits.
    gap : float, optional
        Largest certified gap among the members that have one.
    error, worst : float, optional
        Distance from the truth, largest of the atoms: the mean over members, and the largest.
    estimate, se, bias : mapping from quantity to float
        Means over members of the estimate, of the standard error that it claims, and of its distance from the truth.
    spread : mapping from quantity to float
        Standard deviation over members of the distance from the truth.
    covered, above : mapping from quantity to float
        Shares of members whose interval holds the truth, and whose interval lies above it.
    cpu, wall, solver : float, optional
        For all members together, medians over ``repeats``; ``solver`` is the estimator's own account of it.
    iterations : float, optional
        Mean over members.
    repeats : int
    peak, base : float, optional
        Most memory of the process, and what it was before the first run.
    """

    family: str
    problem: str
    estimator: str
    kind: str
    status: str
    message: str = ""
    known: str = ""
    axis: tuple[str, float] | None = None
    members: int = 0
    failed: int = 0
    certified: int = 0
    gap: float | None = None
    error: float | None = None
    worst: float | None = None
    estimate: Mapping[str, float] = dataclasses.field(default_factory=dict)
    bias: Mapping[str, float] = dataclasses.field(default_factory=dict)
    covered: Mapping[str, float] = dataclasses.field(default_factory=dict)
    se: Mapping[str, float] = dataclasses.field(default_factory=dict)
    spread: Mapping[str, float] = dataclasses.field(default_factory=dict)
    above: Mapping[str, float] = dataclasses.field(default_factory=dict)
    cpu: float | None = None
    wall: float | None = None
    solver: float | None = None
    iterations: float | None = None
    repeats: int = 0
    peak: float | None = None
    base: float | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Identity of a measurement in a record."""
        return self.family, self.problem, self.estimator

    @property
    def effort(self) -> float | None:
        """Time, or the estimator's own account where that is less: it leaves out model building."""
        return min((value for value in (self.solver, self.seconds) if value is not None), default=None)

    @property
    def seconds(self) -> float | None:
        """CPU time of one thread; on another device the wall time."""
        return self.cpu if self.device == "cpu" else self.wall

    @property
    def device(self) -> str:
        """Device of the estimator."""
        return self.estimator.partition("@")[2] or "cpu"


R = TypeVar("R")
"""Kind of row: a dataclass."""


class Record(Generic[R]):
    """A record in a file that grows line by line, so that a stopped run resumes.

    Parameters
    ----------
    path : path, optional
        None keeps it in memory.
    settings : mapping
        What holds for every row: limits, repeats.
    kind : type
        Dataclass of a row.
    force : bool
        Begin anew what is there.
    machine : mapping, optional
        ``environment()`` of where rows are measured; of this machine unless given.

    Raises
    ------
    InputError
        When the file is no record, or one of other versions or settings.
    """

    def __init__(
        self,
        path: PathLike | None,
        settings: Mapping[str, Any],
        kind: type[R],
        force: bool = False,
        machine: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.head = {**(machine or environment()), "settings": dict(settings)}
        self.rows: list[R] = []
        if self.path is None:
            return
        if self.path.exists() and not force:
            head, self.rows = read_rows(self.path, kind)
            for name in ("versions", "processor", "settings"):
                if head.get(name) != self.head[name]:
                    got = f"{head.get(name)}"
                    hint = "write to another file, or begin anew with --force"
                    raise InputError(str(self.path), f"a record of the same {name}, {self.head[name]}", got, hint)
            self.head = head
        self._write()  # a line that was cut off is gone now

    def sort(self, order: Sequence[Any], key: Callable[[R], Any]) -> None:
        """Bring the rows into the order of their keys, on disk too; rows of other keys come last."""
        place = {known: number for number, known in enumerate(order)}
        self.rows.sort(key=lambda row: place.get(key(row), len(place)))
        self._write()

    def _write(self) -> None:
        if self.path is not None:
            with writing(self.path, force=True) as stream:
                stream.writelines(f"{line}\n".encode() for line in self.lines())

    def append(self, *rows: R) -> None:
        """Add measurements, on disk too, all in one write."""
        self.rows += rows
        if self.path is not None:
            try:
                with self.path.open("a", encoding="utf-8") as stream:
                    stream.write("".join(f"{_line(row)}\n" for row in rows))
            except OSError as error:
                raise unwritable(str(self.path), error) from error

    def lines(self) -> Iterator[str]:
        """The environment, then the rows."""
        yield _line(self.head)
        for row in self.rows:
            yield _line(row)


def read_record(path: PathLike) -> tuple[dict[str, Any], list[Row]]:
    """The environment and the measurements of estimators in a file; see ``read_rows``."""
    return read_rows(path, Row)


def read_rows(path: PathLike, kind: type[R]) -> tuple[dict[str, Any], list[R]]:
    """The environment and the rows of a file; a last line that was cut off does not count.

    Raises
    ------
    InputError
        When the file cannot be read, or is no record.
    """
    try:
        lines = read_text(path).splitlines()
    except InputError as error:
        raise InputError(str(path), "a record of pidkd bench", error.what.partition("got ")[2]) from error
    entries: list[Any] = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            if number < len(lines) or number == 1:
                raise InputError(str(path), "JSON in every line", f"something else in line {number}") from error
    if not entries or not isinstance(entries[0], dict):
        raise InputError(str(path), "a record of pidkd bench", "other data in line 1" if entries else "an empty file")
    try:
        return entries[0], [from_plain(kind, row, f"line {i}") for i, row in enumerate(entries[1:], start=2)]
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError) as error:
        raise InputError(str(path), "a record of pidkd bench", f"other data ({reason(error)})") from error


def _line(data: Any) -> str:
    return json.dumps(plain(data), allow_nan=False)


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
