"""Published numbers beside the truth, as tables for the terminal and for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from pidkd.benchmarks.published import PaperRow
from pidkd.benchmarks.reporting.tables import open_table
from pidkd.result import HEADINGS

HEAD = ("quantity", "published", "truth", "ours", "interval", "units", "reproduces")
ANSWERS = {True: "yes", False: "no", None: ""}


@dataclass(frozen=True)
class Counts:
    """Numbers of a paper: in all, published, those that agree with the truth, and those that do not."""

    numbers: int
    published: int
    agree: int
    differ: int

    @classmethod
    def of(cls, rows: Sequence[PaperRow]) -> Counts:
        """From rows."""
        published = [row for row in rows if row.published is not None]
        agree = sum(row.reproduces is True for row in rows)
        return cls(len(rows), len(published), agree, sum(row.reproduces is False for row in rows))


def cells(row: PaperRow) -> tuple[str, ...]:
    """Texts of a row, under ``HEAD``."""
    interval = "" if row.interval is None else f"{_digits(row.interval[0])} to {_digits(row.interval[1])}"
    values = (_digits(row.published), _digits(row.truth), _digits(row.ours))
    atom, *rest = row.quantity.split(", ", 1)
    quantity = ", ".join([HEADINGS.get(atom, atom), *rest]) or row.message
    return (quantity, *values, interval, row.units, ANSWERS[row.reproduces])


def _digits(value: float | None) -> str:
    """Five decimals; what rounds to zero is zero."""
    return "" if value is None else f"{value + 0.0:.5f}".replace("-0.00000", "0.00000")


def paper_table(rows: Sequence[PaperRow]) -> Table:
    """Every number of a paper, by setting."""
    counts = Counts.of(rows)
    table = open_table(
        f"{rows[0].paper}: {counts.published} published, {counts.agree} agree, {counts.differ} differ",
        "setting and quantity",
    )
    for title in HEAD[1:]:
        table.add_column(title, justify="right", no_wrap=True)
    for setting in dict.fromkeys(row.setting for row in rows):
        table.add_row(f"[bold]{escape(setting)}")
        for row in rows:
            if row.setting == setting:
                quantity, *texts = cells(row)
                table.add_row(f"  {escape(quantity)}", *texts)
    return table
