"""Activations, arrays and labels, read from files, mappings or arrays: shapes first, values when they agree.

The formats are in ``pidkd.files.formats``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pidkd.arrays import Array, as_array, as_labels, as_plain_text
from pidkd.errors import InputError, printable
from pidkd.files.format import Entry, Format, Source, format_of, get_format, list_suffixes
from pidkd.files.layer import Layer, by_index
from pidkd.files.opening import IN_PIECES, MAX_MEMORY, check_budget, existing, faults
from pidkd.files.shards import ABOUT, FOLDER, capture_record, natural, read_folder
from pidkd.files.tables import read_column
from pidkd.runs.output import PathLike

LABELS = ("labels", "label", "targets", "target", "y")
"""Names of arrays of labels that lie beside layers, in small letters or not."""

BY = ("by", "domain", "classes", "class", *LABELS)
"""Names of arrays of labels by which samples are told apart."""

IDS = ("ids", "id", "idx", "index", "sample_ids", "sample_id")
"""Names of arrays, and entries of batches, that name the samples."""

GROUPS = ("groups", "group", *IDS)
"""Names of arrays of the groups that samples belong to."""

BESIDE_LAYERS = (*LABELS, "classes", "class", *GROUPS)
"""Names of arrays that lie in a file of activations and are no layers."""

WEIGHTS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
"""Last parts of the names in the state dictionary of a network."""


def open_layers(source: Any, where: str, max_memory: int = MAX_MEMORY) -> dict[str, Layer]:
    """The layers of a file or folder, of a mapping from names to arrays, of hidden states, or of one array, in order.

    Parameters
    ----------
    source : path, mapping of str to array, list or tuple of arrays, or array
        A file in one of the formats of ``pidkd.files.formats``, such as ``.npy`` (one layer), ``.npz``, ``.pt``,
        ``.safetensors``, ``.h5``, ``.zarr``, ``.parquet`` or ``.arrow`` (columns by name); a folder of ``.npy`` files
        (one layer each, by file name); or a folder of shards, which are read one after the other: numbered files that
        each hold every layer, or one subfolder of numbered ``.npy`` files per layer. A list or tuple of arrays of two
        axes or more, also in a ``.pt`` file, is that of hidden states, ``hidden_states.0`` and on. Arrays called
        "labels", "label", "targets", "target", "y" or "ids" are no layers.
    where : str
        What the user calls it, for arrays: the messages name files by themselves.
    max_memory : int, default 2 GiB
        Bytes that one array may take in memory. What the format allows to be read in slices is, and takes none.

    Raises
    ------
    InputError
        When there is no such file, it is damaged, it holds no layer, or what lies beside the layers has not as many
        rows as they.

    Examples
    --------
    >>> import numpy as np
    >>> layers = open_layers({"conv1": np.zeros((5, 3, 4, 4)), "labels": np.arange(5)}, "teacher")
    >>> {name: layer.shape for name, layer in layers.items()}
    {'conv1': (5, 3, 4, 4)}
    """
    opened = _opened(source, where, max_memory)
    where = os.fspath(source) if isinstance(source, str | os.PathLike) else where
    layers = {layer.name: layer for layer in opened if not is_beside(layer.name)}
    if not layers:
        raise InputError(where, "at least one layer", f"none beside {', '.join(BESIDE_LAYERS)}" if opened else "none")
    kinds = read_about(source).get("kinds")
    if isinstance(kinds, Mapping):
        layers = {name: replace(layer, kind=str(kinds.get(name, ""))) for name, layer in layers.items()}
    if all(name.rpartition(".")[2] in WEIGHTS for name in layers):
        got = f"{', '.join(list(layers)[:3])}, which look like the weights of a network"
        raise InputError(where, "activations, one row for each sample", got, "pidkd.distill.capture writes activations")
    for beside in opened:
        for layer in layers.values() if is_beside(beside.name) else ():
            if beside.shape[:1] != layer.shape[:1]:
                got = f"shape {beside.shape}"
                raise InputError(beside.where, f"{layer.shape[0]} rows, as in {layer.name!r}", got)
    return layers


def is_beside(name: str) -> bool:
    """Whether an array of this name lies beside layers and is none."""
    return name.lower() in BESIDE_LAYERS


def open_array(path: PathLike, names: Collection[str], max_memory: int = MAX_MEMORY) -> Layer:
    """The one array of a file, or of several the one that bears one of ``names``; of a ``.csv`` its column.

    Raises
    ------
    InputError
        When the file is damaged, or holds several arrays and not exactly one of these names.
    """
    where = os.fspath(path)
    if _is_csv(path):
        return _in_memory(Path(path).stem, where, read_column(path, names, max_memory))
    arrays = read_layers(where, max_memory, also=(".csv",))
    chosen = arrays if len(arrays) == 1 else _called(arrays, names)
    if len(chosen) != 1:
        wanted = " or ".join(repr(name) for name in names)
        raise InputError(where, f"one array, or one named {wanted}", f"arrays {', '.join(a.name for a in arrays)}")
    return chosen[0]


def _called(arrays: Sequence[Layer], names: Collection[str]) -> list[Layer]:
    """Arrays of one of these names, in capitals only where none is spelt alike."""
    exact = [array for array in arrays if array.name in names]
    return exact or [array for array in arrays if array.name.lower() in names]


def _is_csv(source: Any) -> bool:
    return isinstance(source, str | os.PathLike) and Path(source).suffix.lower() == ".csv"


def read_array(path: PathLike, names: Collection[str], max_memory: int = MAX_MEMORY) -> Array:
    """Values of ``open_array``.

    Raises
    ------
    InputError
        As ``open_array``, and when they are neither numbers nor text or take more than ``max_memory`` bytes.
    """
    return open_array(path, names, max_memory).held()


def read_samples(files: Sequence[tuple[PathLike, Collection[str]]], max_memory: int = MAX_MEMORY) -> list[Array]:
    """Values of arrays of the same samples, compared by their headers before any of them is read.

    Raises
    ------
    InputError
        As ``read_array``, and when one has not as many rows as the first.
    """
    opened = [open_array(path, names, max_memory) for path, names in files]
    for layer in opened[1:]:
        check_rows(layer, opened[0])
    if opened[0].shape:
        check_ids([(path, os.fspath(path)) for path, _ in files], opened[0].shape[0])
    return [layer.held() if layer.is_codes else layer.array() for layer in opened]


def check_ids(sources: Sequence[tuple[Any, str]], n_samples: int) -> Array | None:
    """The ids beside arrays, None if there are none; refused where they are not as many as samples, or differ.

    Raises
    ------
    InputError
        The message names both sources.
    """
    first: tuple[Array, str] | None = None
    for source, place in sources:
        ids = stored(source, place, IDS)
        if ids is None:
            continue
        if len(ids) != n_samples:
            raise InputError(place, f"ids of {n_samples} samples", f"{len(ids)}", "the rows may be misaligned")
        if first is None:
            first = ids, place
        elif not np.array_equal(first[0], ids):
            raise _other_ids(ids, place, *first)
    return None if first is None else first[0]


def _other_ids(ids: Array, place: str, first: Array, first_place: str) -> InputError:
    expected = f"the ids of {first_place}"
    if np.array_equal(np.sort(first), np.sort(ids)):
        return InputError(place, expected, "the same ids in another order", "sort the rows by id")
    return InputError(place, expected, f"others from row {first_difference(ids, first)}")


def first_difference(a: Array, b: Array) -> int:
    """Row of the first two labels that are not the same."""
    return int(np.flatnonzero(np.asarray(a).astype(str) != np.asarray(b).astype(str))[0])


def check_rows(layer: Layer, like: Layer) -> None:
    """Refuse a layer that has not as many rows as another, by what the headers say."""
    if layer.shape[:1] != like.shape[:1]:
        expected = f"{like.shape[0] if like.shape else 'no'} samples, as in {like.where}"
        raise InputError(layer.where, expected, f"shape {layer.shape}")


def stored(source: Any, where: str, names: Collection[str], like: Layer | None = None) -> Array | None:
    """Array beside the layers under one of ``names``, such as the ids of the samples; None if there is none."""
    if not isinstance(source, str | os.PathLike | Mapping) or _is_csv(source):
        return None
    for layer in _called(_opened(source, where, MAX_MEMORY), names):
        if like is not None:
            check_rows(layer, like)
        return as_labels(layer.where, layer.held())
    return None


def read_about(source: Any) -> dict[str, Any]:
    """Record of the capture that a folder, or arrays in memory, come from; empty where they come from none."""
    if isinstance(source, str | os.PathLike):
        return capture_record(Path(source)) if Path(source).is_dir() else {}
    about = getattr(source, "about", None)
    known = about() if callable(about) else {}
    return {name: known[name] for name in ABOUT if known.get(name) is not None} if isinstance(known, dict) else {}


def read_labels(source: Any, where: str, like: Layer | None = None, max_memory: int = MAX_MEMORY) -> Array:
    """Labels from a file (of several arrays those named "labels" or "y"; of a ``.csv`` its column), or as given.

    Parameters
    ----------
    like : Layer, optional
        A layer of the same samples: a file whose header claims another number of rows is refused unread.

    Raises
    ------
    InputError
        When they are not integers, bools or strings of shape (n_samples,), or as many as the rows of ``like``.
    """
    if not isinstance(source, str | os.PathLike):
        return as_labels(where, source)
    labels = open_array(source, LABELS, max_memory)
    if like is not None and len(labels.shape) == 1:
        check_rows(like, labels)
    return as_labels(labels.file or os.fspath(source), labels.held())


def read_layers(source: str | Path, max_memory: int = MAX_MEMORY, also: Sequence[str] = ()) -> list[Layer]:
    """The layers of a file or folder, whatever their names; ``also`` are suffixes that the caller reads.

    Raises
    ------
    InputError
        When there is no such file, it is damaged or of another format, or a shard is missing or unlike the others.
    """
    path = existing(source)
    format_ = format_of(path)
    with faults(str(source)):
        if path.is_dir() and (format_ is None or not format_.folder):
            return read_folder(path, lambda file: read_layers(file, max_memory))
        if format_ is None:
            known = ", ".join([*also, *list_suffixes()])
            got = f"suffix {path.suffix!r}" if path.suffix else "no suffix"
            raise InputError(str(source), f"a file in {known}, or {FOLDER}", got)
        if path.is_dir() != format_.folder:
            raise InputError(str(source), f"a folder in {format_.name} format", "a file")
        format_.check_installed(str(source))
        file = Source(path, max_memory)
        layers = [_layer(file, format_, entry) for entry in format_.entries(file)]
    names = [layer.name for layer in layers]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(str(source), "layers of different names", f"{twice!r} twice")
    return sorted(layers, key=lambda layer: natural(layer.name)) if format_.folder else layers


def _layer(file: Source, format_: Format, entry: Entry) -> Layer:
    alone = entry.name == file.path.stem
    where = file.where if alone and format_.name == "npy" else file.layer(entry.name)
    load = partial(_load, file, format_.name, entry, where)
    name = printable(entry.name)
    return Layer(name, where, entry.shape, entry.dtype, load, file.where, file.max_memory)


def _load(file: Source, name: str, entry: Entry, where: str) -> Any:
    """Values of an array of a file, in the process that asks for them."""
    check_budget(where, entry.in_memory, file.max_memory, hint=IN_PIECES)
    existing(file.path)
    with faults(where):
        return get_format(name).load(file, entry.name)


def _opened(source: Any, where: str, max_memory: int) -> list[Layer]:
    if isinstance(source, str | os.PathLike):
        return read_layers(os.fspath(source), max_memory)
    if of_layers := by_index(source):
        source = of_layers
    if isinstance(source, Mapping):
        named = [(printable(str(name)), values) for name, values in source.items()]
        return [_in_memory(name, f"{where}, layer {name!r}", values) for name, values in named]
    return [_in_memory(where, where, source)]


def _in_memory(name: str, where: str, values: Any) -> Layer:
    array = as_plain_text(as_array(where, values))
    return Layer(name, where, array.shape, array.dtype, partial(np.asarray, array))
