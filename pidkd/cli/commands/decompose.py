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
    Given,
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
        Path | None,
        typer.Argument(
            metavar="TABLE", help=".npy or .npz: p[y, t, s], or counts as integers. .csv: samples, in columns y, t, s."
        ),
    ] = None,
    y: Annotated[Path | None, typer.Option("--y", help="Instead of a table, the target: labels or floats.")] = None,
    t: Annotated[Path | None, typer.Option("--t", help="The teacher: codes (n,), or activations (n, d).")] = None,
    s: Annotated[Path | None, typer.Option("--s", help="The student, likewise.")] = None,
    posteriors: Annotated[
        Path | None,
        typer.Option(
            "--posteriors",
            metavar="FILE",
            help="Instead, labels y with p_t, p_s and p_ts, or logits z_t, z_s, z_ts, as named arrays.",
        ),
    ] = None,
    estimator: Estimator = "auto",
    param: Param = None,
    units: Units = UnitsOption.BITS,
    seed: Seed = 0,
    keep: Annotated[list[str] | None, typer.Option("--keep", help="Carry plan, potentials or local in JSON.")] = None,
    uncertainty: Uncertainty = None,
    groups: Groups = None,
    target: Target = TargetOption.AUTO,
    by: By = None,
    given: Given = None,
    as_json: Json = False,
) -> None:
    """Decompose a table of probabilities or counts, samples, or posteriors of samples."""
    from pidkd.cli.reading import read_data, read_posteriors
    from pidkd.errors import InputError
    from pidkd.files.reading import BY, read_array

    if posteriors is not None:
        if any(other is not None for other in (file, y, t, s)):
            raise InputError("input", "--posteriors alone", "a TABLE, --y, --t or --s beside it")
        data: pidkd.inputs.Input = read_posteriors(posteriors, groups)
    else:
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
        given=None if given is None else read_array(given, BY),
        **parameters(param),
    )
    if as_json:
        print_json(result.to_dict())
    else:
        stdout().print(str(result), markup=False)
