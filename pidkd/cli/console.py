"""Output of the commands: results on stdout, everything else on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from pidkd.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

SECONDS_OF_LINES = 30.0
"""Seconds between lines of progress where there is no terminal."""


def say(line: str) -> None:
    """A line on stderr."""
    print(printable(line), file=sys.stderr)


def print_json(data: Any) -> None:
    """Plain data on stdout."""
    from pidkd.files.json import to_json

    sys.stdout.write(to_json(data))


def stdout() -> Console:
    """Console of results: standard output."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS", "").isdecimal():
        console.width = 100
    return console


@cache
def stderr() -> Console:
    """Console of notes: standard error, shared so that notes and progress bars do not overlap."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@contextmanager
def progress_bar(task: str) -> Iterator[Callable[..., None]]:
    """A bar with the time left on stderr, gone when done; where stderr is no terminal, a line every half minute."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = stderr()
    if not console.is_terminal:
        yield _lines(task)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.fields[now]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        running = bar.add_task(task, total=1.0, now="")
        yield lambda fraction, now="": bar.update(running, completed=fraction, now=now)


def _lines(task: str) -> Callable[..., None]:
    """Progress as lines, not more than one in ``SECONDS_OF_LINES``, as logs keep them."""
    started = last = time.monotonic()

    def advance(fraction: float, now: str = "") -> None:
        nonlocal last
        if (moment := time.monotonic()) - last >= SECONDS_OF_LINES:
            last = moment
            say(f"{task}: {fraction:.0%} after {moment - started:.0f} s{now and ', '}{now}")

    return advance
