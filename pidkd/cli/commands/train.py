"""``pidkd train``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pidkd.cli.configuration import Configuration, Overrides, Resume
from pidkd.cli.console import print_json, progress_bar, say, stderr, stdout
from pidkd.errors import InputError, import_extra, quote

if TYPE_CHECKING:
    from pidkd.distill import Config


def command(
    config: Configuration,
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="A new folder for logs, weights and results.")
    ] = None,
    seeds: Annotated[str | None, typer.Option("--seeds", help="Of the students: 0,1,2.")] = None,
    teacher_seeds: Annotated[str | None, typer.Option("--teacher-seeds", help="Likewise.")] = None,
    methods: Annotated[str | None, typer.Option("--methods", help="Several: none,vid,rid; or all.")] = None,
    teachers: Annotated[
        str | None, typer.Option("--teachers", help="Several: trained,untrained, or files of weights.")
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option("--sweep", metavar="KEY=V,V", help="First choose a value, on a part of the training set."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and stop.")] = False,
    resume: Resume = False,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, help="How many torchrun has started; refused if others.")
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write a log for TensorBoard.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON on stdout.")] = False,
) -> None:
    """Train students, by every method with every teacher and seed, and audit them on the test set."""
    from pidkd.distill import list_methods, load_config

    settings = load_config(config, overrides or [])
    import_extra("torch", "train", needed_by="training")
    from pidkd.distill.experiments.experiment import preview, run_experiment
    from pidkd.distill.training.preflight import Preflight

    chosen = list_methods() if methods == "all" else _listed(methods)

    def show(run: str, report: Preflight) -> None:
        stderr().print(f"\n{run}", style="bold")
        stderr().print(report)

    axes: dict[str, Any] = {
        "seeds": _numbers("--seeds", seeds),
        "methods": chosen,
        "teachers": _listed(teachers),
        "teacher_seeds": _numbers("--teacher-seeds", teacher_seeds),
    }
    if dry_run:
        preview(settings, show, **axes)
        return
    if out is None:
        raise InputError("--out", "a folder for the results, or --dry-run", "neither")
    try:
        if sweep is not None:
            settings = _swept(settings, out, sweep, axes, resume)
        with progress_bar("training") as progress:
            experiment = run_experiment(
                settings,
                out,
                resume=resume,
                processes=processes,
                tensorboard=tensorboard,
                before=show,
                progress=progress,
                **axes,
            )
    except (KeyboardInterrupt, SystemExit):
        say(f"stopped; the same command with --resume goes on in {out}")
        raise
    if not experiment.is_main:
        return
    if as_json:
        print_json(experiment.to_dict())
    else:
        stdout().print(experiment)
    say(f"wrote {out / 'report.html'}, results.csv and results.json, and a report for each case in {out / 'results'}")


def _swept(settings: Config, out: Path, text: str, axes: Mapping[str, Any], resume: bool) -> Config:
    """The configuration with the value that a sweep has chosen; its record lies under the folder of the results."""
    from pidkd.distill.experiments.loading import parse_value
    from pidkd.distill.experiments.sweep import run_sweep

    key, equals, values = text.partition("=")
    if not equals or not all(key.split(".")):
        raise InputError("--sweep", "key=value,value", quote(text))
    parsed = [parse_value(value, "--sweep") for value in values.split(",")]
    own = {name: axes[name] for name in ("seeds", "methods")}
    with progress_bar("sweeping") as progress:
        sweep = run_sweep(settings, out / "sweep", key, parsed, resume=resume, progress=progress, **own)
    stderr().print(sweep)
    return sweep.config


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",")]


def _numbers(option: str, text: str | None) -> list[int] | None:
    if text is None:
        return None
    if not all(part.strip().isdecimal() for part in text.split(",")):
        raise InputError(option, "whole numbers, such as 0,1,2", quote(text))
    return [int(part) for part in text.split(",")]
