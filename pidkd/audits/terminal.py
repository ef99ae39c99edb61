"""The audit as a table on the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from pidkd.audits.columns import TERMINAL
from pidkd.audits.findings import Findings
from pidkd.display.atoms import LOOKS
from pidkd.display.terminal import AtomsBar


def audit_table(findings: Findings, title: str | None = None) -> Table:
    """One row of atoms, certificate and bar per pair and stage; columns of which nothing is known are left out."""
    stages = [stage for pair in findings.pairs for stage in pair.stages]
    columns = [column for column in TERMINAL if any(column.get(findings, stage) is not None for stage in stages)]
    table = Table(title=title, title_style="bold", title_justify="left", header_style="bold", box=None, pad_edge=False)
    table.add_column("teacher", overflow="fold")
    table.add_column("student", overflow="fold")
    for column in columns:
        style = LOOKS[column.name].style if column.name in LOOKS else ""
        table.add_column(Text(column.terminal, style), justify="right", no_wrap=True)
    table.add_column("")
    for stage in stages:
        student = stage.student + (f" @ {stage.checkpoint}" if stage.checkpoint else "")
        cells = [column.text(findings, stage) for column in columns]
        table.add_row(Text(stage.teacher), Text(student), *cells, AtomsBar(stage.result.atoms, findings.scale))
    return table
