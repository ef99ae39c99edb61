"""Dataclasses to and from plain values, as YAML and JSON hold them; names and types are checked."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from pidkd.errors import InputError, UnknownNameError


def changed(held: Any, changes: Mapping[str, Any], where: str) -> Any:
    """A dataclass with some fields changed.

    Raises
    ------
    InputError
        As ``from_plain``.
    """
    return from_plain(type(held), changes, where, {f.name: getattr(held, f.name) for f in dataclasses.fields(held)})


def from_plain(cls: type[Any], values: Any, where: str, defaults: Mapping[str, Any] | None = None) -> Any:
    """A dataclass from plain values; ``where`` is the key of the whole, ``defaults`` stand for what is not given.

    Raises
    ------
    UnknownNameError
        When there is no such field; the nearest is suggested.
    InputError
        When a value is missing, of another type, or refused by the dataclass.
    """
    if not isinstance(values, Mapping):
        raise InputError(where or "configuration", "keys with values", type(values).__name__)
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    held = dict(defaults or {})
    for name, value in values.items():
        key = f"{where}.{name}".lstrip(".")
        if name not in fields:
            raise UnknownNameError(key, "a key", name, fields)
        held[name] = _typed(hints[name], value, key)
    for name, f in fields.items():
        if name not in held and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise InputError(f"{where}.{name}".lstrip("."), "a value", "none")
    try:
        return cls(**held)
    except InputError as error:
        raise error.at(key_of(error.where, where)) from error


def key_of(where: str, prefix: str) -> str:
    """What a dataclass calls ``Recipe(lr)``, as the key ``recipe.lr``."""
    _, parenthesis, name = where.partition("(")
    return f"{prefix}.{name.rstrip(')')}" if parenthesis and prefix else where


AS_CONFIGURED = {
    "train(taps)": "taps",
    "train(teacher, taps)": "taps of the teacher",
    "train(student, taps)": "taps of the student",
    "train(device)": "device",
    "train(strict)": "strict",
    "train(student)": "student.model",
}
"""Keys of a configuration, by what the functions call them that are given its values."""


def key_in_configuration(where: str, recipe: str) -> str:
    """The key of what ``train`` calls by its own argument, or its recipe by a field."""
    return key_of(where, recipe) if where.startswith("Recipe(") else AS_CONFIGURED.get(where, where)


def _typed(hint: Any, value: Any, where: str) -> Any:
    """A value of the type of a field."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        rest = [argument for argument in arguments if argument is not type(None)]
        return _typed(rest[0], value, where)
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast("type[Any]", hint), value, where)
    if origin is Literal:
        if value not in arguments:
            raise InputError(where, " or ".join(map(str, arguments)), repr(value))
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(where, "a list", repr(value))
        if arguments[-1] is not Ellipsis and len(value) != len(arguments):
            raise InputError(where, f"a list of {len(arguments)}", repr(value))
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(
            _typed(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
        )
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise InputError(where, "keys with values", repr(value))
        return {str(key): _typed(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    return value if hint is Any else _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, str):  # YAML reads 5e-4 as text
        try:
            return float(value)
        except ValueError:
            pass
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        raise InputError(where, words[hint], repr(value))
    return value


def to_plain(value: Any) -> Any:
    """Dictionaries, lists and scalars."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    return [to_plain(item) for item in value] if isinstance(value, tuple | list) else value
