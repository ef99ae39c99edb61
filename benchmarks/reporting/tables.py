"""A record as tables for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from pidkd.benchmarks.record import NO_MEASUREMENT, Row
from pidkd.benchmarks.scoring import CERTIFIED


def benchmark_table(rows: Sequence[Row]) -> Table:
    """Every measurement of a family, with its time also as a multiple of the first estimator's on the same problem."""
    reference = rows[0].estimator
    own = {row.problem: row.seconds for row in rows if row.estimator == reference}
    columns: dict[str, Callable[[Row], str]] = {
        "CPU s": lambda row: number(row.cpu),
        "wall s": lambda row: number(row.wall) if row.seconds != row.cpu else "",
        "solver s": lambda row: number(row.solver),
        "x first": lambda row: ratio(row.seconds, own.get(row.problem)),
        "gap bits": lambda row: power(row.gap),
        "error bits": lambda row: number(row.error),
        "certified": lambda row: f"{row.certified}/{row.members}" if row.gap is not None and row.members > 1 else "",
        "steps": lambda row: "" if row.iterations is None else f"{row.iterations:.0f}",
        "MB": lambda row: "" if row.peak is None else f"{row.peak:.0f}",
    }
    shown = {title: show for title, show in columns.items() if any(show(row) for row in rows)}
    table = open_table(f"pidkd bench {rows[0].family}", "problem and estimator")
    for title in shown:
        table.add_column(title, justify="right", no_wrap=True, min_width=max(5, len(title.partition(" ")[0])))
    table.add_column("status", overflow="fold", min_width=12)  # gives way on a narrow terminal
    for problem in dict.fromkeys(row.problem for row in rows):
        table.add_row(f"[bold]{escape(problem)}")
        for row in rows:
            if row.problem == problem:
                status = row.status if row.status == "solved" else f"{row.status}: {row.message}"
                table.add_row(f"  {row.estimator}", *(show(row) for show in shown.values()), escape(status))
    return table


def speedup_table(rows: Sequence[Row]) -> Table:
    """Of each problem, the fastest other estimator at its default settings, and the fastest that certified 1e-9 bits.

    The others count by their own account of time where that is less than CPU time: it leaves out model building.
    """
    reference = rows[0].estimator
    table = open_table(f"{reference} and the fastest others", "problem and claim")
    table.add_column("estimator", no_wrap=True)
    for title in ("solver s", "gap bits", "x first"):
        table.add_column(title, justify="right", no_wrap=True)
    for mine in rows:
        others = [
            row for row in rows if row.problem == mine.problem and row is not mine and row.status not in NO_MEASUREMENT
        ]
        if mine.estimator != reference or mine.gap is None or not others:
            continue
        table.add_row(f"[bold]{escape(mine.problem)}", reference, number(mine.cpu), power(mine.gap))
        others = [row for row in others if row.status == "solved"]
        claims = {
            "default settings": [row for row in others if not row.estimator.endswith("-tight")],
            f"certified to {CERTIFIED:.0e}": [row for row in others if row.gap and row.certified == row.members],
        }
        for claim, rivals in claims.items():
            best = min(rivals, key=lambda row: row.effort or float("inf"), default=None)
            if best is None:
                table.add_row(f"  {claim}", "none")
            else:
                effort = best.effort
                table.add_row(f"  {claim}", best.estimator, number(effort), power(best.gap), ratio(effort, mine.cpu))
    return table


def open_table(title: str, first: str) -> Table:
    """Empty table with its title and its first column."""
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold", min_width=20)
    return table


def ratio(value: float | None, base: float | None) -> str:
    """Ratio of two numbers, where both are known."""
    return "" if value is None or not base else f"{value / base:.3g}"


def number(value: float | None) -> str:
    """Three digits."""
    return "" if value is None else f"{value:.3g}" if value >= 1e-3 or value == 0 else f"{value:.1e}"


def power(value: float | None) -> str:
    """The order of magnitude counts."""
    return "" if value is None else f"{value:.1e}"
