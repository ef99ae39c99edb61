"""Activations and labels, read from files, mappings or arrays.

The formats are in ``pidkd.files.formats``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pidkd.arrays import Array, as_array, as_labels
from pidkd.errors import InputError
from pidkd.files.formats import read_layers
from pidkd.files.layer import Layer, wrong_dtype
from pidkd.files.tables import read_column
from pidkd.runs.output import PathLike

BESIDE_LAYERS = ("labels", "y", "ids")
"""Names of arrays that lie in a file of activations and are no layers."""


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
        return read_column(path)
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


def _found(source: Any, where: str) -> list[Layer]:
    if isinstance(source, str | os.PathLike):
        return read_layers(os.fspath(source))
    if isinstance(source, Mapping):
        return [_in_memory(str(name), f"{where}, layer {str(name)!r}", values) for name, values in source.items()]
    return [_in_memory(where, where, source)]


def _in_memory(name: str, where: str, values: Any) -> Layer:
    array = as_array(where, values)
    return Layer(name, where, array.shape, array.dtype, partial(np.asarray, array))
