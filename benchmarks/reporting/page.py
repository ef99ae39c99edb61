"""A record as one page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pidkd.benchmarks.record import Row
from pidkd.benchmarks.reporting.sections import sections
from pidkd.display.page import page_template
from pidkd.runs.output import PathLike, write_text


def write_page(head: Mapping[str, Any], rows: Sequence[Row], path: PathLike, force: bool = False) -> None:
    """Write the page.

    Raises
    ------
    InputError
        When the file exists and ``force`` is not given, or it cannot be written.
    """
    text = page_template("benchmark.html").render(about=list(about(head)), sections=list(sections(rows)))
    write_text(path, text, force)


def about(head: Mapping[str, Any]) -> Iterator[str]:
    """Date, machine and versions of a record."""
    yield f"{head['processor']}, one thread, Python {head['python']}, {head['date'][:10]}."
    yield ", ".join(f"{name} {version}" for name, version in head["versions"].items() if version) + "."
    settings = {name.replace("_", " "): value for name, value in head.get("settings", {}).items()}
    units = {"time limit": " s", "memory limit": " MB"}
    if settings:
        yield (
            "Settings: " + ", ".join(f"{name} {value:g}{units.get(name, '')}" for name, value in settings.items()) + "."
        )
