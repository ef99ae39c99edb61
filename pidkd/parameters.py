"""What a parameter may be, said next to it: ``tol: Annotated[float, Positive("a gap in bits")] = 1e-9``.

Whatever is made of parameters derives from ``Parameterised``: its constructor refuses keywords that it does not know,
and ``check_params`` refuses values that their constraints do not accept. The documentation prints the constraints, and
the contract tests make invalid values of them.
"""

from __future__ import annotations

import abc
import difflib
import functools
import inspect
import math
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from pidkd.errors import InputError, Parameter, UnknownNameError, quote


class Constraint(abc.ABC):
    """What a parameter may be."""

    @property
    @abc.abstractmethod
    def expected(self) -> str:
        """The accepted values in words, as messages and the documentation say them."""

    @abc.abstractmethod
    def accepts(self, value: Any) -> bool:
        """Whether a value can be used."""

    @abc.abstractmethod
    def invalid(self) -> list[Any]:
        """Values of several types that it does not accept, for tests."""

    def check(self, where: str, value: Any) -> None:
        """Refuse a value that it does not accept; ``where`` names the parameter."""
        if not self.accepts(value):
            raise InputError(where, self.expected, quote(value), self.hint(value))

    def hint(self, value: Any) -> str | None:
        """Advice on a value that is not accepted."""
        return None


OTHER_TYPES: tuple[Any, ...] = (None, "hot", "", True, [1], (), {}, np.arange(2), np.zeros((2, 2)), object)
"""Values of types that few parameters have."""


@dataclass(frozen=True)
class Number(Constraint):
    """A real number between two ends, of which a bracket includes its own; an infinite one is a number if included."""

    what: str = "a number"
    low: float = -math.inf
    high: float = math.inf
    ends: Literal["()", "[)", "(]", "[]"] = "()"

    @property
    def expected(self) -> str:
        """The interval, in words where one end is infinite."""
        if math.isinf(self.high):
            sign = "=" if self.ends[0] == "[" else ""
            return self.what if math.isinf(self.low) else f"{self.what} >{sign} {self.low:g}"
        return f"{self.what} in {self.ends[0]}{self.low:g}, {self.high:g}{self.ends[1]}"

    def accepts(self, value: Any) -> bool:
        """Whether it is a number, by its type, inside the interval; NaN is none."""
        if not is_number(value) or (is_integer(value) and abs(value) > sys.float_info.max):
            return False
        above = value > self.low or (self.ends[0] == "[" and value == self.low)
        return bool(above and (value < self.high or (self.ends[1] == "]" and value == self.high)))

    def invalid(self) -> list[Any]:
        """Beyond both ends, no number, or of another type."""
        beyond = [-math.inf, math.inf, self.low - 1, self.high + 1, self.low, self.high, 10**400]
        return [value for value in (math.nan, *beyond, *OTHER_TYPES) if not self.accepts(value)]


@dataclass(frozen=True)
class Positive(Number):
    """A number above 0; ``Positive("seconds")``."""

    low: float = 0.0


@dataclass(frozen=True)
class NonNegative(Number):
    """A number of at least 0."""

    low: float = 0.0
    ends: Literal["()", "[)", "(]", "[]"] = "[)"


@dataclass(frozen=True)
class Fraction(Number):
    """A part of a whole, from 0 to 1 with both ends unless told otherwise."""

    low: float = 0.0
    high: float = 1.0
    ends: Literal["()", "[)", "(]", "[]"] = "[]"


@dataclass(frozen=True)
class Level(Fraction):
    """A probability other than 0 and 1, as of an interval."""

    what: str = "a probability"
    ends: Literal["()", "[)", "(]", "[]"] = "()"

    @property
    def expected(self) -> str:
        """The interval in words."""
        return f"{self.what} between 0 and 1"


@dataclass(frozen=True)
class Whole(Constraint):
    """A whole number of at least ``least``, and at most ``most``: of a count, what still ends within reason."""

    least: int = 0
    most: int | None = None

    @property
    def expected(self) -> str:
        """Both ends."""
        if self.most is None:
            return f"a whole number >= {self.least}"
        return f"a whole number from {self.least} to {self.most:,}"

    def accepts(self, value: Any) -> bool:
        """Whether it is a whole number by its type, and between the ends."""
        return is_integer(value) and value >= self.least and (self.most is None or value <= self.most)

    def invalid(self) -> list[Any]:
        """Beyond the ends, between whole numbers, or of another type."""
        beyond = [self.least - 1, *([] if self.most is None else [self.most + 1, 10**400])]
        return [*beyond, self.least + 0.5, math.nan, math.inf, *OTHER_TYPES]


