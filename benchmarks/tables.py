"""Rows of a benchmark as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from pidkd.benchmarks.run import Row
from pidkd.benchmarks.worker import CERTIFIED


def benchmark_table(rows: Sequence[Row], reference: str = "broja") -> Table:
    """Every measurement, with CPU time also as a multiple of the reference's on the same problem."""
    several = any(row.n_tables > 1 for row in rows)
    table = _table(f"pidkd bench {rows[0].family}" if rows else "", "problem and solver")
    for title in ("CPU s", "solver s", f"x {reference}", "gap bits", *["certified"] * several, "steps", "MB"):
        table.add_column(title, justify="right", no_wrap=True, min_width=4)
    table.add_column("status", overflow="fold")  # gives way on a narrow terminal
    own = {row.problem: row.cpu_seconds for row in rows if row.solver == reference}
    for row, before in zip(rows, [None, *rows[:-1]], strict=True):
        if before is None or row.problem != before.problem:
            table.add_row(f"[bold]{escape(row.problem)}")
        table.add_row(
            f"  {row.solver}",
            _number(row.cpu_seconds),
            _number(row.solver_seconds),
            _ratio(row.cpu_seconds, own.get(row.problem)),
            _power(row.gap),
            *[f"{row.certified}/{row.n_tables}" if row.repeats else ""] * several,
            "" if row.iterations is None else f"{row.iterations:.0f}",
            "" if row.peak_mb is None else f"{row.peak_mb:.0f}",
            escape(row.message if row.status == "solved" else f"{row.status}: {row.message}"),
        )
    return table


def speedup_table(rows: Sequence[Row], reference: str = "broja") -> Table:
    """Of each problem, the fastest other solver at its default settings, and the fastest that certified 1e-9 bits.

    The others count by their own account of time where that is less than CPU time: it leaves out model building.
    """
    table = _table(f"{reference} and the fastest others", "problem and claim")
    table.add_column("solver", no_wrap=True)
    for title in ("solver s", "gap bits", f"x {reference}"):
        table.add_column(title, justify="right", no_wrap=True)
    for mine in rows:
        others = [row for row in rows if row.problem == mine.problem and row is not mine]
        if mine.solver != reference or mine.cpu_seconds is None or not others:
            continue
        table.add_row(f"[bold]{escape(mine.problem)}", reference, _number(mine.cpu_seconds), _power(mine.gap))
        others = [row for row in others if row.status == "solved"]
        claims = {
            "default settings": [row for row in others if not row.solver.endswith("-tight")],
            f"certified to {CERTIFIED:.0e}": [row for row in others if row.certified == row.n_tables],
        }
        for claim, rivals in claims.items():
            best = min(rivals, key=_seconds, default=None)
            if best is None:
                table.add_row(f"  {claim}", "none")
            else:
                seconds = _seconds(best)
                ratio = _ratio(seconds, mine.cpu_seconds)
                table.add_row(f"  {claim}", best.solver, _number(seconds), _power(best.gap), ratio)
    return table


def _table(title: str, first: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    return table


def _seconds(row: Row) -> float:
    """CPU time, or the solver's own account where that is less: on a busy machine it counts time spent waiting."""
    return min((value for value in (row.solver_seconds, row.cpu_seconds) if value is not None), default=float("inf"))


def _ratio(value: float | None, base: float | None) -> str:
    return "" if value is None or not base else f"{value / base:.3g}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value >= 1e-3 else f"{value:.1e}"


def _power(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"
