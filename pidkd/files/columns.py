"""Columns of Arrow tables as arrays: numbers, text, and lists of numbers that are as long in every row."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import InputError, import_extra
from pidkd.files.format import Entry, Source
from pidkd.files.layer import text_array

INDEX = re.compile(r"__index_level_\d+__")
"""Names that pandas gives to an index without one."""


def arrow(where: str, module: str) -> Any:
    """A module of pyarrow."""
    return import_extra(f"pyarrow.{module}" if module else "pyarrow", "io", needed_by=where)


def entry_of(name: str, kind: Any, n_rows: int, first: Any) -> Entry | None:
    """Name, shape and dtype of a column, or None where it holds neither numbers nor text, or is the index of pandas.

    Parameters
    ----------
    kind : pyarrow.DataType
    first : pyarrow.Array
        The column's first row, which tells how long lists are whose type does not.
    """
    if INDEX.fullmatch(name):
        return None
    first.validate(full=True)
    shape, kind, values = [n_rows], _stored(kind), first
    while _is_list(kind):
        values = _storage(values)
        fixed = getattr(kind, "list_size", None)
        shape.append(fixed if fixed is not None else _longest(values))
        kind, values = _stored(kind.value_type), values.flatten()
    if _is_text(kind):
        return Entry(name, tuple(shape), np.dtype("U1")) if len(shape) == 1 else None
    dtype = _NUMBERS.get(str(kind))
    if dtype is None:
        return None
    return Entry(name, tuple(shape), np.dtype(dtype), math.prod(shape) * np.dtype(dtype).itemsize)


def values_of(file: Source, entry: Entry, chunks: Iterable[Any]) -> Array:
    """All values of a column, from its pieces one after the other.

    Raises
    ------
    InputError
        When a row has no value or another length than the first, or the column takes more memory than allowed.
    """
    where = file.layer(entry.name)
    if entry.dtype.kind == "U":
        return text_array(
            where, (text for chunk in _whole(where, chunks) for text in chunk.to_pylist()), file.max_memory
        )
    values, start = np.empty(entry.shape, entry.dtype), 0
    for chunk in _whole(where, chunks):
        part = _numbers(where, chunk, start, entry.shape[1:])
        if start + len(part) > len(values):
            raise InputError(where, f"{len(values)} rows, as the header says", "more")
        values[start : start + len(part)] = part
        start += len(part)
    if start < len(values):
        raise InputError(where, f"{len(values)} rows, as the header says", f"{start}")
    return values


def table_of(where: str, arrays: Mapping[str, Array]) -> Any:
    """A table with a column for each array; further axes are lists of fixed length."""
    pyarrow, columns = arrow(where, ""), {}
    for name, values in arrays.items():
        column = pyarrow.array(np.asarray(values).reshape(-1))
        for size in reversed(values.shape[1:]):
            column = pyarrow.FixedSizeListArray.from_arrays(column, size)
        columns[name] = column
    return pyarrow.table(columns)


_NUMBERS = {
    "bool": "?",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
}
"""Types of numbers by their names in Arrow."""


def _stored(kind: Any) -> Any:
    """Type of what is stored: of an extension its storage, of a dictionary its values."""
    while True:
        inner = getattr(kind, "storage_type", None)
        if inner is None and str(kind).startswith("dictionary<"):
            inner = kind.value_type
        if inner is None:
            return kind
        kind = inner


def _storage(values: Any) -> Any:
    """The same values without their extension type or dictionary."""
    while True:
        if hasattr(values, "storage"):
            values = values.storage
        elif hasattr(values, "dictionary_decode"):
            values = values.dictionary_decode()
        else:
            return values


def _is_list(kind: Any) -> bool:
    return str(kind).partition("<")[0] in ("list", "large_list", "fixed_size_list")


def _is_text(kind: Any) -> bool:
    return str(kind) in ("string", "large_string", "string_view")


def _longest(values: Any) -> int:
    """Length of the first list, 0 where there is none."""
    lengths = values.value_lengths().to_pylist()
    return lengths[0] or 0 if lengths else 0


def _whole(where: str, chunks: Iterable[Any]) -> Iterable[Any]:
    """Pieces in which no row is without a value, and no offset points beyond the values."""
    start = 0
    for chunk in chunks:
        chunk.validate(full=True)
        _refuse_missing(where, chunk, start, 1)
        yield _storage(chunk)
        start += len(chunk)


def _refuse_missing(where: str, values: Any, start: int, per_row: int) -> None:
    if values.null_count:
        row = start + int(np.argmax(values.is_null().to_numpy(zero_copy_only=False))) // max(per_row, 1)
        hint = "leave out samples whose value is missing, in all files"
        raise InputError(where, "a value in every row", f"none in row {row}", hint)


def _numbers(where: str, values: Any, start: int, shape: tuple[int, ...]) -> Array:
    n_rows, per_row = len(values), 1
    for size in shape:
        lengths = values.value_lengths().to_numpy(zero_copy_only=False)
        if (odd := np.flatnonzero(lengths != size)).size:
            row = start + int(odd[0]) // per_row
            hint = "pad or pool what differs in length before it is stored"
            raise InputError(
                where, f"lists of length {size}, as in the first row", f"{lengths[odd[0]]} in row {row}", hint
            )
        values, per_row = _storage(values.flatten()), per_row * size
        _refuse_missing(where, values, start, per_row)
    numbers: Array = values.to_numpy(zero_copy_only=False)
    return numbers.reshape(n_rows, *shape)
