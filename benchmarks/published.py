"""Runs the papers: published numbers beside the truth and beside what pidkd answers."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from pidkd.benchmarks.papers import Number, Setting, get_paper, list_papers
from pidkd.benchmarks.problems import SIZES, Size
from pidkd.benchmarks.record import Record
from pidkd.errors import PidkdError, PidkdWarning, UnknownNameError
from pidkd.runs.output import PathLike, check_output, holding

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class PaperRow:
    """One number of a paper.

    Parameters
    ----------
    paper, setting, quantity : str
        The key of the paper in ``pidkd/references.bib``, and what the number is.
    status : {"solved", "failed"}
    published, truth, ours : float, optional
        None where not known.
    interval : tuple of float, optional
        Of our answer: certified bounds, or a sampling interval.
    units : str
    reproduces : bool, optional
        Whether the published number agrees, to its printed digits, with the truth, or where there is none with ours.
    known : str
        How the truth is known.
    source : str
        Where the published number is printed.
    message : str
        What there is to say, or why there is no answer.
    cpu : float
        Seconds of the setting.
    """

    paper: str
    setting: str
    quantity: str
    status: str
    published: float | None
    truth: float | None
    ours: float | None
    interval: tuple[float, float] | None
    units: str
    reproduces: bool | None
    known: str
    source: str
    message: str
    cpu: float


def run_papers(
    papers: Sequence[str] = (),
    *,
    sizes: Size = "small",
    out: PathLike | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Record[PaperRow]:
    """Measure every setting of papers, up to a size.

    Parameters
    ----------
    papers : sequence of str
        Modules of ``benchmarks/papers``; none means all.
    sizes : {"tiny", "small", "full"}
        The largest size; smaller ones are included.
    out : path, optional
        The file of the record. Settings that are in it already are not run again.
    force : bool
        Begin the file anew.
    progress : callable, optional
        Called with the fraction done and what runs next.

    Returns
    -------
    Record
        A setting that cannot be answered is a row that says why.

    Raises
    ------
    UnknownNameError
        When a paper or the size is unknown.
    InputError
        When the record cannot be continued.
    """
    if sizes not in SIZES:
        raise UnknownNameError("bench papers --sizes", "a size", sizes, SIZES)
    names = list(papers) or list_papers()
    settings = [
        (name, setting)
        for name in names
        for setting in get_paper(name).settings
        if SIZES.index(setting.size) <= SIZES.index(sizes)
    ]
    if out is not None:
        check_output(out, force=True)  # a record that is there goes on
    with ExitStack() as held:
        if out is not None:
            held.enter_context(holding(out, file=True))
        record = Record(out, {}, PaperRow, force)
        present = set(map(_key, record.rows))
        for number, (name, setting) in enumerate(settings):
            if progress is not None:
                progress(number / len(settings), f"{name}, {setting.name}")
            if (name, setting.name) not in present:
                record.append(*_rows(name, setting))
        record.sort([(name, setting.name) for name in list_papers() for setting in get_paper(name).settings], _key)
    return record


def _key(row: PaperRow) -> tuple[str, str]:
    return row.paper, row.setting


def _rows(paper: str, setting: Setting) -> list[PaperRow]:
    """Rows of a setting; where it has no answer, one that says why."""
    started = time.process_time()
    status = "solved"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)  # the intervals say how good each answer is
        try:
            numbers = list(setting.numbers())
        except PidkdError as error:
            status, numbers = "failed", [Number("", None, note=str(error))]
    seconds = time.process_time() - started
    return [
        PaperRow(
            paper=paper,
            setting=setting.name,
            quantity=number.quantity,
            status=status,
            published=number.value,
            truth=number.truth,
            ours=number.ours,
            interval=number.interval,
            units=number.units,
            reproduces=number.reproduces,
            known=number.known,
            source="" if number.published is None else number.source or setting.source,
            message=number.note,
            cpu=seconds,
        )
        for number in numbers
    ]