@dataclass(frozen=True)
class Choice(Constraint):
    """One of some words or numbers."""

    values: tuple[Any, ...]

    @property
    def expected(self) -> str:
        """All of them."""
        return f"one of {', '.join(map(repr, self.values))}"

    def accepts(self, value: Any) -> bool:
        """Whether it is one of them, by type and value."""
        return any(isinstance(value, type(choice)) and value == choice for choice in self.values)

    def hint(self, value: Any) -> str | None:
        """The word that looks most like it."""
        near = difflib.get_close_matches(value[:80], map(str, self.values), n=1) if isinstance(value, str) else []
        return f"did you mean {near[0]!r}?" if near else None

    def invalid(self) -> list[Any]:
        """Another word, or of another type."""
        return [value for value in ("no such choice", 10**400, math.nan, *OTHER_TYPES) if not self.accepts(value)]


@dataclass(frozen=True)
class OfType(Constraint):
    """A value of a type: a flag, a text."""

    type: type | tuple[type, ...]
    what: str

    @property
    def expected(self) -> str:
        """The type in words."""
        return self.what

    def accepts(self, value: Any) -> bool:
        """Whether it is of the type."""
        return isinstance(value, self.type)

    def invalid(self) -> list[Any]:
        """Of other types."""
        return [value for value in (0, 1.5, math.nan, *OTHER_TYPES) if not self.accepts(value)]


FLAG = OfType((bool, np.bool_), "True or False")
TEXT = OfType(str, "text")


@dataclass(frozen=True)
class With(Constraint):
    """An object that has a method."""

    method: str
    what: str

    @property
    def expected(self) -> str:
        """What it is, and its method."""
        return f"{self.what} with {self.method}"

    def accepts(self, value: Any) -> bool:
        """Whether it has the method, and is no class."""
        return not isinstance(value, type) and callable(getattr(value, self.method, None))

    def invalid(self) -> list[Any]:
        """Without it."""
        return [1, *OTHER_TYPES]


@dataclass(frozen=True)
class OrNone(Constraint):
    """None, or what another constraint accepts."""

    inner: Constraint

    @property
    def expected(self) -> str:
        """The other's, or None."""
        return f"{self.inner.expected}, or None"

    def accepts(self, value: Any) -> bool:
        """Whether it is None, or accepted by the other."""
        return value is None or self.inner.accepts(value)

    def hint(self, value: Any) -> str | None:
        """The other's."""
        return self.inner.hint(value)

    def invalid(self) -> list[Any]:
        """The other's, without None."""
        return [value for value in self.inner.invalid() if value is not None]


@dataclass(frozen=True)
class Several(Constraint):
    """A list or tuple, or with ``named`` a mapping from names, of what another constraint accepts."""

    inner: Constraint
    named: bool = False

    @property
    def expected(self) -> str:
        """What each must be."""
        return f"{'a mapping from names to values' if self.named else 'a list'}, each {self.inner.expected}"

    def accepts(self, value: Any) -> bool:
        """Whether each member is accepted."""
        if self.named:
            return isinstance(value, Mapping) and all(map(self.inner.accepts, value.values()))
        return isinstance(value, list | tuple) and all(map(self.inner.accepts, value))

    def invalid(self) -> list[Any]:
        """No such collection, or one of invalid members."""
        members = [{"a": value} if self.named else [value] for value in self.inner.invalid()]
        return [value for value in (3, *members, *OTHER_TYPES) if not self.accepts(value)]


PLAIN: dict[Any, Constraint] = {bool: FLAG, int: Whole(), float: Number(), str: TEXT}


