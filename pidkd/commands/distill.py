"""``pidkd train`` and ``pidkd capture``: thin ones over ``pidkd.distill``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pidkd.console import print_json, progress_bar, say, stderr, stdout
from pidkd.errors import InputError, import_extra

Configuration = Annotated[
    str,
    typer.Argument(metavar="CONFIG", help="A preset, or a file in .yaml; it may name code to run."),
]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Single values, such as recipe.epochs=5 or method=vid.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with what is in the folder.")]


class NetworkOption(StrEnum):
    """Which network of a configuration, as an option."""

    TEACHER = "teacher"
    STUDENT = "student"


class PartOption(StrEnum):
    """Which part of a data set, as an option."""

    TRAIN = "train"
    TEST = "test"


def train(
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
    say(f"wrote {out / 'results.csv'}, results.json, and a report for each case in {out / 'results'}")


def capture(
    config: Configuration,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="A new folder for the shards.")],
    overrides: Overrides = None,
    network: Annotated[
        NetworkOption, typer.Option("--network", help="Which network of the configuration.")
    ] = NetworkOption.STUDENT,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="FILE", help="Its weights; else random ones, by its seed."),
    ] = None,
    tap: Annotated[
        list[str] | None,
        typer.Option("--tap", metavar="PATH", help="A layer; repeatable. Else those matched."),
    ] = None,
    part: Annotated[PartOption, typer.Option("--part", help="Which samples.")] = PartOption.TEST,
    shard_size: Annotated[int, typer.Option("--shard-size", min=1, help="Samples of a file.")] = 4096,
    resume: Resume = False,
) -> None:
    """Write what layers put out, sample by sample, for 'pidkd audit'."""
    from pidkd.distill import load_config

    settings = load_config(config, overrides or [])
    import_extra("torch", "train", needed_by="capturing")
    from pidkd.distill.experiments.making import corrupt_teacher, drawing, load_weights, make_network, read_data
    from pidkd.distill.training.capturing import capture as capture_layers

    data = dict(zip(PartOption, read_data(settings), strict=True))[part]
    model = make_network(settings, network.value, data)
    if weights is not None:
        load_weights(model, weights, "--weights")
    if network is NetworkOption.TEACHER:
        corrupt_teacher(model, settings)
    paths = tap or [pair[list(NetworkOption).index(network)] for pair in settings.taps]
    with drawing(settings.teacher_seed), progress_bar("capturing") as progress:
        capture_layers(
            model, data, paths, out, shard_size=shard_size, device=settings.device, resume=resume, progress=progress
        )
    say(f"wrote {len(data):,} samples of {', '.join(paths)} to {out}, labels included: pidkd audit --labels {out}")


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",")]


def _numbers(option: str, text: str | None) -> list[int] | None:
    if text is None:
        return None
    if not all(part.strip().isdecimal() for part in text.split(",")):
        raise InputError(option, "whole numbers, such as 0,1,2", repr(text))
    return [int(part) for part in text.split(",")]
