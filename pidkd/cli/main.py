"""The command line: ``pidkd.cli.commands`` together, and how they end.

Exit status 0, 2 with one line on stderr for bad input, 1 for a fault of ours. Machine output goes to stdout, whatever
else there is to say to stderr. Each command imports what it needs when it runs, so that help is quick.
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import pidkd
from pidkd.cli.commands.audit import audit
from pidkd.cli.commands.bench import bench
from pidkd.cli.commands.capture import capture
from pidkd.cli.commands.decompose import decompose
from pidkd.cli.commands.demo import demo
from pidkd.cli.commands.list import list_
from pidkd.cli.commands.mi import mi
from pidkd.cli.commands.train import train
from pidkd.cli.console import say
from pidkd.errors import InputError, MissingDependencyError, PidkdError, PidkdWarning

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
    "train(device)": "device",
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


app.command()(decompose)
app.command()(audit)
app.command()(mi)
app.command("list")(list_)
app.command()(bench)
app.command()(demo)
app.command()(train)
app.command()(capture)


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
