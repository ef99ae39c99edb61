"""Errors and warnings, in the caller's words.

Every message has one shape, ``<where>: expected <this>, got <that>[; what to do]``, where ``where`` is the call,
argument, file or option as the user wrote it.
"""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import enum
import importlib
import numbers
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import PurePath
from typing import Any, Self

import numpy as np

QUOTED = 80
"""Letters of a value that a message quotes at most."""


def quote(value: object, most: int = QUOTED) -> str:
    """Any value as messages quote it: one line of at most ``most`` letters, of which no more than that is built.

    Arrays and frames are named by their type and shape, what is no plain value by its type.

    Examples
    --------
    >>> quote("hot"), quote([1, 2.5, None])
    ("'hot'", '[1, 2.5, None]')
    >>> import numpy as np
    >>> quote({"a": np.zeros((2, 3))})
    "{'a': ndarray of float64, shape (2, 3)}"
    >>> len(quote(["x" * 10**6] * 10**6))
    80
    """
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > most:
            return f"{text[: most - 3]}..."
    return text


def _pieces(value: Any) -> Iterator[str]:
    """The text of a value, bit by bit: whoever has enough of it stops, whatever a nesting or a cycle would come to."""
    kind, name = type(value), type(value).__name__
    if isinstance(value, str | bytes | bytearray):
        yield repr(value[: QUOTED + 1])
    elif isinstance(value, int) and value.bit_length() > 4 * QUOTED:
        yield f"an integer of {value.bit_length():,} bits"
    elif isinstance(value, PLAIN):
        yield " ".join(repr(value).split())
    elif hasattr(kind, "shape") and hasattr(kind, "ndim"):
        yield f"{name} of {f'{value.dtype}, ' if hasattr(kind, 'dtype') else ''}shape {tuple(value.shape)}"
    elif isinstance(value, Mapping):
        yield from _joined("{", (chain(_pieces(key), [": "], _pieces(value[key])) for key in value), "}")
    elif isinstance(value, list):
        yield from _joined("[", map(_pieces, value), "]")
    elif isinstance(value, tuple):
        yield from _joined("(", map(_pieces, value), ",)" if len(value) == 1 else ")")
    elif isinstance(value, set | frozenset) and value:
        yield from _joined("{", map(_pieces, value), "}")
    elif dataclasses.is_dataclass(value):
        members = (chain([f"{f.name}="], _pieces(getattr(value, f.name, None))) for f in dataclasses.fields(value))
        yield from _joined(f"{name}(", members, ")")
    else:
        yield f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


PLAIN = (numbers.Number, np.generic, type(None), type(...), type, range, enum.Enum, PurePath, datetime.date)
"""Types that print themselves shortly."""


def _joined(start: str, members: Iterable[Iterable[str]], end: str) -> Iterator[str]:
    yield start
    for i, member in enumerate(members):
        yield ", " if i else ""
        yield from member
    yield end


class Argument(str):
    """An argument of a call as the place of an error: the text that a message shows, with its parts as fields.

    Parameters
    ----------
    owner : str
        The call, or the object that has the parameter.
    name : str
        Name of the argument; of several, all of them, separated by ", ".
    value : str, optional
        Value of the argument, where the message shows it.

    Examples
    --------
    >>> place = Argument("audit", "teacher")
    >>> place, place.owner, place.name
    ('audit(teacher)', 'audit', 'teacher')
    >>> Keyword("audit", "pool"), Parameter("broja", "tol")
    ('audit(..., pool)', 'broja(tol=...)')
    >>> Keyword("decompose", "estimator", "gaussian")
    "decompose(..., estimator='gaussian')"
    """

    FORM = "{owner}({name})"

    owner: str
    name: str
    value: str | None

    def __new__(cls, owner: str, name: str, value: str | None = None) -> Self:
        """Compose the text of a message from owner, name and value."""
        shown = name if value is None else f"{name}={quote(value)}"
        place = super().__new__(cls, cls.FORM.format(owner=owner, name=shown))
        place.owner, place.name, place.value = owner, name, value
        return place

    def __getnewargs__(self) -> tuple[str, str, str | None]:  # type: ignore[override]
        return self.owner, self.name, self.value


class Keyword(Argument):
    """A keyword of a call."""

    FORM = "{owner}(..., {name})"


class Parameter(Argument):
    """A parameter of an estimator, a method or another object."""

    FORM = "{owner}({name}=...)"


UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move a cursor, end a line, turn the direction of text, or that UTF-8 cannot write."""


def printable(text: str) -> str:
    r"""The same text on one line, with the code of each character that a terminal or a file could not show.

    Examples
    --------
    >>> printable("layer\x1b[31m")
    'layer\\x1b[31m'
    """
    return UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def _shown(text: str, most: int = 600) -> str:
    """A part of a message on one line, of a very long one both ends."""
    if len(text) > most:
        text = f"{text[: most // 2]} ... {text[-most // 2 :]}"
    return printable(text)


def of_call(call: str, place: str) -> str:
    """The same argument as one of another call, where the place is an argument."""
    return type(place)(call, place.name) if isinstance(place, Argument) else place


class PidkdError(Exception):
    """Base of every error that pidkd raises on purpose."""


class InputError(PidkdError, ValueError):
    """Bad input: an argument, a file or an option that cannot be used as it is.

    Parameters
    ----------
    where : str or Argument
        The call, argument, file or option, as the user wrote it.
    expected, got : str
        What would have been right, and what was found.
    hint : str, optional
        What to do about it.

    Attributes
    ----------
    where, what : str
        The two halves of the message.
    """

    def __init__(self, where: str, expected: str, got: str, hint: str | None = None) -> None:
        self.where = where
        self.what = f"expected {_shown(expected)}, got {_shown(got)}" + (f"; {_shown(hint)}" if hint else "")
        super().__init__(f"{_shown(where)}: {self.what}")
        self._arguments: tuple[Any, ...] = (where, expected, got, hint)

    def at(self, where: str) -> Self:
        """The same error at another place: the one that the user wrote."""
        return type(self)(where, *self._arguments[1:])

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the constructor's arguments, so that the error survives the way out of a worker process."""
        return type(self), self._arguments


class IncompatibleInputError(InputError):
    """Good data of a kind that the chosen estimator does not accept."""


class UnknownNameError(InputError):
    """A name that is not known; the message lists those that are and suggests the nearest."""

    def __init__(self, where: str, kind: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name[:QUOTED], names, n=1, cutoff=0.5) if isinstance(name, str) else []
        hint = f"did you mean {near[0]!r}?" if near else None
        super().__init__(where, f"{kind}, one of {', '.join(names) or '(none)'}", quote(name), hint)
        self._arguments = (where, kind, name, tuple(names))


class MissingDependencyError(PidkdError, ImportError):
    """A feature needs a package of one of pidkd's extras, and it is not installed."""


class SolverError(PidkdError, RuntimeError):
    """A solver has no finite feasible answer; ``result`` holds what there is, or None."""

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class LostWorkersError(PidkdError, RuntimeError):
    """A worker, a scheduler or another rank of a run has gone; what is finished is kept."""


class DivergenceError(PidkdError, ArithmeticError):
    """A loss is no longer a finite number: training has stopped."""


class PidkdWarning(UserWarning):
    """Base of every warning that pidkd gives."""


class ConvergenceWarning(PidkdWarning):
    """A result is certified less tightly than asked; its certificate says how tightly, and what to try."""


class SmallSampleWarning(PidkdWarning):
    """Too few samples for the size of the table: plug-in atoms are biased."""


class AlignmentWarning(PidkdWarning):
    """No layer tells more of the labels than of shuffled ones: the rows may belong to other samples."""


class DataWarning(PidkdWarning):
    """Samples of a data set are left out, or their order is not known."""


class CheckpointWarning(PidkdWarning):
    """A checkpoint is damaged, and the one before it is used."""


class WeightsWarning(PidkdWarning):
    """Weights were not loaded as they are in the file: names were shortened, or entries were left out."""


class TrainingWarning(PidkdWarning):
    """The log of a run shows a fault that costs accuracy; the message names the remedy."""


class NegativeAtomWarning(PidkdWarning):
    """An atom is negative beyond the certified gap; it is reported as it is."""


def import_extra(module: str, extra: str, needed_by: str) -> Any:
    """Import a module of an optional dependency, or say which extra to install.

    Raises
    ------
    MissingDependencyError
        When ``module`` is not installed. A package that is there but broken raises its own ImportError.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MissingDependencyError(
            f"{needed_by}: expected the package {package!r}, got an environment without it; "
            f"it is of the extra pidkd[{extra}]; in a checkout: pip install -e '.[{extra}]'"
        ) from error


def reason(error: Exception) -> str:
    """Cause of an error of another library, on one line of at most 120 letters."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return textwrap.shorten(next(iter(text.split("\n")), ""), 120, placeholder="...") or type(error).__name__


def unwritable(where: str, error: Exception) -> InputError:
    """Refusal of a place where nothing can be written, with the reason of the system."""
    return InputError(where, "a place that can be written to", f"the error {reason(error)!r}")


NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
"""A number in a warning: texts that differ in numbers only are of one kind."""


def one_of_each_kind(texts: Iterable[str]) -> list[str]:
    """Warnings of which those that differ in numbers only are one: the worst, with the number of its like.

    Examples
    --------
    >>> one_of_each_kind(["5 samples are few", "7 samples are few", "not certified"])
    ['7 samples are few (the worst of 2 such warnings)', 'not certified']
    """
    kinds: dict[str, list[str]] = {}
    for text in texts:
        kinds.setdefault(NUMBER.sub("#", text), []).append(text)
    folded = []
    for alike in kinds.values():
        which = "" if len(set(alike)) == 1 else "the worst of "
        folded.append(max(alike, key=_largest) + (f" ({which}{len(alike)} such warnings)" if len(alike) > 1 else ""))
    return folded


def _largest(text: str) -> float:
    """Largest number in a warning, by which it is compared to its like."""
    return max((abs(float(number.replace(",", ""))) for number in NUMBER.findall(text)), default=0.0)
