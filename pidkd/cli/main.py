"""The command line: ``pidkd.cli.commands`` together, and how they end.

Exit status 0, 2 with one line on stderr for bad input, 1 for a fault of ours. Machine output goes to stdout, whatever
else there is to say to stderr. Each command imports what it needs when it runs, so that help is quick.
"""

from __future__ import annotations

import errno
import io
import itertools
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

import pidkd
from pidkd._starting import INTERRUPTED, SIGNALS, UNTOUCHED
from pidkd.cli.console import say
from pidkd.errors import (
    Argument,
    InputError,
    MissingDependencyError,
    Parameter,
    PidkdError,
    PidkdWarning,
    quote,
    unwritable,
)
from pidkd.registry import Registry

# By its version, typer takes click's exceptions from click or from a copy of its own; this is the one that it raises.
ClickException: type[Any] = typer.BadParameter.__mro__[2]

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Why standard output may take no more."""

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
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


COMMANDS = Registry("a command", "pidkd.cli.commands", "pidkd.commands", "a function command", "command")
"""Commands by name, those of other packages included."""

for _name in COMMANDS.names():
    app.command(_name)(COMMANDS.get(_name))


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
        with warnings.catch_warnings(), _stoppable():
            warnings.simplefilter("always", PidkdWarning)
            warnings.showwarning = lambda message, *_, **__: say(f"{name}: warning: {message}")
            _check_words(given)
            status = int(app(given, standalone_mode=False, prog_name="pidkd") or 0)
            sys.stdout.flush()
            return _fail(name, "interrupted", status) if status == INTERRUPTED else status
    except ClickException as error:
        return _fail(name, error.format_message(), 2)
    except InputError as error:
        return _fail(name, str(error.at(_as_written(error.where, commands.get(given[0])))), 2)
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
            return _fail(name, str(unwritable("output", error)), 2)
        if isinstance(error, OSError) and error.filename is not None:  # whatever a system refuses to do with a name
            got = quote(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else "a file"
            return _fail(name, f"{got}: expected a file or folder that can be used, got {error.strerror}", 2)
        traceback.print_exc()
        return _fail(name, "this is a fault of pidkd, not of your input; please report it", 1)


def _check_words(words: Sequence[str]) -> None:
    """Refuse empty words, as of variables that are not set: the name of a file would be that of the present folder."""
    for before, word in itertools.pairwise(words):
        if not word or (word.startswith("--") and word.endswith("=")):
            where = word.rstrip("=") or f"the word after {before}"
            raise InputError(where, "a value", "an empty one", "leave it out, or set the variable that it comes from")


@contextmanager
def _stoppable() -> Iterator[None]:
    """Treat the signals of a batch system and of a closed terminal as Ctrl-C, unless told to ignore them."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    heard = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in SIGNALS if heard}
    before = {number: handler for number, handler in before.items() if handler in UNTOUCHED}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_written(place: str, command: Any) -> str:
    """The place of an error as the user of a command wrote it: options in place of arguments."""
    options = {option.name: _flag(option) for option in getattr(command, "params", ())}
    if isinstance(place, Parameter) and "param" in options and place.owner[:1].islower():  # an estimator, no class
        return f"--param {place.name}"
    names = place.name.split(", ") if isinstance(place, Argument) else [""]
    if not all(name in options for name in names):  # what is no option of a command may be a key of its configuration
        return place.name if "config" in options and isinstance(place, Argument) and place.owner == "train" else place
    value = getattr(place, "value", None)
    return ", ".join(options[name] for name in names) + ("" if value is None else f" {value}")


def _flag(option: Any) -> str:
    """The long flag of an option, or the name in capitals of a positional argument."""
    if option.param_type_name == "option":
        return str(max(option.opts, key=len))
    return str(option.metavar or option.name.upper())


def _leave_stdout() -> None:
    """Replace standard output by the null device, so that the interpreter does not flush it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(name: str, message: str, status: int) -> int:
    say(f"{name}: {' '.join(message.splitlines())}")
    return status
