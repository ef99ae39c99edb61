"""Plain data for JSON and YAML, and the way back to dataclasses, guided by the types of their fields."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np

from pidkd.errors import Argument, InputError, Parameter, UnknownNameError, quote
from pidkd.parameters import constraint_of

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
"""Scalar types, for messages."""


def plain(value: Any) -> Any:
    """Plain JSON data: mappings, lists and scalars, with numbers that are not finite as strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return str(value)


def restored(value: Any) -> Any:
    """Plain data with the strings "inf", "-inf" and "nan" as numbers again."""
    if isinstance(value, Mapping):
        return {key: restored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [restored(item) for item in value]
    return float(value) if isinstance(value, str) and value in ("inf", "-inf", "nan") else value


def changed(held: Any, changes: Mapping[str, Any], where: str) -> Any:
    """A dataclass with some fields changed to plain values.

    Raises
    ------
    InputError
        As ``from_plain``.
    """
    return from_plain(type(held), changes, where, {f.name: getattr(held, f.name) for f in dataclasses.fields(held)})


def from_plain(cls: Any, values: Any, where: str = "", defaults: Mapping[str, Any] | None = None) -> Any:
    """A dataclass from plain values.

    Parameters
    ----------
    cls : dataclass or NamedTuple
    values : mapping from field to plain value
    where : str
        Key of the whole; the key of a field is ``where.field``.
    defaults : mapping, optional
        Values of the fields that ``values`` leaves out.

    Raises
    ------
    UnknownNameError
        When there is no such field; the nearest is suggested.
    InputError
        When a value is missing, of another type, or refused by the dataclass.
    """
    if not isinstance(values, Mapping):
        raise InputError(where or "configuration", "keys with values", type(values).__name__)
    hints, required = _fields(cls)
    fields = dict(defaults or {})
    for name, value in values.items():
        key = f"{where}.{name}".lstrip(".")
        if name not in hints:
            raise UnknownNameError(key, "a key", name, hints)
        fields[name] = typed(hints[name], value, key)
    for name in required:
        if name not in fields:
            raise InputError(f"{where}.{name}".lstrip("."), "a value", "none")
    try:
        return cls(**fields)
    except InputError as error:
        raise error.at(key_of(error.where, where)) from error


def fields_from_plain(cls: Any, data: Any) -> dict[str, Any]:
    """Fields of a result by name, from what its ``to_dict`` wrote.

    Raises
    ------
    InputError
        When ``data`` has other keys, or an entry is damaged; the message names the entry.
    """
    where = f"{cls.__name__}.from_dict(data)"
    hints, required = _fields(cls)
    if not isinstance(data, Mapping) or not set(required) <= set(data) <= set(hints):
        keys = ", ".join(map(str, data)) if isinstance(data, Mapping) else type(data).__name__
        raise InputError(where, f"a mapping with the keys {', '.join(hints)}", keys or "none")
    fields = {}
    for name, value in data.items():
        try:
            fields[name] = typed(hints[name], value, name)
        except (InputError, RecursionError) as error:
            raise InputError(where, f"what {cls.__name__}.to_dict() writes as {name!r}", quote(value)) from error
    return fields


class PlainData:
    """Base of results that are dataclasses: plain data, and the way back."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: no NaN or Infinity literal, numbers that are not finite become strings.

        Arrays and tuples become lists, and what JSON has no word for becomes its ``str``.
        """
        data: dict[str, Any] = plain(self)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild what ``to_dict`` wrote.

        Raises
        ------
        InputError
            When ``data`` is not what ``to_dict`` writes.
        """
        return cls(**fields_from_plain(cls, data))


def typed(hint: Any, value: Any, where: str) -> Any:
    """A plain value as the type of a field.

    Raises
    ------
    InputError
        When it is of another type.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        first = next(argument for argument in arguments if argument is not type(None))
        if typing.get_origin(first) is not typing.Annotated:
            return typed(first, value, where)
        return _within(hint, typed(typing.get_args(first)[0], value, where), where)
    if origin is typing.Annotated:
        return _within(hint, typed(arguments[0], value, where), where)
    if dataclasses.is_dataclass(hint) or hasattr(hint, "_fields"):
        return from_plain(hint, value, where)
    if origin is Literal:
        if not any(type(value) is type(choice) and value == choice for choice in arguments):
            raise InputError(where, " or ".join(map(str, arguments)), quote(value))
        return value
    if origin is tuple:
        return _tuple(arguments, value, where)
    if origin is np.ndarray:
        return _array(value, where)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise InputError(where, "keys with values", quote(value))
        return {str(key): typed(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    return restored(value) if hint is Any else _scalar(hint, value, where)


def _within(hint: Any, value: Any, where: str) -> Any:
    """The value, if it meets the constraint that its annotation says."""
    constraint = constraint_of(hint)
    if constraint is not None:
        constraint.check(where, value)
    return value


def key_of(where: str, prefix: str) -> str:
    """Key in a configuration of a parameter that a constructor calls ``Recipe(lr=...)``: ``recipe.lr``."""
    if isinstance(where, Parameter):
        return f"{prefix}.{where.name}".lstrip(".")
    return f"{prefix}.{where.name}" if isinstance(where, Argument) and prefix else where


@functools.cache
def _fields(cls: Any) -> tuple[dict[str, Any], list[str]]:
    """Types of the fields by name, and the names without a default."""
    hints = typing.get_type_hints(cls, include_extras=True)
    if not dataclasses.is_dataclass(cls):
        return hints, list(hints)
    fields = dataclasses.fields(cls)
    missing = dataclasses.MISSING
    required = [f.name for f in fields if f.default is missing and f.default_factory is missing]
    return {f.name: hints[f.name] for f in fields}, required


def _tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(where, "a list", quote(value))
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(value) != len(kinds):
        raise InputError(where, f"a list of {len(kinds)}", quote(value))
    return tuple(typed(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True)))


def _array(value: Any, where: str) -> Any:
    if not isinstance(value, list):
        raise InputError(where, "lists of numbers", quote(value))
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(where, "lists of numbers of equal lengths", quote(value)) from None


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, str | int) and not isinstance(value, bool):  # YAML reads 5e-4 as text
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    if hint is str and type(value) is int and where.startswith("taps"):
        return str(value)  # YAML reads a layer of nn.Sequential as a number
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        hint_text = "put it in quotes" if hint is str and (value is None or isinstance(value, int | float)) else None
        raise InputError(where, WORDS.get(hint, getattr(hint, "__name__", str(hint))), quote(value), hint_text)
    return value
