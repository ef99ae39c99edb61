"""Columns of comma-separated text."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import InputError, reason
from pidkd.runs.output import PathLike

HEADINGS = ("label", "labels", "y", "class", "target")
"""Names of the column of labels in a table."""


def read_column(path: PathLike) -> Array:
    """One column, or the one headed by a word for labels: integers if all are whole, else numbers, else text."""
    where = os.fspath(path)
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            table = [(row, reader.line_num) for row in reader]
    except OSError as error:
        raise InputError(where, "a file that can be read", reason(error)) from error
    except (csv.Error, UnicodeError) as error:
        raise InputError(where, "comma-separated text", reason(error)) from error
    while table and not table[-1][0]:  # empty lines at the end; between others, a label is missing
        table.pop()
    if not table:
        raise InputError(where, "at least one label", "an empty file")
    first = table[0][0]
    heading = [cell.strip().lower() for cell in first]
    named = [i for i, cell in enumerate(heading) if cell in HEADINGS]
    if len(named) != 1 and len(heading) > 1:
        raise InputError(where, f"one column, or one named {' or '.join(HEADINGS)}", f"columns {', '.join(first)}")
    column = named[0] if named else 0
    for row, line in table:
        if len(row) <= column or not row[column].strip():
            raise InputError(where, "a label in every line", f"none in line {line}")
    cells = [row[column].strip() for row, _ in table]
    if named or (not _is_number(cells[0]) and all(map(_is_number, cells[1:])) and len(cells) > 1):
        del cells[0], table[0]
    if all(map(_is_integer, cells)):
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    if all(map(_is_number, cells)):
        values = np.array(cells, dtype=float)
        missing = np.flatnonzero(~np.isfinite(values))
        if missing.size:
            raise InputError(where, "finite numbers", f"{cells[missing[0]]!r} in line {table[missing[0]][1]}")
        return values.astype(np.int64) if (values == np.floor(values)).all() else values
    return np.array(cells, dtype=str)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isascii() and text.removeprefix("-").isdecimal() and len(text) < 19
