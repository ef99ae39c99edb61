"""Rows of a benchmark as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from pidkd.benchmarks.run import Row
from pidkd.benchmarks.worker import CERTIFIED


def benchmark_table(rows: Sequence[Row], reference: str = "broja") -> Table:
    """Every measurement, with CPU time also as a multiple of the reference's on the same problem."""
    table = Table(title=f"pidkd bench {rows[0].family}" if rows else None)
    for title in ("problem", "solver"):
        table.add_column(title, no_wrap=True)
    for title in ("CPU s", "of it solver", f"x {reference}", "gap bits", "certified", "iterations", "peak MB"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("status", overflow="ellipsis", no_wrap=True)
    own = _cpu_seconds(rows, reference)
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        table.add_row(
            row.problem,
            row.solver,
            _number(row.cpu_seconds),
            _number(row.solver_seconds),
            _ratio(row.cpu_seconds, own.get(row.problem)),
            "" if row.gap is None else f"{row.gap:.1e}",
            f"{row.certified}/{row.n_tables}" if row.repeats else "",
            "" if row.iterations is None else f"{row.iterations:.1f}",
            "" if row.peak_mb is None else f"{row.peak_mb:.0f}",
            row.message if row.status == "solved" else f"{row.status}: {row.message}",
            end_section=following is None or following.problem != row.problem,
        )
    return table


def speedup_table(rows: Sequence[Row], reference: str = "broja") -> Table:
    """The fastest other solver of each problem at its default settings, and the fastest that certified 1e-9 bits.

    The others are compared by their own account of time, where they give one, which leaves out model building.
    """
    table = Table(title=f"the fastest others, as multiples of {reference}")
    table.add_column("problem", no_wrap=True)
    for title in (f"{reference} CPU s", "gap bits"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("at default settings", f"certified to {CERTIFIED:.0e} bits"):
        for column in (title, "s", "gap bits", f"x {reference}"):
            table.add_column(column, justify="left" if column == title else "right", no_wrap=True)
    own = {row.problem: row for row in rows if row.solver == reference and row.cpu_seconds is not None}
    for problem, mine in own.items():
        others = [row for row in rows if row.problem == problem and row.solver != reference and row.status == "solved"]
        defaults = [row for row in others if not row.solver.endswith("-tight")]
        certified = [row for row in others if row.certified == row.n_tables]
        cells = [problem, _number(mine.cpu_seconds), "" if mine.gap is None else f"{mine.gap:.1e}"]
        for candidates in (defaults, certified):
            best = min(candidates, key=_seconds, default=None)
            if best is None:
                cells += ["none", "", "", ""]
            else:
                seconds = _seconds(best)
                cells += [best.solver, _number(seconds), f"{best.gap:.1e}", _ratio(seconds, mine.cpu_seconds)]
        table.add_row(*cells)
    return table


def _cpu_seconds(rows: Sequence[Row], solver: str) -> dict[str, float]:
    return {row.problem: row.cpu_seconds for row in rows if row.solver == solver and row.cpu_seconds is not None}


def _seconds(row: Row) -> float:
    return row.solver_seconds or row.cpu_seconds or float("inf")


def _ratio(value: float | None, base: float | None) -> str:
    return "" if value is None or not base else f"{value / base:.3g}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value >= 1e-3 else f"{value:.1e}"
