"""``pidkd compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import pidkd
from pidkd.cli.console import print_json, stdout
from pidkd.cli.options import (
    Groups,
    Json,
    Seed,
    Target,
    TargetOption,
    Uncertainty,
    Units,
    UnitsOption,
    uncertainty_methods,
)


def command(
    measures: Annotated[
        list[str], typer.Option("--measure", help="A name that pidkd list shows; once for each measure.")
    ],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="TABLE", help=".npy or .npz: p[y, t, s], or counts as integers. .csv: samples, in columns y, t, s."
        ),
    ] = None,
    y: Annotated[Path | None, typer.Option("--y", help="Instead of a table, the target: labels or floats.")] = None,
    t: Annotated[Path | None, typer.Option("--t", help="The teacher: codes (n,), or activations (n, d).")] = None,
    s: Annotated[Path | None, typer.Option("--s", help="The student, likewise.")] = None,
    units: Units = UnitsOption.BITS,
    seed: Seed = 0,
    uncertainty: Uncertainty = None,
    groups: Groups = None,
    target: Target = TargetOption.AUTO,
    as_json: Json = False,
) -> None:
    """Decompose by several measures, side by side."""
    from pidkd.cli.reading import read_data

    data = read_data("compare", file, y, t, s, groups, target.value)
    comparison = pidkd.compare(
        data,
        measures=measures,
        units=units.value,
        seed=seed,
        uncertainty=uncertainty_methods(uncertainty or [], counted=isinstance(data, pidkd.Pmf | pidkd.Codes)),
    )
    if as_json:
        print_json(comparison.to_dict())
    else:
        stdout().print(str(comparison), markup=False)
