"""The estimators as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from pidkd.registry import get_estimator, list_estimators

if TYPE_CHECKING:
    pass


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


def estimators_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The table of ``pidkd list``."""
    table = Table(header_style="bold", box=None, pad_edge=False)
    for heading in ("name", "measure", "accepts", "certifies", "needs", "reference"):
        table.add_column(heading, no_wrap=heading == "name")
    for row in rows:
        extras = ", ".join(sorted({f"pidkd[{extra}]" for extra in row["requires"].values()}))
        needs = Text(f"{extras} {'(missing)' if row['missing'] else '(installed)'}" if extras else "nothing")
        certifies = {True: "yes", False: "no", None: ""}[row["certifies"]]
        cells = (row["measure"] or "", ", ".join(row["accepts"]), certifies)
        table.add_row(Text(row["name"], "bold"), *map(Text, cells), needs, Text(row["reference"]))
    return table