def constraint_of(hint: Any) -> Constraint | None:
    """The constraint that an annotation says, or None where anything goes."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        said = [one for one in arguments[1:] if isinstance(one, Constraint)]
        return said[0] if said else constraint_of(arguments[0])
    if origin is Literal:
        return Choice(arguments)
    if origin in (typing.Union, types.UnionType):
        inner = [constraint_of(argument) for argument in arguments if argument is not type(None)]
        if len(inner) != 1 or inner[0] is None:
            return None
        return OrNone(inner[0]) if len(arguments) > 1 else inner[0]
    if origin is tuple and arguments[-1] is Ellipsis:
        return Several(member) if (member := constraint_of(arguments[0])) else None
    if origin in (list, Sequence):
        return Several(member) if (member := constraint_of(arguments[0])) else None
    if isinstance(origin, type) and issubclass(origin, Mapping):
        member = constraint_of(arguments[1])
        return Several(member, named=True) if member else OfType(Mapping, "a mapping")
    return PLAIN.get(hint)


@functools.cache
def constraints(of: Any) -> Mapping[str, Constraint]:
    """Constraints of the parameters of a class or a function, by name; those of which anything goes are left out."""
    annotated = of if inspect.isfunction(of) or hasattr(of, "__dataclass_fields__") else of.__init__
    hints = _hints(annotated)
    said = {name: constraint_of(hints.get(name, Any)) for name in parameter_names(of)}
    return {name: constraint for name, constraint in said.items() if constraint is not None}


def check_options(place: str, of: Any, options: Mapping[str, Any]) -> None:
    """Refuse options of a function that it does not have, or whose constraints do not accept them.

    Parameters
    ----------
    place : str
        The function, as the user named it.
    of : function
        Its parameters without a default are no options.
    options : mapping

    Raises
    ------
    UnknownNameError
        When there is no such option; the message lists those there are.
    InputError
        When a value cannot be used; the message names the option.
    """
    defaults = inspect.signature(of).parameters
    known = [name for name in parameter_names(of) if defaults[name].default is not inspect.Parameter.empty]
    for name, value in options.items():
        if name not in known:
            raise UnknownNameError(place, "an option", name, known)
        if name in constraints(of):
            constraints(of)[name].check(f"{place}: {name}", value)


class _Unknown:
    """A type that exists only while types are checked."""

    def __class_getitem__(cls, item: Any) -> type:
        return cls


def _hints(annotated: Any) -> dict[str, Any]:
    """Annotations with what they say. Names that exist only while types are checked stand for anything."""
    unknown: dict[str, type] = {}
    while True:
        try:
            return typing.get_type_hints(annotated, localns=unknown or None, include_extras=True)
        except NameError as error:
            if error.name is None or error.name in unknown:
                raise
            unknown[error.name] = _Unknown


def parameter_names(of: Any) -> list[str]:
    """Names of the parameters of a class or a function, in order; those of ``*args`` and ``**kwargs`` are none."""
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    given = list(inspect.signature(of).parameters.values())
    return [parameter.name for parameter in given if parameter.kind not in variable]


class _ConstructorSignature:
    """The signature of a class is that of its own constructor, not of the ``__new__`` that checks keywords."""

    def __get__(self, instance: object, owner: type[Any]) -> inspect.Signature:
        signature = inspect.signature(owner.__init__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])


class Parameterised:
    """Base of what is made of parameters with constraints.

    Its constructor refuses unknown keywords. Unknown values are refused by ``check_params``, which a class calls in its
    constructor or, as estimators do, before each run.
    """

    __signature__ = _ConstructorSignature()

    def __new__(cls, *args: Any, **params: Any) -> Self:
        """An instance, unless a keyword is unknown or there are too many values.

        Raises
        ------
        UnknownNameError
            When there is no such parameter; the message lists those there are.
        InputError
            When there are more values than parameters.
        """
        known = parameter_names(cls)
        for name in params:
            if name not in known:
                raise UnknownNameError(cls._named(quote(name)[1:-1]), "a parameter", name, known)
        if len(args) > len(known):
            raise InputError(cls._called(), f"at most {len(known)} parameters", f"{len(args)} values")
        return super().__new__(cls)

    @classmethod
    def _called(cls) -> str:
        """The name in messages."""
        return cls.__name__

    def check_params(self) -> None:
        """Refuse values that their constraints do not accept. What several parameters must keep together, classes add.

        Raises
        ------
        InputError
            The message names the parameter.
        """
        cls: Any = type(self)
        for name, constraint in constraints(cls).items():
            constraint.check(self._named(name), getattr(self, name))

    def _check(self, parameter: str, expected: str, fits: bool) -> None:
        """Refuse a parameter that does not go with others, or whose members do not."""
        if not fits:
            raise InputError(self._named(parameter), expected, quote(getattr(self, parameter)))

    @classmethod
    def _named(cls, parameter: str) -> Parameter:
        """A parameter, as the place of an error."""
        return Parameter(cls._called(), parameter)


def is_integer(value: object) -> bool:
    """Whether it is a whole number by its type; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether it is a real number; NaN is none."""
    return is_integer(value) or (isinstance(value, float | np.floating) and not math.isnan(value))


def check_whole(where: str, value: object, least: int) -> None:
    """Refuse what is no whole number of at least ``least``."""
    Whole(least).check(where, value)


def check_positive(where: str, value: object, what: str = "a number", most: float | None = None) -> None:
    """Refuse what is no number above 0, or infinite unless ``most`` is; ``what`` says what it is a number of."""
    Positive(what, ends="(]" if most == math.inf else "()").check(where, value)


def check_level(where: str, value: object) -> None:
    """Refuse what is no probability between 0 and 1."""
    Level().check(where, value)


def check_flag(where: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    FLAG.check(where, value)


def check_choice(where: str, value: object, choices: Sequence[str]) -> None:
    """Refuse what is none of ``choices``."""
    Choice(tuple(choices)).check(where, value)
