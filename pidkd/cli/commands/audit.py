"""``pidkd audit``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import pidkd
from pidkd.cli.console import print_json, progress_bar, say, stdout
from pidkd.cli.options import (
    By,
    ClusterAddress,
    Device,
    DeviceOption,
    Estimator,
    Force,
    Groups,
    Jobs,
    Json,
    Param,
    Seed,
    Target,
    TargetOption,
    Uncertainty,
    Units,
    UnitsOption,
    named_estimator,
    number_of_bytes,
    option,
    uncertainty_methods,
)
from pidkd.errors import InputError, quote

if TYPE_CHECKING:
    from pidkd.audits.report import AuditReport


class PoolOption(StrEnum):
    """Pooling of further axes, as an option."""

    AUTO = "auto"
    FLATTEN = "flatten"
    MEAN = "mean"


def command(
    y: Annotated[Path, typer.Option("--labels", help="Labels, shape (n,): .npy, .npz, .pt, or .csv.")],
    teacher: Annotated[
        list[str],
        typer.Option(
            "--teacher",
            metavar="FILE|NAME=FILE",
            help="Activations: .npz, .npy, .pt, .safetensors, .h5, .zarr, .parquet, a folder of .npy or of shards. "
            "Several teachers: NAME=FILE, repeated.",
        ),
    ],
    student: Annotated[Path, typer.Option("--student", help="Likewise.")],
    checkpoints: Annotated[
        list[str] | None,
        typer.Option("--checkpoint", metavar="NAME=FILE", help="The student at an earlier time; repeatable, in order."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Activations of a student that was not distilled.")
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(
            "--pair", metavar="T:S", help="Teacher layer and student layer; repeatable. Default: equal names."
        ),
    ] = None,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Every teacher layer with every student layer.")
    ] = False,
    estimator: Estimator = "auto",
    param: Param = None,
    quantize: Annotated[
        str | None,
        typer.Option("--quantize", help="Audit codes, made so: pca=10,kmeans=10 as in the paper, or pca=2,quantile=5."),
    ] = None,
    fit_on: Annotated[
        str, typer.Option("--fit-on", metavar="all|FRACTION|FILE", help="Samples for the cells; the rest is counted.")
    ] = "all",
    pool: Annotated[PoolOption, typer.Option("--pool", help="What becomes of further axes.")] = PoolOption.AUTO,
    max_memory: Annotated[
        str | None,
        typer.Option("--max-memory", help="What a process may hold of layers; else 2GiB. More is read in pieces."),
    ] = None,
    device: Device = DeviceOption.CPU,
    shuffles: Annotated[
        int | None,
        typer.Option(
            "--shuffles", min=0, help="Shuffles of the labels for the null level: 20 with codes, otherwise 2."
        ),
    ] = None,
    uncertainty: Uncertainty = None,
    local: Annotated[
        Path | None, typer.Option("--local", metavar="FILE", help="Write the atoms of every sample, with ids, as .npz.")
    ] = None,
    by: By = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="FILE", help="Images of the samples; shows those with most left to learn."),
    ] = None,
    groups: Groups = None,
    target: Target = TargetOption.AUTO,
    units: Units = UnitsOption.BITS,
    n_jobs: Jobs = None,
    cluster: ClusterAddress = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Write report.html, audit.json, audit.csv; resume from there."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Audit saved activations, layer by layer.

    Information about the labels that teacher and student share, that only one of them has, that is left to distill.
    Labels and activations are of the same samples in the same order. With -o, an audit that was stopped resumes.
    """
    from contextlib import ExitStack

    from pidkd.quantize import Quantizer
    from pidkd.runs.cluster import on_cluster
    from pidkd.runs.output import check_folder, check_output, holding

    teachers = _teachers(teacher)
    if pairs and all_pairs:
        raise InputError("--pair, --all-pairs", "one of them", "both")
    outputs = [] if out is None else [out / name for name in ("audit.json", "audit.csv", "report.html", "by.csv")]
    for path in (*outputs, *([] if local is None else [local])):
        check_output(path, force)
    if out is not None:
        check_folder(out)
    with option("--quantize"):
        quantizer = None if quantize is None else Quantizer.from_text(quantize, seed=seed)
    with ExitStack() as held, progress_bar("auditing") as progress:
        if out is not None:
            held.enter_context(holding(out))
        held.enter_context(on_cluster("audit --cluster", cluster))
        report = pidkd.audit(
            teachers,
            student,
            y,
            "all" if all_pairs else [_pair(text) for text in pairs] if pairs else None,
            checkpoints=_named("--checkpoint", checkpoints or []),
            baseline=baseline,
            estimator=named_estimator(estimator, param),
            quantize=quantizer,
            fit_on=_number(fit_on),
            pool=pool.value,
            shuffles=shuffles,
            uncertainty="auto" if uncertainty is None else uncertainty_methods(uncertainty),
            local=local is not None,
            by=by,
            images=images,
            max_memory=None if max_memory is None else number_of_bytes("--max-memory", max_memory),
            device=device.value,
            n_jobs=n_jobs,
            seed=seed,
            units=units.value,
            groups=groups,
            target=target.value,
            resume=None if out is None else out / "finished",
            progress=progress,
        )
        written = [] if out is None else report.write(out, force)
    if local is not None:
        _write_local(report, local, teachers, y, force)
    if as_json:
        print_json(report.to_dict())
    else:
        stdout().print(report)
    if written:
        say(f"wrote {', '.join(written)}")


def _write_local(report: AuditReport, path: Path, teachers: str | dict[str, str], labels: Path, force: bool) -> None:
    """Write the atoms of every sample with its label, and its id where the first teacher's file has ids."""
    import numpy as np

    from pidkd.files.reading import IDS, read_labels, stored

    first = teachers if isinstance(teachers, str) else next(iter(teachers.values()))
    ids = stored(first, first, IDS)
    about = {"labels": read_labels(labels, "--labels"), "ids": np.arange(report.n_samples) if ids is None else ids}
    with option("--local"):
        report.write_local(path, force, **about)


def _pair(text: str) -> tuple[str, str]:
    teacher, colon, student = text.partition(":")
    if not (teacher and colon and student) or ":" in student:
        raise InputError("--pair", "TEACHER_LAYER:STUDENT_LAYER", quote(text))
    return teacher, student


def _teachers(texts: Sequence[str]) -> str | dict[str, str]:
    """The file of one teacher, or files of several by name."""
    if len(texts) == 1 and ("=" not in texts[0] or Path(texts[0]).exists()):
        return texts[0]
    return _named("--teacher", texts)


def _named(option: str, texts: Sequence[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not (name and equals and file) or name in named:
            raise InputError(option, "NAME=FILE, each name once", quote(text))
        named[name] = file
    return named


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
