"""The formats of files of activations: one reader per format, found by suffix in ``READERS``.

A reader goes from a path to its layers, of which it reads shape and type and no data. To add a format, write one and
give it its suffix there. Nothing is ever unpickled, and no file leads to another.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pidkd.arrays import Array, as_array
from pidkd.errors import InputError, import_extra, reason
from pidkd.files.layer import Layer, Sliced, faults

FOLDER = "a folder of .npy files, one per layer, or of shards"


# --- readers


def _npy(path: Path) -> list[Layer]:
    with path.open("rb") as stream:
        header = _read_header(stream, path.stat().st_size, str(path))
    return [Layer(path.stem, str(path), header.shape, header.dtype, partial(_load_npy, str(path)), str(path))]


def _load_npy(path: str) -> Array:
    with faults(path):
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
    with faults(where), zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        array: Array = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read(1)  # only at the end of its data does zipfile compare the check sum
        return array


def _safetensors(path: Path) -> list[Layer]:
    """Eight bytes of length, a header in JSON, then the arrays as they lie in memory."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > size - 8:
            raise InputError(str(path), "a file in safetensors format", "one that is too short", "it may be truncated")
        header = json.loads(stream.read(length))
    layers = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        where = f"{path}, layer {name!r}"
        kind, shape, (start, end) = entry["dtype"], tuple(map(int, entry["shape"])), entry["data_offsets"]
        if kind not in SAFETENSORS:
            raise InputError(where, f"one of the types {', '.join(SAFETENSORS)}", str(kind))
        stored = np.dtype(SAFETENSORS[kind])
        if end - start != math.prod(shape) * stored.itemsize or start < 0 or 8 + length + end > size:
            got = f"{end - start} from byte {start} of a file of {size}"
            raise InputError(where, f"{math.prod(shape) * stored.itemsize} bytes of data", got, "it may be truncated")
        dtype = np.dtype(np.float32) if kind == "BF16" else stored
        load = partial(_load_safetensors, str(path), 8 + length + start, stored, shape, kind == "BF16")
        layers.append(Layer(name, where, shape, dtype, load, str(path)))
    return layers


def _load_safetensors(path: str, offset: int, stored: np.dtype[Any], shape: tuple[int, ...], bfloat: bool) -> Any:
    if not math.prod(shape):
        return np.empty(shape, stored)
    with faults(path):
        values = np.memmap(path, stored, "r", offset, shape)
    if not bfloat:
        return values
    # The upper half of a float32, which holds each of its values.
    return Sliced(shape, np.dtype(np.float32), lambda i: (values[i].astype(np.uint32) << 16).view(np.float32))


SAFETENSORS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}
"""Types of safetensors as they are stored."""


def _torch(path: Path) -> list[Layer]:
    layers = []
    for name, values in _open_torch(str(path)).items():
        where = f"{path}, layer {name!r}"
        if not hasattr(values, "detach"):
            values = as_array(where, values)  # a list of labels
            dtype, shape = values.dtype, values.shape
        else:
            if values.is_sparse or values.is_quantized:
                raise InputError(where, "a dense tensor", "another layout")
            dtype, shape = as_array(where, values[:0] if values.ndim else values).dtype, tuple(values.shape)
        layers.append(Layer(name, where, shape, dtype, partial(_load_torch, str(path), name, where), str(path)))
    return layers


def _open_torch(path: str) -> dict[str, Any]:
    torch = import_extra("torch", "torch", needed_by=path)
    with faults(path):
        held = torch.load(path, weights_only=True, map_location="cpu", mmap=zipfile.is_zipfile(path) or None)
    if hasattr(held, "detach") or isinstance(held, list):
        return {Path(path).stem: held}
    if not isinstance(held, dict) or not all(isinstance(name, str) for name in held):
        raise InputError(path, "a tensor, or tensors by name", type(held).__name__)
    return dict(held)


def _load_torch(path: str, name: str, where: str) -> Any:
    values = _open_torch(path)[name]
    if not hasattr(values, "detach") or values.ndim == 0:
        return as_array(where, values)
    dtype = as_array(where, values[:0]).dtype
    return Sliced(tuple(values.shape), dtype, lambda index: as_array(where, values[index]))


