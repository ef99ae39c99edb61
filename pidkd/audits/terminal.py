"""The audit as a table on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from pidkd.audits.columns import TERMINAL
from pidkd.audits.findings import Findings
from pidkd.display.atoms import LOOKS
from pidkd.display.terminal import AtomsBar

NARROW, WIDE = 72, 90
"""Columns of the terminal below which only Red and Uni T are shown, and from which mutual informations are."""

FIRST = ("redundant", "unique_t")
"""Columns of a narrow table."""

LAST = ("mi_t", "mi_s")
"""Columns of a wide table only."""


@dataclass(frozen=True)
class AuditTable:
    """A row of atoms, certificate and bar per pair and stage; columns of which nothing is known are left out."""

    findings: Findings
    title: str | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """The table with the columns that the terminal has room for."""
        findings, width = self.findings, options.max_width
        stages = [stage for pair in findings.pairs for stage in pair.stages]
        columns = [column for column in TERMINAL if column.known(findings, stages)]
        if all(math.isinf(stage.result.certificate.gap) for stage in stages):  # nothing was solved
            columns = [column for column in columns if column.name != "gap"]
        if width < WIDE:
            columns = [column for column in columns if column.name not in LAST]
        if width < NARROW:
            columns = [column for column in columns if column.name in FIRST]
        staged = any(stage.checkpoint for stage in stages)
        table = Table(
            title=self.title, title_style="bold", title_justify="left", header_style="bold", box=None, pad_edge=False
        )
        for heading in ("teacher", "student", *(["stage"] if staged else [])):
            table.add_column(heading, overflow="fold")
        for column in columns:
            style = LOOKS[column.name].style if column.name in LOOKS else ""
            table.add_column(Text(column.terminal, style), justify="right", no_wrap=True)
        if width >= NARROW:
            table.add_column("")
        for stage in stages:
            names = [stage.teacher, stage.student, *([stage.checkpoint or "student"] if staged else [])]
            cells = [column.text(findings, stage) for column in columns]
            bar = [AtomsBar(stage.result.atoms, findings.scale)] if width >= NARROW else []
            table.add_row(*map(Text, names), *cells, *bar)
        yield table
