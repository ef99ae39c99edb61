"""The command line: thin commands over the functions of the same name.

Exit status 0, 2 with one line on stderr for bad input, 1 for a fault of ours. Machine output goes to stdout, whatever
else there is to say to stderr. Each command imports what it needs when it runs, so that help is quick.
"""

from __future__ import annotations

import ast
import errno
import io
import os
import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

import pidkd
from pidkd import cli_distill
from pidkd.console import print_json, progress_bar, say, stdout
from pidkd.errors import InputError, MissingDependencyError, PidkdError, PidkdWarning

if TYPE_CHECKING:
    from pidkd.estimator import PIDEstimator

# By its version, typer takes click's exceptions from click or from a copy of its own; this is the one that it raises.
ClickException: type[Any] = typer.BadParameter.__mro__[2]

AS_WRITTEN = {
    "Quantizer(n_clusters)": "--quantize kmeans",
    "Quantizer(n_components)": "--quantize pca",
    "Quantizer.from_text(text)": "--quantize",
    "audit(..., checkpoints)": "--checkpoint",
    "audit(..., fit_on)": "--fit-on",
    "audit(..., n_jobs)": "--jobs",
    "audit(..., pairs)": "--pair",
    "capture(taps)": "--tap",
    "configuration": "CONFIG",
    "decompose(s)": "--s",
    "decompose(t)": "--t",
    "decompose(y)": "--y",
    "decompose(y, t, s)": "--y, --t, --s",
    "estimator=": "--estimator",
    "kind=": "--kind",
    "mutual_information(x)": "X",
    "mutual_information(x, y)": "X, Y",
    "mutual_information(y)": "Y",
    "override": "KEY=VALUE",
    "train(processes)": "--processes",
    "write_local(path)": "--local",
}
"""What the functions call the options of the commands, where it is not by a rule."""

RULES = (
    (r"\w+\(\.\.\., estimator='(\w+)'\)", r"--estimator \1"),
    (r"\w+\(\.\.\., (\w+)\)", r"--\1"),
    (r"Quantizer\((\w+)\)", r"--quantize \1"),
    (r"(Bootstrap|Jackknife|Permutation)\(.*\)", "--uncertainty"),
    (r"\w+\((\w+)=\.\.\.\)", r"--param \1"),
)
"""The rules: patterns of what the functions say, and the options."""

INTERRUPTED = 130
"""The exit status after Ctrl-C."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Why standard output may take no more."""

