"""``pidkd capture``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pidkd.cli.configuration import Configuration, Overrides, Resume
from pidkd.cli.console import progress_bar, say
from pidkd.errors import import_extra


class NetworkOption(StrEnum):
    """Network of a configuration, as an option."""

    TEACHER = "teacher"
    STUDENT = "student"


class PartOption(StrEnum):
    """Part of a data set, as an option."""

    TRAIN = "train"
    TEST = "test"


def command(
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
    taps: Annotated[
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
    from pidkd.distill.experiments.making import corrupt_teacher, drawing, make_network, read_data
    from pidkd.distill.training.capturing import capture as capture_layers
    from pidkd.distill.weights import load_weights

    data = dict(zip(PartOption, read_data(settings), strict=True))[part]
    model = make_network(settings, network.value, data)
    if weights is not None:
        load_weights(model, weights, "--weights")
    if network is NetworkOption.TEACHER:
        corrupt_teacher(model, settings)
    paths = taps or [pair[list(NetworkOption).index(network)] for pair in settings.taps]
    with drawing(settings.teacher_seed), progress_bar("capturing") as progress:
        captured = capture_layers(
            model, data, paths, out, shard_size=shard_size, device=settings.device, resume=resume, progress=progress
        )
    accuracy = "no accuracy" if captured.accuracy is None else f"accuracy {captured.accuracy:.1%}"
    where = f"{', '.join(paths)} to {out}, labels included: pidkd audit --labels {out}"
    say(f"wrote {captured.n_samples:,} samples of {where}")
    say(f"{accuracy}; normalisation: {captured.normalisation}")
