"""Arrays in files: activations layer by layer, labels, and files that are whole or not there.

Which formats there are is in ``pidkd.formats``.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from pidkd.arrays import Array, as_array, as_labels
from pidkd.errors import InputError
from pidkd.formats import FOLDER, READERS, read_layers
from pidkd.layers import Layer, reason, wrong_dtype

__all__ = [
    "BESIDE_LAYERS",
    "FOLDER",
    "READERS",
    "Layer",
    "check_output",
    "open_layers",
    "read_array",
    "read_labels",
    "save_layers",
    "stored",
    "writing",
]

PathLike: TypeAlias = str | os.PathLike[str]

BESIDE_LAYERS = ("labels", "y", "ids")
"""Names of arrays that lie in a file of activations and are no layers."""

HEADINGS = ("label", "labels", "y", "class", "target")
"""Names of the column of labels in a table."""


def open_layers(source: Any, where: str) -> dict[str, Layer]:
    """The layers of a file or folder, of a mapping from names to arrays, or of one array, by name and in order.

    Parameters
    ----------
    source : path, mapping of str to array, or array
        A file in ``.npy`` (one layer), ``.npz``, ``.pt``, ``.pth``, ``.safetensors``, ``.h5``, ``.hdf5`` or ``.zarr``;
        a folder of ``.npy`` files (one layer each, by file name); or a folder of shards, which are read one after the
        other: numbered files that each hold every layer, or one subfolder of numbered ``.npy`` files per layer. Arrays
        called "labels", "y" or "ids" are no layers.
    where : str
        What the user calls it, for arrays: the messages name files by themselves.

    Raises
    ------
    InputError
        When there is no such file, it is damaged, or it holds no layer.

    Examples
    --------
    >>> import numpy as np
    >>> layers = open_layers({"conv1": np.zeros((5, 3, 4, 4)), "labels": np.arange(5)}, "teacher")
    >>> {name: layer.shape for name, layer in layers.items()}
    {'conv1': (5, 3, 4, 4)}
    """
    found = _found(source, where)
    where = os.fspath(source) if isinstance(source, str | os.PathLike) else where
    layers: dict[str, Layer] = {}
    for layer in found:
        if layer.name in layers:
            raise InputError(where, "layers of different names", f"{layer.name!r} twice")
        if layer.name not in BESIDE_LAYERS:
            layers[layer.name] = layer
    if not layers:
        raise InputError(where, "at least one layer", f"none beside {', '.join(BESIDE_LAYERS)}" if found else "none")
    return layers


def stored(source: Any, where: str, names: Collection[str]) -> Array | None:
    """What lies beside the layers under one of ``names``, such as the ids of the samples; None where nothing does."""
    if not isinstance(source, str | os.PathLike | Mapping):
        return None
    for layer in _found(source, where):
        if layer.name in names:
            return as_labels(layer.where, layer.load())
    return None


def read_array(path: PathLike, names: Collection[str]) -> Array:
    """The one array of a file, or of several the one that bears one of ``names``; of a ``.csv`` its column.

    Raises
    ------
    InputError
        When the file is damaged, or holds several arrays and not exactly one of these names.
    """
    if Path(path).suffix.lower() == ".csv":
        return _read_csv(path)
    arrays = read_layers(os.fspath(path))
    chosen = arrays if len(arrays) == 1 else [array for array in arrays if array.name in names]
    if len(chosen) != 1:
        wanted = " or ".join(repr(name) for name in names)
        found = ", ".join(array.name for array in arrays) or "none"
        raise InputError(os.fspath(path), f"one array, or one named {wanted}", f"arrays {found}")
    if chosen[0].dtype.kind not in "iubfUS":
        raise wrong_dtype(chosen[0].where, chosen[0].dtype)
    return np.asarray(chosen[0].load())


def read_labels(source: Any, where: str) -> Array:
    """Labels from a file (of several arrays those named "labels" or "y"; of a ``.csv`` its column), or as given.

    Raises
    ------
    InputError
        When they are not integers, bools or strings of shape (n_samples,).
    """
    if isinstance(source, str | os.PathLike):
        return as_labels(os.fspath(source), read_array(source, ("labels", "y")))
    return as_labels(where, source)


def _read_csv(path: PathLike) -> Array:
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


def check_output(path: PathLike, force: bool) -> None:
    """Refuse an output that exists (unless ``force``) or cannot be written, before any work is done for it."""
    target = Path(path)
    if target.is_dir():
        raise InputError(str(path), "the name of a file", "a folder")
    if target.exists() and not force:
        raise InputError(str(path), "a new file", "one that exists", "overwrite it with --force (force=True)")
    parent = next(folder for folder in target.absolute().parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(str(path), "a place that can be written to", f"{parent}, which cannot")


@contextmanager
def writing(path: PathLike, force: bool = False) -> Iterator[BinaryIO]:
    """A binary file that takes its name only when it is whole; missing folders are made.

    Raises
    ------
    InputError
        When the file exists and ``force`` is not given, or it cannot be written.
    """
    check_output(path, force)
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("xb") as stream:
            yield stream
        unfinished.replace(target)
    except OSError as error:
        raise InputError(str(path), "a place that can be written to", reason(error)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def save_layers(folder: PathLike, layers: Mapping[str, Array], force: bool = False) -> None:
    """Write each array to ``<folder>/<name>.npy``, as ``open_layers`` reads them.

    Raises
    ------
    InputError
        When a name is no file name, a file exists and ``force`` is not given, or a file cannot be written.
    """
    for name, values in layers.items():
        if not name or name != Path(name).name:
            raise InputError("save_layers(layers)", "names that can be file names", repr(name))
        with writing(Path(folder, f"{name}.npy"), force) as stream:
            np.save(stream, np.asarray(values), allow_pickle=False)


def _found(source: Any, where: str) -> list[Layer]:
    if isinstance(source, str | os.PathLike):
        return read_layers(os.fspath(source))
    if isinstance(source, Mapping):
        return [_in_memory(str(name), f"{where}, layer {str(name)!r}", values) for name, values in source.items()]
    return [_in_memory(where, where, source)]


def _in_memory(name: str, where: str, values: Any) -> Layer:
    array = as_array(where, values)
    return Layer(name, where, array.shape, array.dtype, partial(np.asarray, array))
