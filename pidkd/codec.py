"""Plain data for JSON, and the way back: each reader takes what ``plain`` wrote, or raises TypeError or ValueError."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pidkd.arrays import FloatArray


def plain(value: Any) -> Any:
    """Plain JSON data, with numbers that are not finite as strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return str(value)


def restored(value: Any) -> Any:
    """What ``plain`` was given, up to tuples: the strings of numbers that are not finite become numbers again."""
    if isinstance(value, Mapping):
        return {key: restored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [restored(item) for item in value]
    return float(value) if isinstance(value, str) and value in ("inf", "-inf", "nan") else value


def typed(kind: type) -> Callable[[Any], Any]:
    """A reader of values of one type, as they are; True and False are no numbers."""

    def read(value: Any) -> Any:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError
        return value

    return read


def one_of(values: Sequence[str]) -> Callable[[Any], str]:
    """A reader of some words."""

    def read(value: Any) -> str:
        if value not in values:
            raise ValueError
        return str(value)

    return read


def array(value: Any) -> FloatArray:
    """An array of numbers, from lists."""
    return np.array(typed(list)(value), dtype=np.float64)


def mapping(of: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """A reader of mappings from text."""
    return lambda value: {typed(str)(key): of(item) for key, item in value.items()}


def pair(of: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, Any]]:
    """A reader of pairs."""

    def read(value: Any) -> tuple[Any, Any]:
        first, second = typed(list)(value)
        return of(first), of(second)

    return read
