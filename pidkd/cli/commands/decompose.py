"""``pidkd decompose``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import pidkd
from pidkd.cli.console import print_json, stdout
from pidkd.cli.options import (
    By,
    Estimator,
    Groups,
    Json,
    Param,
    Seed,
    Target,
    TargetOption,
    Uncertainty,
    Units,
    UnitsOption,
    parameters,
    uncertainty_methods,
)


def command(
    file: Annotated[
        Path | None, typer.Argument(metavar="TABLE", help=".npy or .npz: p[y, t, s], or counts as integers.")
    ] = None,
    y: Annotated[Path | None, typer.Option("--y", help="Instead of a table, the target: labels or floats.")] = None,
    t: Annotated[Path | None, typer.Option("--t", help="The teacher: codes (n,), or activations (n, d).")] = None,
    s: Annotated[Path | None, typer.Option("--s", help="The student, likewise.")] = None,
    estimator: Estimator = "auto",
    param: Param = None,
    units: Units = UnitsOption.BITS,
    seed: Seed = 0,
    keep: Annotated[list[str] | None, typer.Option("--keep", help="Carry plan, potentials or local in JSON.")] = None,
    uncertainty: Uncertainty = None,
    groups: Groups = None,
    target: Target = TargetOption.AUTO,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Decompose a table of probabilities or counts, or samples."""
    from pidkd.cli.reading import read_data
    from pidkd.files.reading import BY, read_array

    data = read_data("decompose", file, y, t, s, groups, target.value)
    counted = isinstance(data, pidkd.Pmf | pidkd.Codes) and getattr(data, "groups", None) is None
    result = pidkd.decompose(
        data,
        estimator=estimator,
        units=units.value,
        seed=seed,
        keep=tuple(keep or ()),
        uncertainty=uncertainty_methods(uncertainty or [], counted=counted),
        by=None if by is None else read_array(by, BY),
        **parameters(param),
    )
    if as_json:
        print_json(result.to_dict())
    else:
        stdout().print(str(result), markup=False)