app = typer.Typer(
    help="What does a teacher know about the task that its student does not? Information atoms with certificates.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class UnitsOption(StrEnum):
    """Units, as an option."""

    BITS = "bits"
    NATS = "nats"


class SizesOption(StrEnum):
    """Sizes of benchmark problems, as an option."""

    TINY = "tiny"
    SMALL = "small"
    FULL = "full"


class PoolOption(StrEnum):
    """What becomes of further axes, as an option."""

    FLATTEN = "flatten"
    MEAN = "mean"


class KindOption(StrEnum):
    """Kinds of estimator, as an option."""

    PID = "pid"
    MI = "mi"


class DeviceOption(StrEnum):
    """Where networks train, as an option."""

    CPU = "cpu"
    CUDA = "cuda"
    AUTO = "auto"


Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
Jobs = Annotated[int | None, typer.Option("--jobs", help="Processes; -1 for all cores. The result is the same.")]
Seed = Annotated[int, typer.Option("--seed", min=0)]
Units = Annotated[UnitsOption, typer.Option("--units")]
Estimator = Annotated[str, typer.Option("--estimator", help="One of 'pidkd list'; auto goes by the kind of data.")]
Param = Annotated[
    list[str] | None, typer.Option("--param", metavar="KEY=VALUE", help="A parameter of the estimator; repeatable.")
]
Uncertainty = Annotated[
    list[str] | None,
    typer.Option(
        "--uncertainty",
        metavar="METHOD",
        help="bootstrap[=N], jackknife, permutation[=N], or none: what sampling may have changed; repeatable.",
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pidkd {pidkd.__version__}")
        raise typer.Exit


@app.callback()
def _pidkd(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def decompose(
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
    as_json: Json = False,
) -> None:
    """Decompose a table of probabilities or counts, or samples."""
    from pidkd.activations import read_array
    from pidkd.inputs import Input, as_input

    samples = {"--y": y, "--t": t, "--s": s}
    given = [name for name, path in samples.items() if path is not None]
    if (file is None) != (len(given) == 3) or (file is not None and given):
        got = " ".join((["TABLE"] if file is not None else []) + given) or "nothing"
        raise InputError("input", "a TABLE, or all of --y, --t and --s", got)
    data: Input
    if file is not None:
        table = read_array(file, ("p", "counts"))
        try:
            data = pidkd.Pmf(table) if table.dtype.kind == "f" else pidkd.Pmf.from_counts(table)
        except InputError as error:
            raise error.at(str(file)) from error
    else:
        names = {"--y": ("y", "labels"), "--t": ("t", "teacher"), "--s": ("s", "student")}
        data = as_input(*(read_array(path, names[name]) for name, path in samples.items() if path is not None))
    result = pidkd.decompose(
        data,
        estimator=estimator,
        units=units.value,
        seed=seed,
        keep=tuple(keep or ()),
        uncertainty=_uncertainty(uncertainty or [], counted=isinstance(data, pidkd.Pmf | pidkd.Codes)),
        **_values(param),
    )
    if as_json:
        print_json(result.to_dict())
    else:
        stdout().print(str(result), markup=False)


@app.command()
def audit(
    labels: Annotated[Path, typer.Option("--labels", help="Labels, shape (n,): .npy, .npz, .pt, or .csv.")],
    teacher: Annotated[
        Path,
        typer.Option(
            "--teacher", help="Activations: .npz, .npy, .pt, .safetensors, .h5, .zarr, a folder of .npy or of shards."
        ),
    ],
    student: Annotated[Path, typer.Option("--student", help="Likewise.")],
    checkpoint: Annotated[
        list[str] | None,
        typer.Option("--checkpoint", metavar="NAME=FILE", help="The student at an earlier time; repeatable, in order."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Activations of a student that was not distilled.")
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option("--pair", metavar="T:S", help="Teacher layer and student layer; repeatable. Else equal names."),
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
    pool: Annotated[PoolOption, typer.Option("--pool", help="What becomes of further axes.")] = PoolOption.FLATTEN,
    max_memory: Annotated[
        str | None,
        typer.Option("--max-memory", help="What a process may hold of layers; else 2GiB. More is read in pieces."),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="Where classifiers learn: cpu, cuda, or auto.")] = "cpu",
    shuffles: Annotated[
        int | None, typer.Option("--shuffles", min=0, help="Audits with shuffled labels; 20 of codes, else 2.")
    ] = None,
    uncertainty: Uncertainty = None,
    local: Annotated[
        Path | None, typer.Option("--local", metavar="FILE", help="Write the atoms of every sample, with ids, as .npz.")
    ] = None,
    units: Units = UnitsOption.BITS,
    jobs: Jobs = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Write report.html, audit.json, audit.csv; resume from there."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Audit saved activations, layer by layer.

    What teacher and student both know about the labels, what only one of them knows, what is left to distill. Labels
    and activations are of the same samples in the same order. With -o, an audit that was stopped goes on where it was.
    """
    import numpy as np

    from pidkd.activations import check_output, read_labels, stored
    from pidkd.quantize import Quantizer

    if pair and all_pairs:
        raise InputError("--pair, --all-pairs", "one of them", "both")
    outputs = [] if out is None else [out / name for name in ("audit.json", "audit.csv", "report.html")]
    for path in (*outputs, *([] if local is None else [local])):
        check_output(path, force)
    cells = "pca=10,kmeans=10" if quantize is None and estimator not in ("auto", "posterior", "kmeans") else quantize
    quantizer = None if cells is None else Quantizer.from_text(cells, seed=seed)
    with progress_bar("auditing") as progress:
        report = pidkd.audit(
            teacher,
            student,
            labels,
            "all" if all_pairs else [_pair(text) for text in pair] if pair else None,
            checkpoints=_checkpoints(checkpoint or []),
            baseline=baseline,
            estimator=_estimator(estimator, param),
            quantize=quantizer,
            fit_on=_number(fit_on),
            pool=pool.value,
            shuffles=shuffles,
            uncertainty="auto" if uncertainty is None else _uncertainty(uncertainty),
            local=local is not None,
            max_memory=None if max_memory is None else _bytes("--max-memory", max_memory),
            device=device,
            n_jobs=jobs,
            seed=seed,
            units=units.value,
            resume=None if out is None else out / "finished",
            progress=progress,
        )
    if out is not None:
        report.write(out, force)
    if local is not None:
        ids = stored(teacher, str(teacher), ("ids",))
        about = {"labels": read_labels(labels, "--labels"), "ids": np.arange(report.n_samples) if ids is None else ids}
        report.write_local(local, force, **about)
    if as_json:
        print_json(report.to_dict())
    else:
        stdout().print(report)
    if out is not None:
        say(f"wrote {out / 'report.html'}, audit.json and audit.csv")


@app.command()
def mi(
    x: Annotated[Path, typer.Argument(metavar="X", help="Labels (n,) or floats (n, d): .npy, .npz, .csv.")],
    y: Annotated[Path, typer.Argument(metavar="Y", help="Likewise.")],
    estimator: Annotated[
        str, typer.Option("--estimator", help="One of 'pidkd list --kind mi'; auto goes by the kind of data.")
    ] = "auto",
    param: Param = None,
    device: Annotated[DeviceOption, typer.Option("--device", help="Where critics train.")] = DeviceOption.CPU,
    units: Units = UnitsOption.BITS,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Estimate the mutual information of two variables."""
    from pidkd.activations import read_array

    held = [read_array(path, (name.lower(),)) for name, path in (("X", x), ("Y", y))]
    result = pidkd.mutual_information(
        *held, estimator=estimator, units=units.value, seed=seed, device=device.value, **_values(param)
    )
    if as_json:
        print_json(result.to_dict())
    else:
        stdout().print(str(result), markup=False)


@app.command("list")
def list_(
    kind: Annotated[KindOption, typer.Option("--kind", help="pid: decompositions, mi: mutual information.")] = (
        KindOption.PID
    ),
    as_json: Json = False,
) -> None:
    """List the estimators: what they compute, accept and need."""
    from pidkd.report import estimator_rows, estimators_table

    rows = estimator_rows(kind.value)
    if as_json:
        print_json(rows)
    else:
        stdout().print(estimators_table(rows))


@app.command()
def bench(
    families: Annotated[list[str] | None, typer.Argument(metavar="[FAMILY]...", help="Problems; else all.")] = None,
    estimators: Annotated[
        list[str] | None,
        typer.Option(
            "--estimator",
            help="A name, a pattern or package.module:Class, as in 'kmeans(n_clusters=20)' or broja@cuda; repeatable.",
        ),
    ] = None,
    peers: Annotated[bool, typer.Option("--peers", help="Other implementations, too.")] = False,
    sizes: Annotated[SizesOption, typer.Option("--sizes", help="The largest problems.")] = SizesOption.SMALL,
    device: Annotated[str, typer.Option("--device", help="cuda: those that know it run there, too.")] = "cpu",
    time_limit: Annotated[float, typer.Option("--time-limit", help="Seconds for each run.")] = 60.0,
    memory_limit: Annotated[str, typer.Option("--memory-limit", help="For each run.")] = "8GiB",
    repeats: Annotated[int, typer.Option("--repeats", help="Runs whose median is taken.")] = 5,
    jobs: Annotated[int, typer.Option("--jobs", help="Runs at a time; more than one disturb each other.")] = 1,
    peer_path: Annotated[
        Path | None, typer.Option("--peer-path", help="A folder with peers that are on no registry.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="The record, JSON lines; goes on where it was.")
    ] = None,
    page: Annotated[Path | None, typer.Option("--page", metavar="FILE", help="Write a page with pictures.")] = None,
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record, a JSON object a line.")] = False,
) -> None:
    """Compare estimators: error, certified gap, CPU time, memory. Problems have known truth."""
    from pidkd.benchmarks.page import write_page
    from pidkd.benchmarks.run import run_benchmark
    from pidkd.benchmarks.tables import benchmark_table, speedup_table

    with progress_bar("benchmarking") as progress:
        record = run_benchmark(
            families or (),
            estimators=estimators,
            peers=peers,
            sizes=sizes.value,
            device=device,
            time_limit=time_limit,
            memory_limit=_bytes("--memory-limit", memory_limit) / 2**20,
            repeats=repeats,
            n_jobs=jobs,
            out=out,
            force=force,
            peer_path=peer_path,
            progress=progress,
        )
    if page is not None:
        write_page(record.head, record.rows, page, force=force)
    if as_json:
        sys.stdout.writelines(f"{line}\n" for line in record.lines())
        return
    for family in dict.fromkeys(row.family for row in record.rows):
        rows = [row for row in record.rows if row.family == family]
        stdout().print(benchmark_table(rows))
        if (faster := speedup_table(rows)).row_count:
            stdout().print(faster)


@app.command()
def demo(
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Where files go; pidkd-demo, which is rewritten.")
    ] = None,
    force: Force = False,
    skip_training: Annotated[
        bool, typer.Option("--skip-training", help="Only what needs no torch: seconds instead of minutes.")
    ] = False,
    jobs: Jobs = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train networks on handwritten digits and audit them; with torch, distill students, too."""
    from pidkd.distill.audits.demo import demonstrate

    # A folder that nobody named is the demonstration's own.
    folder, force = out or Path("pidkd-demo"), force or out is None
    with progress_bar("training and auditing") as progress:
        demonstration = demonstrate(folder, force=force, seed=seed, n_jobs=jobs, progress=progress)
    found = demonstration.to_dict()
    if not as_json:
        stdout().print(demonstration)
    if not skip_training:
        distilled = cli_distill.demonstrate(folder / "training", force, seed)
        found["training"] = None if distilled is None else distilled.to_dict()
        if distilled is not None and not as_json:
            stdout().print("", distilled)
    if as_json:
        print_json(found)


app.command()(cli_distill.train)
app.command()(cli_distill.capture)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    name = f"pidkd {given[0]}" if given[0] in commands else "pidkd"
    for closed in ("stdout", "stderr"):
        if getattr(sys, closed) is None:  # by whoever started us
            setattr(sys, closed, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (open to the end)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # where a terminal lacks a character, its code is shown
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", PidkdWarning)
            warnings.showwarning = lambda message, *_, **__: say(f"{name}: warning: {message}")
            status = int(app(given, standalone_mode=False, prog_name="pidkd") or 0)
            sys.stdout.flush()
            return _fail(name, "interrupted", status) if status == INTERRUPTED else status
    except ClickException as error:
        return _fail(name, error.format_message(), 2)
    except InputError as error:
        return _fail(name, str(error.at(_as_written(error.where))), 2)
    except MissingDependencyError as error:
        return _fail(name, str(error), 2)
    except PidkdError as error:
        return _fail(name, str(error), 1)
    except (typer.Abort, KeyboardInterrupt):
        return _fail(name, "interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone, and so has whoever would read a message
        _leave_stdout()
        return 1
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            _leave_stdout()
            return _fail(name, f"output: expected a place that can be written to, got {error.strerror}", 2)
        traceback.print_exc()
        return _fail(name, "this is a fault of pidkd, not of your input; please report it", 1)


def _as_written(where: str) -> str:
    """A place as the user of a command wrote it, where the functions call it otherwise."""
    for rule, option in RULES if where not in AS_WRITTEN else ():
        if found := re.fullmatch(rule, where):
            return found.expand(option)
    return AS_WRITTEN.get(where, where)


def _leave_stdout() -> None:
    """What could not be written is not tried again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(name: str, message: str, status: int) -> int:
    say(f"{name}: {' '.join(message.splitlines())}")
    return status


def _estimator(name: str, params: Sequence[str] | None) -> str | PIDEstimator:
    """The estimator with its parameters."""
    if not params:
        return name
    if name == "auto":  # which goes by the layers: some are codes, others activations
        raise InputError("--param", "--estimator NAME beside it", "none")
    return cast("PIDEstimator", pidkd.get_estimator(name)().with_params(**_values(params)))


def _uncertainty(texts: Sequence[str], counted: bool = True) -> list[Any] | None:
    """Methods by name; a bootstrap corrects for bias, of what is counted by shuffles."""
    if list(texts) == ["none"]:
        return None
    methods: list[Any] = []
    for text in texts:
        found = re.fullmatch(r"(bootstrap|permutation)(?:=(\d+))?|jackknife", text)
        if found is None:
            raise InputError("--uncertainty", "bootstrap[=N], jackknife, permutation[=N], or none alone", repr(text))
        options: dict[str, Any] = {"n": int(found[2])} if found[2] else {}
        if found[1] == "bootstrap":
            methods.append(pidkd.Bootstrap(**options, bias="shuffle" if counted else "extrapolation"))
        else:
            methods.append(pidkd.Permutation(**options) if found[1] else pidkd.Jackknife())
    return methods or None


def _values(params: Sequence[str] | None) -> dict[str, Any]:
    """Parameters by name, each value read as a Python literal or else as text."""
    from pidkd.estimator import RESERVED

    values: dict[str, Any] = {}
    for text in params or ():
        key, equals, value = text.partition("=")
        if not key.isidentifier() or not equals:
            raise InputError("--param", "KEY=VALUE", repr(text))
        if key in (*RESERVED, "x"):
            raise InputError("--param", "a parameter of the estimator", key)
        try:
            values[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            values[key] = value
    return values


def _pair(text: str) -> tuple[str, str]:
    teacher, colon, student = text.partition(":")
    if not (teacher and colon and student) or ":" in student:
        raise InputError("--pair", "TEACHER_LAYER:STUDENT_LAYER", repr(text))
    return teacher, student


def _checkpoints(texts: Sequence[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not (name and equals and file) or name in named:
            raise InputError("--checkpoint", "NAME=FILE, each name once", repr(text))
        named[name] = file
    return named


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _bytes(option: str, text: str) -> int:
    """A number of bytes from text such as 500MB or 2GiB."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B?", text.strip())
    if found is None or float(found[1]) == 0:
        raise InputError(option, "a number of bytes such as 500MB or 2GiB", repr(text))
    return int(float(found[1]) * (1024 if found[3] else 1000) ** " kMGT".index(found[2] or " "))
