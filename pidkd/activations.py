"""Arrays in files: activations layer by layer, labels, and files that are whole or not there.

One reader per format, found by suffix in ``READERS``. To add a format, write a function from a path to its layers and
give it its suffix there. Nothing is ever unpickled.
"""

from __future__ import annotations

import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np

from pidkd.arrays import Array, as_array, as_labels, iter_chunks
from pidkd.errors import InputError

PathLike: TypeAlias = str | os.PathLike[str]

BESIDE_LAYERS = ("labels", "y", "ids")
"""Names of arrays that lie in a file of activations and are no layers."""

FOLDER = "a folder of .npy files, one per layer"


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer's activations: known by shape and type, read when asked.

    Parameters
    ----------
    name : str
    where : str
        The file or argument it comes from, for messages.
    shape : tuple of int, (n_samples, ...)
    dtype : numpy.dtype
    load : callable
        Gives the array, memory-mapped where the format allows it. For a file it can be pickled and opens the file in
        the process that calls it, so that workers receive a path and not an array.
    file : str, optional
        The file, as the user wrote it.
    """

    name: str
    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], Any]
    file: str | None = None

    @property
    def is_codes(self) -> bool:
        """Whether these are codes, that is integers, bools or strings of shape (n_samples,), and not activations."""
        return len(self.shape) == 1 and self.dtype.kind in "iubUS"

    def read(self) -> Array:
        """The codes, shape (n_samples,), or the activations flattened per sample, shape (n_samples, d).

        Raises
        ------
        InputError
            When the layer is empty, constant, neither codes nor real numbers, or not finite; the message names the row.
        """
        if not self.shape or 0 in self.shape:
            raise InputError(self.where, "at least one sample and one feature", f"shape {self.shape}")
        if self.is_codes:
            values = as_labels(self.where, self.load())
        elif self.dtype.kind in "iubf":
            values = self.load().reshape(self.shape[0], -1)
        else:
            raise _wrong_dtype(self.where, self.dtype)
        varies = False
        for start, chunk in iter_chunks(values, self.where):
            if chunk.dtype.kind == "f" and not np.isfinite(chunk).all():
                row = start + int(np.argwhere(~np.isfinite(chunk))[0, 0])
                raise InputError(self.where, "finite values", f"NaN or infinity in row {row}")
            varies = varies or bool((chunk != values[0]).any())
        if not varies:
            raise InputError(self.where, "samples that differ", "a constant layer", "leave it out: it tells nothing")
        return values


def open_layers(source: Any, where: str) -> dict[str, Layer]:
    """The layers of a file or folder, of a mapping from names to arrays, or of one array, by name and in order.

    Parameters
    ----------
    source : path, mapping of str to array, or array
        A ``.npz`` file, a ``.npy`` file (one layer), or a folder of ``.npy`` files (one layer each, by file name).
        Arrays called "labels", "y" or "ids" are no layers.
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
    if isinstance(source, str | os.PathLike):
        where = os.fspath(source)
        found = _in_file(where)
    elif isinstance(source, Mapping):
        found = [_in_memory(str(name), f"{where}, layer {str(name)!r}", values) for name, values in source.items()]
    else:
        found = [_in_memory(where, where, source)]
    layers: dict[str, Layer] = {}
    for layer in found:
        if layer.name in layers:
            raise InputError(where, "layers of different names", f"{layer.name!r} twice")
        if layer.name not in BESIDE_LAYERS:
            layers[layer.name] = layer
    if not layers:
        raise InputError(where, "at least one layer", f"none beside {', '.join(BESIDE_LAYERS)}" if found else "none")
    return layers


def read_array(path: PathLike, names: Collection[str]) -> Array:
    """The one array of a file, or of several the one that bears one of ``names``.

    Raises
    ------
    InputError
        When the file is damaged, or holds several arrays and not exactly one of these names.
    """
    arrays = _in_file(os.fspath(path))
    chosen = arrays if len(arrays) == 1 else [array for array in arrays if array.name in names]
    if len(chosen) != 1:
        wanted = " or ".join(repr(name) for name in names)
        found = ", ".join(array.name for array in arrays) or "none"
        raise InputError(os.fspath(path), f"one array, or one named {wanted}", f"arrays {found}")
    if chosen[0].dtype.kind not in "iubfUS":
        raise _wrong_dtype(chosen[0].where, chosen[0].dtype)
    return np.asarray(chosen[0].load())


def read_labels(source: Any, where: str) -> Array:
    """Labels from a file (in an ``.npz`` of several arrays those named "labels" or "y"), or as given.

    Raises
    ------
    InputError
        When they are not integers, bools or strings of shape (n_samples,).
    """
    if isinstance(source, str | os.PathLike):
        return as_labels(os.fspath(source), read_array(source, ("labels", "y")))
    return as_labels(where, source)


