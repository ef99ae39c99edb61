"""Constraints of parameters, written next to them: ``tol: Annotated[float, Positive("a gap in bits")] = 1e-9``.

Whatever is made of parameters derives from ``Parameterised``: its constructor refuses keywords that it does not know,
and ``check_params`` refuses values that their constraints do not accept. The documentation prints the constraints, and
the contract tests make invalid values of them.
"""

from __future__ import annotations

import functools
import inspect
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pidkd.constraints import (
    FLAG,
    SEED,
    TEXT,
    Choice,
    Constraint,
    Fraction,
    Level,
    NonNegative,
    Number,
    OfType,
    OrNone,
    Positive,
    Several,
    Whole,
    With,
    is_integer,
    is_number,
)
from pidkd.errors import InputError, Parameter, UnknownNameError, quote

__all__ = [
    "FLAG",
    "SEED",
    "TEXT",
    "Choice",
    "Constraint",
    "Fraction",
    "Level",
    "NonNegative",
    "Number",
    "OfType",
    "OrNone",
    "Parameterised",
    "Positive",
    "Several",
    "Whole",
    "With",
    "check_choice",
    "check_flag",
    "check_level",
    "check_options",
    "check_positive",
    "check_whole",
    "constraint_of",
    "constraints",
    "is_integer",
    "is_number",
    "parameter_names",
]

PLAIN: dict[Any, Constraint] = {bool: FLAG, int: Whole(), float: Number(), str: TEXT}


def constraint_of(hint: Any) -> Constraint | None:
    """The constraint that an annotation says, or None where anything goes."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        constraints = [one for one in arguments[1:] if isinstance(one, Constraint)]
        return constraints[0] if constraints else constraint_of(arguments[0])
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
    annotations = hints(annotated)
    constraints = {name: constraint_of(annotations.get(name, Any)) for name in parameter_names(of)}
    return {name: constraint for name, constraint in constraints.items() if constraint is not None}


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


def hints(annotated: Any) -> dict[str, Any]:
    """Types of annotations, by name. Names that exist only while types are checked stand for anything."""
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
    return list(_parameter_names(of))


@functools.cache
def _parameter_names(of: Any) -> tuple[str, ...]:
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    given = inspect.signature(of).parameters.values()
    return tuple(parameter.name for parameter in given if parameter.kind not in variable)


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
            value = getattr(self, name)
            if not constraint.accepts(value):
                constraint.check(self._named(name), value)

    def _check(self, parameter: str, expected: str, fits: bool) -> None:
        """Refuse a parameter that does not go with others, or whose members do not."""
        if not fits:
            raise InputError(self._named(parameter), expected, quote(getattr(self, parameter)))

    @classmethod
    def _named(cls, parameter: str) -> Parameter:
        """A parameter, as the place of an error."""
        return Parameter(cls._called(), parameter)


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
