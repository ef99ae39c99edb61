"""Kinds of constraints: which values a parameter may have, in words, and values that it may not have."""

from __future__ import annotations

import abc
import dataclasses
import difflib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pidkd.errors import InputError, quote


class Constraint(abc.ABC):
    """Constraint on the values of a parameter."""

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
    """Constraint to a fixed set of words or numbers."""

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


COUNT = Whole(0, 2**53)
"""Counts of samples, classes and cells that a report may hold."""

SEED = Whole(0, 2**32 - 1)
"""Seeds that numpy, scikit-learn and torch all take."""

FLAG = OfType((bool, np.bool_), "True or False")
TEXT = OfType(str, "text")


@dataclass(frozen=True)
class With(Constraint):
    """An object that has a method."""

    method: str
    what: str

    @property
    def expected(self) -> str:
        """Type and method that are expected."""
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
        """Constraint of each element, in words."""
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


@dataclass(frozen=True)
class Entries(Constraint):
    """A mapping with the entries required, and perhaps others that are known, each with a constraint of its own."""

    required: Mapping[str, Constraint]
    optional: Mapping[str, Constraint] = dataclasses.field(default_factory=dict)

    @property
    def expected(self) -> str:
        """Entries and their constraints, in words."""
        return f"a mapping with {', '.join(f'{key} ({one.expected})' for key, one in self.required.items())}"

    def accepts(self, value: Any) -> bool:
        """Whether it has every entry required and no unknown one, each of them accepted."""
        known = {**self.required, **self.optional}
        if not isinstance(value, Mapping) or not set(self.required) <= set(value) <= set(known):
            return False
        return all(known[key].accepts(item) for key, item in value.items())

    def invalid(self) -> list[Any]:
        """Without an entry, or of another type."""
        return [value for value in (3, *OTHER_TYPES) if not self.accepts(value)]


def is_integer(value: object) -> bool:
    """Whether it is a whole number by its type; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether it is a real number; NaN is none."""
    return is_integer(value) or (isinstance(value, float | np.floating) and not math.isnan(value))