def check_output(path: PathLike, force: bool) -> None:
    """Refuse an output that exists (unless ``force``) or cannot be written, before any work is done for it."""
    target = Path(path)
    if target.is_dir():
        raise InputError(str(path), "the name of a file", "a folder")
    if target.exists() and not force:
        raise InputError(str(path), "a new file", "one that exists", "overwrite it with force")
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
        raise InputError(str(path), "a place that can be written to", _reason(error)) from error
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


# --- readers


def _npy(path: Path) -> list[Layer]:
    with path.open("rb") as stream:
        header = _read_header(stream, path.stat().st_size, str(path))
    return [Layer(path.stem, str(path), header.shape, header.dtype, partial(_load_npy, str(path)), str(path))]


def _load_npy(path: str) -> Array:
    with _faults(path):
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        return array


def _npz(path: Path) -> list[Layer]:
    layers = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.filename.endswith(".npy"):
                raise InputError(str(path), "arrays saved by numpy.savez", f"a member {member.filename!r}")
            name = member.filename.removesuffix(".npy")
            where = f"{path}, layer {name!r}"
            with archive.open(member) as stream:
                header = _read_header(stream, member.file_size, where)
            load = partial(_load_npz, str(path), member.filename, where)
            layers.append(Layer(name, where, header.shape, header.dtype, load, str(path)))
    return layers


def _load_npz(path: str, member: str, where: str) -> Array:
    with _faults(where), zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        array: Array = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read(1)  # only at the end of its data does zipfile compare the check sum
        return array


READERS: dict[str, Callable[[Path], list[Layer]]] = {".npy": _npy, ".npz": _npz}
"""The reader of each format, by suffix."""


def _in_file(source: str) -> list[Layer]:
    path = Path(source)
    with _faults(source):
        if path.is_dir():
            files = sorted(path.glob("*.npy"), key=_natural)
            if not files:
                raise InputError(source, FOLDER, "a folder without any")
            return [layer for file in files for layer in _in_file(str(file))]
        if not path.exists():
            raise InputError(source, "an existing file or folder", "nothing by that name")
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            raise InputError(source, f"a file in {', '.join(READERS)}, or {FOLDER}", f"suffix {path.suffix!r}")
        return reader(path)


def _in_memory(name: str, where: str, values: Any) -> Layer:
    array = as_array(where, values)
    return Layer(name, where, array.shape, array.dtype, partial(np.asarray, array))


# --- faults of files


class _Header(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def _read_header(stream: Any, n_bytes: int, where: str) -> _Header:
    """Shape and type of an array in .npy format, once its length is known to agree with them."""
    magic = stream.read(6)
    if magic != b"\x93NUMPY":
        got = "a pickle" if magic[:1] == b"\x80" else f"one that starts with {magic!r}" if magic else "an empty file"
        raise InputError(where, "an array in numpy's .npy format", got)
    version = tuple(stream.read(2))
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise InputError(where, "version 1.0 or 2.0 of numpy's .npy format", f"version {version}")
    try:
        shape, _, dtype = read(stream)
    except Exception as error:  # a damaged header breaks numpy's parser in ways that it does not name
        raise InputError(where, "a header in numpy's .npy format", f"a damaged one ({_reason(error)})") from error
    expected, got_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize, n_bytes - stream.tell()
    if not dtype.hasobject and (expected != got_bytes or min(shape, default=1) < 0):
        hint = "the file is truncated" if expected > got_bytes else "the file is damaged"
        raise InputError(where, f"{expected} bytes of data for {dtype} of shape {shape}", f"{got_bytes}", hint)
    return _Header(shape, dtype)


@contextmanager
def _faults(where: str) -> Iterator[None]:
    """Whatever a damaged file does to a parser becomes one line that names the file."""
    try:
        yield
    except InputError:
        raise
    except (
        *(OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, OverflowError, MemoryError, RuntimeError),
        *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    ) as error:
        hint = None if isinstance(error, OSError) else "it may be truncated or damaged"
        raise InputError(where, "a file that can be read", f"the fault: {_reason(error)}", hint) from error


def _reason(error: Exception) -> str:
    """The first line of what went wrong."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return text.splitlines()[0]


def _wrong_dtype(where: str, dtype: np.dtype[Any]) -> InputError:
    if dtype.hasobject:
        hint = "pidkd never unpickles; save numbers or strings of one type"
        return InputError(where, "numbers or strings", f"Python objects (dtype {dtype})", hint)
    return InputError(where, "real numbers or codes", f"dtype {dtype}")


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key by which layer2 comes before layer10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.stem)]
