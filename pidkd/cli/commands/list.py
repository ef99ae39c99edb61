"""``pidkd list``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pidkd.cli.console import print_json, stdout
from pidkd.cli.options import (
    Json,
)


class KindOption(StrEnum):
    """Kinds of estimator, as an option."""

    PID = "pid"
    MI = "mi"
    UNION = "union"


def command(
    kind: Annotated[
        KindOption,
        typer.Option("--kind", help="pid: decompositions, mi: mutual information, union: several sources."),
    ] = KindOption.PID,
    as_json: Json = False,
) -> None:
    """List the estimators: what they compute, accept and need."""
    from pidkd.display.listing import EstimatorsTable, estimator_rows

    rows = estimator_rows(kind.value)
    if as_json:
        print_json(rows)
    else:
        stdout().print(EstimatorsTable(rows))
