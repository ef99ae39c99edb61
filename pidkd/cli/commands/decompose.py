"""``pidkd decompose``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import pidkd
from pidkd.cli.console import print_json, stdout
from pidkd.cli.options import (
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
from pidkd.errors import InputError, Keyword


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
    as_json: Json = False,
) -> None:
    """Decompose a table of probabilities or counts, or samples."""
    from pidkd.files.reading import read_array, read_samples
    from pidkd.inputs import Input, as_input
    from pidkd.inputs.dispatch import check_two_sources

    samples = {"--y": y, "--t": t, "--s": s}
    given = [name for name, path in samples.items() if path is not None]
    if (file is None) != (len(given) == 3) or (file is not None and given):
        got = " ".join((["TABLE"] if file is not None else []) + given) or "nothing"
        raise InputError("input", "a TABLE, or all of --y, --t and --s", got)
    data: Input
    if file is not None:
        if groups is not None:
            raise InputError(Keyword("decompose", "groups"), "samples by --y, --t and --s", "a TABLE without rows")
        table = read_array(file, ("p", "counts"))
        try:
            data = pidkd.Pmf(table) if table.dtype.kind == "f" else pidkd.Pmf.from_counts(table)
            check_two_sources("table", data)
        except InputError as error:
            raise error.at(str(file)) from error
    else:
        names = {"--y": ("y", "labels"), "--t": ("t", "teacher"), "--s": ("s", "student")}
        files = [(path, names[name]) for name, path in samples.items() if path is not None]
        held = read_samples([*files, *([(groups, ("groups",))] if groups is not None else [])])
        data = as_input(*held[:3], groups=held[3] if groups is not None else None, target=target.value)
    result = pidkd.decompose(
        data,
        estimator=estimator,
        units=units.value,
        seed=seed,
        keep=tuple(keep or ()),
        uncertainty=uncertainty_methods(uncertainty or [], counted=isinstance(data, pidkd.Pmf | pidkd.Codes)),
        **parameters(param),
    )
    if as_json:
        print_json(result.to_dict())
    else:
        stdout().print(str(result), markup=False)
