"""Columns of comma-separated text, and cells that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import InputError, reason
from pidkd.files.layer import OBJECT_BYTES, text_array
from pidkd.files.opening import MAX_MEMORY, check_budget, opened
from pidkd.runs.output import PathLike

HEADINGS = ("label", "labels", "y", "class", "target")
"""Names of the column of labels in a table."""

LONGEST_LINE = 2**22
"""Letters of a line; what has longer ones is no table."""

INTEGER = re.compile(r"0|-?[1-9][0-9]*")
"""A whole number as it is written in one way only: 007 is not 7."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.ASCII | re.IGNORECASE)
MISSING = ("na", "n/a", "<na>", "null", "none", "?", "-", ".")
"""How other tools write that a value is missing."""

PADDED = re.compile(r"[+-]?0\d.*|\+.*")
"""Numbers that are also names: a leading zero or plus is part of a name, and no part of a number."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How cells begin that a spreadsheet runs."""


def guarded(cell: str) -> str:
    """A cell of text that a spreadsheet shows as it is: an apostrophe goes before what it would run."""
    return f"'{cell}" if cell.startswith((*FORMULA, "'")) and NUMBER.fullmatch(cell) is None else cell


def guarded_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for a table, its cells of text guarded."""
    return {key: guarded(value) if isinstance(value, str) else value for key, value in row.items()}


def unguarded(cell: str) -> str:
    """The text that ``guarded`` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*FORMULA, "'")) else cell


def read_column(path: PathLike, names: Collection[str] = (), max_memory: int = MAX_MEMORY) -> Array:
    """One column of a table: integers if all cells are, else numbers, else text.

    Parameters
    ----------
    names : collection of str
        Headings of the wanted column. Headings of labels are tried where one of ``names`` is one, or there are none.
    max_memory : int

    Raises
    ------
    InputError
        When the file is no table, the column is not known, a cell is empty, or the first line may be a heading or a
        sample.
    """
    where = os.fspath(path)
    with opened(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text, faults(where):
        cells, lines, headed = _column(where, text, names, max_memory)
    if not cells:
        raise InputError(where, "at least one label", "a heading alone" if headed else "an empty file")
    if not headed and len(cells) > 1:
        rest = cells[1:]
        if NUMBER.fullmatch(cells[0]) is None and cells[0] not in rest:
            if not all(map(NUMBER.fullmatch, rest)):
                hint = f"give the column a heading: {names_of(names)[0]}"
                raise InputError(where, "a heading that is known, or none", f"{cells[0]!r} in the first line", hint)
            cells, lines = rest, lines[1:]
    return _values(where, cells, lines, max_memory)


def read_headings(path: PathLike) -> list[str]:
    """Cells of the first line of a table, without capitals.

    Raises
    ------
    InputError
        When the file is no comma-separated text in UTF-8.
    """
    where = os.fspath(path)
    with opened(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text, faults(where):
        first = next(csv.reader(_lines(where, text), strict=True), [])
        return [cell.strip().lower() for cell in first]


@contextmanager
def faults(where: str) -> Iterator[None]:
    """Say in one line what is wrong with a table."""
    try:
        yield
    except UnicodeError as error:
        hint = "save it in UTF-8, or as .npy"
        raise InputError(where, "comma-separated text in UTF-8", reason(error), hint) from error
    except csv.Error as error:
        raise InputError(where, "comma-separated text", reason(error)) from error


def names_of(names: Collection[str]) -> list[str]:
    """Headings of a column that an option or argument of one of these names takes, the best first."""
    return list(dict.fromkeys([*names, *(HEADINGS if not names or set(names) & set(HEADINGS) else ())]))


def _column(where: str, text: TextIO, names: Collection[str], max_memory: int) -> tuple[list[str], list[int], bool]:
    """Cells of the wanted column, their lines, and whether a heading stood above them."""
    reader = csv.reader(_lines(where, text), strict=True)
    cells: list[str] = []
    lines: list[int] = []
    headed, column, empty, size = False, 0, 0, 0
    for first, row in enumerate(reader):
        if first == 0:
            column, headed = _wanted(where, row, names)
            if headed:
                continue
        if not row:  # allowed at the end; between others, a label is missing
            empty = empty or reader.line_num
            continue
        if empty or len(row) <= column or not row[column].strip():
            raise InputError(where, "a label in every line", f"none in line {empty or reader.line_num}")
        cells.append(unguarded(row[column].strip()))
        lines.append(reader.line_num)
        size += len(cells[-1]) + 2 * OBJECT_BYTES
        check_budget(where, size, max_memory)
    return cells, lines, headed


def _wanted(where: str, first: Sequence[str], names: Collection[str]) -> tuple[int, bool]:
    """Number of the column, and whether the first line is a heading."""
    heading = [cell.strip().lower() for cell in first]
    for wanted in ([name] for name in names_of(names)) if names else [names_of(names)]:
        named = [i for i, cell in enumerate(heading) if cell in map(str.lower, wanted)]
        if len(named) == 1:
            return named[0], True
        if named:
            raise InputError(where, f"one column named {' or '.join(wanted)}", f"columns {', '.join(first)}")
    if len(heading) > 1:
        raise InputError(
            where, f"one column, or one named {' or '.join(names_of(names))}", f"columns {', '.join(first)}"
        )
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(heading) == 1 and {part.strip('" ') for part in heading[0].split(separator)} & set(names_of(names)):
            raise InputError(where, "columns separated by commas", f"columns separated by {name}", "write commas")
    return 0, False


def _lines(where: str, text: TextIO) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise InputError(where, "comma-separated text", f"a line of more than {LONGEST_LINE:,} letters")
        yield line


def _values(where: str, cells: list[str], lines: list[int], max_memory: int) -> Array:
    if all(map(INTEGER.fullmatch, cells)):
        numbers = np.array([int(cell) if len(cell) < 21 else None for cell in cells], dtype=object)
        for dtype in (np.int64, np.uint64):
            limits = np.iinfo(dtype)
            if all(number is not None and limits.min <= number <= limits.max for number in numbers):
                return numbers.astype(dtype)
        return text_array(where, cells, max_memory)
    absent = [i for i, cell in enumerate(cells) if cell.lower() in MISSING]
    if absent and len(absent) < len(cells) and all(cell.lower() in MISSING or NUMBER.fullmatch(cell) for cell in cells):
        got = f"{cells[absent[0]]!r} in line {lines[absent[0]]}"
        raise InputError(where, "a number in every line", got, "leave out samples whose value is missing, in all files")
    if not all(map(NUMBER.fullmatch, cells)) or any(map(PADDED.fullmatch, cells)):
        return text_array(where, cells, max_memory)
    values = np.array([float(cell) for cell in cells])
    missing = np.flatnonzero(~np.isfinite(values))
    if missing.size:
        raise InputError(where, "finite numbers", f"{cells[missing[0]]!r} in line {lines[missing[0]]}")
    whole = values == np.floor(values)
    beyond = np.flatnonzero(whole & (np.abs(values) >= 2.0**53))
    if beyond.size:
        got = f"{cells[beyond[0]]!r} in line {lines[beyond[0]]}"
        raise InputError(
            where, "whole numbers below 2^53 beside others", got, "a float cannot tell its neighbours apart"
        )
    return values.astype(np.int64) if whole.all() else values
