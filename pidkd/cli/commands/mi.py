"""``pidkd mi``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import pidkd
from pidkd.cli.console import print_json, stdout
from pidkd.cli.options import (
    Device,
    DeviceOption,
    Groups,
    Json,
    Param,
    Seed,
    Target,
    TargetOption,
    Units,
    UnitsOption,
    parameters,
)


def command(
    x: Annotated[Path, typer.Argument(metavar="X", help="Labels (n,) or floats (n, d): .npy, .npz, .csv.")],
    y: Annotated[Path, typer.Argument(metavar="Y", help="Likewise.")],
    estimator: Annotated[
        str, typer.Option("--estimator", help="One of 'pidkd list --kind mi'; auto goes by the kind of data.")
    ] = "auto",
    param: Param = None,
    device: Device = DeviceOption.CPU,
    units: Units = UnitsOption.BITS,
    seed: Seed = 0,
    groups: Groups = None,
    target: Target = TargetOption.AUTO,
    as_json: Json = False,
) -> None:
    """Estimate the mutual information of two variables."""
    from pidkd.files.reading import read_samples

    files = [(x, ("x",)), (y, ("y",)), *([(groups, ("groups",))] if groups is not None else [])]
    samples = read_samples(files)
    result = pidkd.mutual_information(
        *samples[:2],
        estimator=estimator,
        units=units.value,
        seed=seed,
        device=device.value,
        groups=samples[2] if groups is not None else None,
        target=target.value,
        **parameters(param),
    )
    if as_json:
        print_json(result.to_dict())
    else:
        stdout().print(str(result), markup=False)