def _hdf5(path: Path) -> list[Layer]:
    h5py = import_extra("h5py", "io", needed_by=str(path))
    layers: list[Layer] = []

    def walk(group: Any, prefix: str) -> None:
        for key in group:
            name = prefix + key
            where = f"{path}, layer {name!r}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise InputError(where, "data in the file itself", "a link", "pidkd follows none")
            item = group[key]
            if isinstance(item, h5py.Group):
                walk(item, f"{name}/")
            elif item.is_virtual or item.external:
                raise InputError(where, "data in the file itself", "data in another file", "pidkd follows no links")
            else:
                text = h5py.check_string_dtype(item.dtype) is not None
                dtype = np.dtype("U1") if text else item.dtype
                load = partial(_load_hdf5, str(path), name)
                layers.append(Layer(name, where, item.shape or (), dtype, load, str(path)))

    with h5py.File(path, "r") as file:
        walk(file, "")
    return layers


def _load_hdf5(path: str, name: str) -> Any:
    h5py = import_extra("h5py", "io", needed_by=path)
    with faults(path):
        data = h5py.File(path, "r")[name]  # what is sliced later keeps its file open
        if h5py.check_string_dtype(data.dtype) is not None:
            return np.array(data.asstr()[()].tolist(), dtype=str)
    return Sliced(data.shape, data.dtype, lambda index: _in_time(path, data, index))


def _zarr(path: Path) -> list[Layer]:
    zarr = import_extra("zarr", "io", needed_by=str(path))
    held = zarr.open(str(path), mode="r")
    found = [(path.stem, held)] if isinstance(held, zarr.Array) else list(held.members(max_depth=None))
    layers = []
    for name, array in found:
        if not isinstance(array, zarr.Array):
            continue
        where = f"{path}, layer {name!r}"
        filters = getattr(array.metadata, "filters", None) or ()
        if any("pickle" in str(getattr(codec, "codec_id", "")) for codec in filters):
            raise InputError(where, "numbers or strings", "pickled objects", "pidkd never unpickles")
        dtype = np.dtype(array.dtype)
        member = None if array is held else name
        layers.append(Layer(name, where, array.shape, dtype, partial(_load_zarr, str(path), member), str(path)))
    return sorted(layers, key=lambda layer: natural(layer.name))


def _load_zarr(path: str, member: str | None) -> Any:
    zarr = import_extra("zarr", "io", needed_by=path)
    with faults(path):
        held = zarr.open(path, mode="r")
        data = held if member is None else held[member]
    if len(data.shape) == 1:
        return np.asarray(data[:])
    return Sliced(data.shape, np.dtype(data.dtype), lambda index: _in_time(path, data, index))


def _in_time(path: str, data: Any, index: Any) -> Array:
    """Slices as they are; of scattered rows the span, since such libraries read them one by one."""
    with faults(path):
        if isinstance(index, slice) or len(index) == 0:
            return np.asarray(data[index])
        low, high = int(index[0]), int(index[-1]) + 1
        if high - low <= 4 * len(index):
            span: Array = np.asarray(data[low:high])
            return span.take(np.asarray(index) - low, axis=0)
        return np.concatenate([np.asarray(data[int(i) : int(i) + 1]) for i in index])


