"""The estimators as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from pidkd.registry import get_estimator, list_estimators

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

LEAST_WIDTHS = {"name": 0, "measure": 0, "certifies": 50, "accepts": 70, "needs": 85, "reference": 100}
"""Columns of the terminal from which each column of the table is shown."""


def estimator_rows(kind: str) -> list[dict[str, Any]]:
    """Declarations of each estimator of a kind, with the packages it needs that are missing."""
    rows = []
    for name in list_estimators(kind):
        cls = get_estimator(name, kind)
        rows.append(
            {
                "name": name,
                "kind": kind,
                "measure": getattr(cls, "measure", None),
                "accepts": sorted(cls.accepted_kinds()),
                "certifies": getattr(cls, "certifies", None),
                "exactness": cls.exactness,
                "requires": dict(cls.requires),
                "missing": [module for module in cls.requires if find_spec(module) is None],
                "reference": cls.reference,
            }
        )
    return rows


@dataclass(frozen=True)
class EstimatorsTable:
    """The table of ``pidkd list``, with the columns that the terminal has room for."""

    rows: Sequence[Mapping[str, Any]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """The table."""
        shown = [heading for heading, least in LEAST_WIDTHS.items() if options.max_width >= least]
        table = Table(header_style="bold", box=None, pad_edge=False)
        for heading in shown:
            table.add_column(heading, no_wrap=heading == "name", overflow="fold")
        for row in self.rows:
            extras = ", ".join(sorted({f"pidkd[{extra}]" for extra in row["requires"].values()}))
            cells = {
                "name": Text(row["name"], "bold"),
                "measure": row["measure"] or "",
                "accepts": ", ".join(row["accepts"]),
                "certifies": {True: "yes", False: "no", None: ""}[row["certifies"]],
                "needs": Text(f"{extras} {'(missing)' if row['missing'] else '(installed)'}" if extras else "nothing"),
                "reference": row["reference"],
            }
            table.add_row(*(cells[heading] for heading in shown))
        yield table
