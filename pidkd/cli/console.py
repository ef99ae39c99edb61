"""Output of the commands: results on stdout, everything else on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from pidkd.errors import printable

if TYPE_CHECKING:
    from rich.console import Console


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
    """A bar with the time left on stderr, gone when done; nothing where stderr is no terminal."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = stderr()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.fields[now]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        running = bar.add_task(task, total=1.0, now="")
        yield lambda fraction, now="": bar.update(running, completed=fraction, now=now)