READERS: dict[str, Callable[[Path], list[Layer]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _torch,
    ".pth": _torch,
    ".safetensors": _safetensors,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".zarr": _zarr,
}
"""The reader of each format, by suffix."""

SHARD = re.compile(r"(?:shard|part|chunk)?[-_.]?(\d+)")
"""File names by which the pieces of one whole are known, with their number."""


def read_layers(source: str) -> list[Layer]:
    """The layers of a file or folder, whatever their names.

    Raises
    ------
    InputError
        When there is no such file, it is damaged or of another format, or a shard is missing or unlike the others.
    """
    path = Path(source)
    with faults(source):
        if not path.exists():
            raise InputError(source, "an existing file or folder", "nothing by that name")
        reader = READERS.get(path.suffix.lower())
        if path.is_dir() and reader is not _zarr:
            return _folder(path)
        if reader is None:
            raise InputError(source, f"a file in {', '.join(READERS)}, or {FOLDER}", f"suffix {path.suffix!r}")
        return reader(path)


def _folder(path: Path) -> list[Layer]:
    """One layer per .npy file or subfolder of shards; or shards that each hold all layers."""
    inside = sorted((p for p in path.iterdir() if not p.name.startswith(".")), key=lambda p: natural(p.stem))
    arrays = [p for p in inside if p.suffix.lower() == ".npy" and p.is_file()]
    pieces = [p for p in inside if p.suffix.lower() in READERS and p not in arrays]
    folders = [p for p in inside if p.is_dir() and p.suffix.lower() not in READERS and any(p.glob("*.npy"))]
    if pieces and (arrays or folders):
        got = f"{(arrays + folders)[0].name} beside {pieces[0].name}"
        raise InputError(str(path), "files of one layer each, or shards of all layers", got)
    if pieces:
        _none_missing(pieces)
        shards = [{layer.name: layer for layer in read_layers(str(p))} for p in pieces]
        for piece, shard in zip(pieces, shards, strict=True):
            if set(shard) != set(shards[0]):
                odd = sorted(set(shard) ^ set(shards[0]))[0]
                raise InputError(str(piece), f"the layers of {pieces[0].name}", f"a difference in {odd!r}")
        return [_joined(name, path, [shard[name] for shard in shards]) for name in shards[0]]
    if len(arrays) > 1 and not folders and all(SHARD.fullmatch(p.stem) for p in arrays):
        return [_sharded(path, arrays)]
    if not arrays and not folders:
        raise InputError(str(path), FOLDER, "a folder without any")
    layers = [layer for file in arrays for layer in read_layers(str(file))]
    layers += [_sharded(p, sorted(p.glob("*.npy"), key=lambda file: natural(file.stem))) for p in folders]
    return sorted(layers, key=lambda layer: natural(layer.name))


def _sharded(path: Path, files: Sequence[Path]) -> Layer:
    _none_missing(files)
    return _joined(path.name, path, [layer for file in files for layer in read_layers(str(file))])


def _none_missing(files: Sequence[Path]) -> None:
    """Numbered shards that skip a number are incomplete."""
    numbers = [int(match[1]) for file in files if (match := SHARD.fullmatch(file.stem))]
    if len(numbers) == len(files) > 1:
        missing = sorted(set(range(min(*numbers, 1), max(numbers) + 1)) - set(numbers))
        if missing:
            got = f"{len(numbers)} of them, without number {missing[0]}"
            raise InputError(str(files[0].parent), f"shards up to number {max(numbers)}", got)


def _joined(name: str, path: Path, shards: Sequence[Layer]) -> Layer:
    """Shards as one layer, one after the other."""
    first = shards[0]
    for shard in shards:
        text = shard.dtype.kind in "US" and first.dtype.kind == shard.dtype.kind
        if not shard.shape or shard.shape[1:] != first.shape[1:] or (shard.dtype != first.dtype and not text):
            got = f"{shard.dtype} of shape {shard.shape}"
            raise InputError(shard.where, f"{first.dtype} of shape (n, ...) {first.shape[1:]} as in {first.where}", got)
    shape = (sum(shard.shape[0] for shard in shards), *first.shape[1:])
    load = partial(_load_joined, tuple(shards), shape)
    return Layer(
        name, f"{path}, layer {name!r}" if name != path.name else str(path), shape, first.dtype, load, str(path)
    )


def _load_joined(shards: tuple[Layer, ...], shape: tuple[int, ...]) -> Any:
    if len(shards) == 1 or len(shape) == 1:
        parts = [np.asarray(shard.load()) for shard in shards]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    starts = np.cumsum([0, *(shard.shape[0] for shard in shards)])

    def get(index: Any) -> Array:
        """Each shard is opened for its rows and let go, so that their number does not matter."""
        wanted = np.arange(*index.indices(shape[0])) if isinstance(index, slice) else np.asarray(index)
        parts = []
        for shard, start, end in zip(shards, starts, starts[1:], strict=False):
            local = wanted[(wanted >= start) & (wanted < end)] - start
            if len(local):
                whole = len(local) == local[-1] - local[0] + 1
                parts.append(np.asarray(shard.load()[slice(int(local[0]), int(local[-1]) + 1) if whole else local]))
        return np.concatenate(parts) if parts else np.empty((0, *shape[1:]), shards[0].dtype)

    return Sliced(shape, shards[0].dtype, get)


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which layer2 comes before layer10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


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
        raise InputError(where, "a header in numpy's .npy format", f"a damaged one ({reason(error)})") from error
    expected, got_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize, n_bytes - stream.tell()
    if not dtype.hasobject and (expected != got_bytes or min(shape, default=1) < 0):
        hint = "the file is truncated" if expected > got_bytes else "the file is damaged"
        raise InputError(where, f"{expected} bytes of data for {dtype} of shape {shape}", f"{got_bytes}", hint)
    return _Header(shape, dtype)
