"""Tensors or labels as ``torch.save`` writes them, read without unpickling anything else."""

from __future__ import annotations

import argparse
import collections
import importlib
import pathlib
import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from pidkd.arrays import Array, as_array
from pidkd.errors import InputError, import_extra
from pidkd.files.archive import verify
from pidkd.files.format import Entry, Format, Source
from pidkd.files.layer import Sliced, by_index, text_array
from pidkd.files.opening import IN_PIECES, check_budget


class Pt(Format):
    """A zip archive of stored members, mapped; the check sum of each is verified, which torch does not do."""

    name = "pt"
    suffixes = (".pt", ".pth")
    check_sum = True
    requires = MappingProxyType({"torch": "torch"})

    def entries(self, file: Source) -> Sequence[Entry]:
        """Tensors by name, or the one tensor, called as the file is."""
        entries = []
        for name, values in _tensors(file).items():
            array = values
            if hasattr(values, "detach"):
                array = as_array(file.layer(name), values[:0] if values.ndim else values)
            entries.append(Entry(name, tuple(values.shape), array.dtype))
        return entries

    def load(self, file: Source, name: str) -> Any:
        """Rows of a tensor when asked, or labels."""
        _verify_members(file.path)
        values, where = _tensors(file)[name], file.layer(name)
        if not hasattr(values, "detach") or values.ndim == 0:
            return as_array(where, values)
        dtype = as_array(where, values[:0]).dtype
        return Sliced(tuple(values.shape), dtype, lambda index: as_array(where, values[index]))

    def write(self, path: Path, arrays: Mapping[str, Array]) -> None:
        """Write all arrays as tensors."""
        torch = import_extra("torch", "torch", needed_by=str(path))
        torch.save({name: torch.from_numpy(np.array(values)) for name, values in arrays.items()}, path)


def read_state(file: Source) -> Any:
    """Object saved by ``torch.save``, tensors mapped or in memory, when every check sum is right.

    Beside tensors it may hold plain records of a run, as checkpoints do: namespaces, paths, numbers of NumPy.
    """
    torch = import_extra("torch", "torch", needed_by=file.where)
    _verify_members(file.path)
    with torch.serialization.safe_globals(_records()):
        return _opened(file)


def _records() -> list[Any]:
    """Classes that hold values and run no code of others when they are built."""
    multiarray = importlib.import_module("numpy._core.multiarray" if np.__version__ >= "2" else "numpy.core.multiarray")
    functions = [getattr(multiarray, name) for name in ("scalar", "_reconstruct")]
    # Files of NumPy 1 name the same functions otherwise.
    older = [(f, f"numpy.{core}.multiarray.{f.__name__}") for core in ("core", "_core") for f in functions]
    dtypes = [type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd"]
    holders = [argparse.Namespace, collections.defaultdict, pathlib.PosixPath, list, dict, set, int, float, str]
    return [*older, np.ndarray, np.dtype, *dict.fromkeys(dtypes), *holders]


def _tensors(file: Source) -> dict[str, Any]:
    """Dense tensors and arrays of labels, by name."""
    contents = _opened(file)
    contents = by_index(contents) or contents
    if hasattr(contents, "detach") or isinstance(contents, list):
        contents = {file.path.stem: contents}
    if not isinstance(contents, dict) or not all(isinstance(name, str) for name in contents):
        raise InputError(file.where, "a tensor, or tensors by name", type(contents).__name__)
    return {name: _dense(file, name, values) for name, values in contents.items()}


def _dense(file: Source, name: str, values: Any) -> Any:
    torch = import_extra("torch", "torch", needed_by=file.where)
    where = file.layer(name)
    if isinstance(values, list) and {type(value) for value in values} == {str}:
        return text_array(where, values, file.max_memory)
    if isinstance(values, list) and all(type(value) in (bool, int, float, str) for value in values):
        return as_array(where, values)
    if not isinstance(values, torch.Tensor):
        hint = "of a checkpoint only the activations: pidkd.distill.capture writes them"
        raise InputError(
            where, "a tensor, or a list of labels", type(values).__name__, hint if isinstance(values, dict) else None
        )
    if values.layout != torch.strided or values.is_quantized or values.device.type != "cpu":
        raise InputError(where, "a dense tensor", "another layout")
    size, stored = values.numel() * values.element_size(), values.untyped_storage().nbytes()
    if size > stored:  # a stride of 0 repeats values
        check_budget(where, size, file.max_memory, hint=IN_PIECES)
    return values.detach()


def _opened(file: Source) -> Any:
    torch = import_extra("torch", "torch", needed_by=file.where)
    archive = zipfile.is_zipfile(file.path)
    if archive:
        _check_members(file)
    else:  # the format before torch 1.6, which is read whole
        _check_is_pickle(file)
        check_budget(file.where, file.path.stat().st_size, file.max_memory, hint=IN_PIECES)
    with warnings.catch_warnings():  # of pickles that are refused a moment later
        warnings.simplefilter("ignore")
        try:
            return torch.load(file.path, weights_only=True, map_location="cpu", mmap=archive or None)
        except pickle.UnpicklingError as error:
            if (refused := _refused(error)) is None:
                if archive:
                    raise
                refused = "a pickle of another library", HINT
            raise InputError(file.where, "tensors, or labels, by name", *refused) from error


def _check_is_pickle(file: Source) -> None:
    with file.path.open("rb") as stream:
        start = stream.read(2)
    if start[:1] != b"\x80":
        got = {b"": "an empty file", b"PK": "a truncated archive"}.get(start, "a file of another format")
        raise InputError(file.where, "a file written by torch.save", got)


def _refused(error: Exception) -> tuple[str, str] | None:
    """An object that torch refuses to build, and what to save in its place; None where that is not the fault.

    Examples
    --------
    >>> _refused(ValueError("... Unsupported global: GLOBAL collections.defaultdict was not an allowed global"))
    ('an object of class collections.defaultdict', 'save a plain dict of it: dict(...)')
    """
    _, found, rest = " ".join(str(error).split()).partition("GLOBAL ")
    if not found:
        return None
    name = rest.split()[0]
    if name.startswith("numpy"):
        return "NumPy arrays or numbers", "numpy.savez writes those, and torch.save tensors: torch.from_numpy(array)"
    if name.startswith("collections."):
        return f"an object of class {name}", "save a plain dict of it: dict(...)"
    return f"an object of class {name}, which cannot be read without running its code", HINT


HINT = "save its tensors by name; of a network network.state_dict()"


def _check_members(file: Source) -> None:
    """Refuse members that torch would misread: compressed, doubled, or shorter than the pickle says of them."""
    with zipfile.ZipFile(file.path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if len(members) != len(archive.infolist()):
            raise InputError(file.where, "members of different names", "one twice", "the file is damaged")
        if any(name.endswith("/constants.pkl") for name in members):
            hint = "torch.save(torch.jit.load(FILE).state_dict(), ...) writes its weights"
            raise InputError(file.where, "a file written by torch.save", "a scripted network", hint)
        for name, member in members.items():
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                hint = "write it with torch.save, which does not compress"
                raise InputError(file.where, "stored members", f"{name!r}, which is compressed or encrypted", hint)
        index = next((name for name in members if name.partition("/")[2] == "data.pkl"), None)
        if index is None:
            got = "arrays of NumPy" if any(name.endswith(".npy") for name in members) else "an archive without data.pkl"
            raise InputError(file.where, "a file written by torch.save", got)
        check_budget(file.where, 16 * members[index].file_size, file.max_memory)
        folder = index.removesuffix("data.pkl")
        claims = _Claims(archive.open(index)).claimed()
        for key, size in claims.items():
            storage = members.get(f"{folder}data/{key}")
            if storage is None or storage.file_size < size:
                got = "none" if storage is None else f"{storage.file_size}"
                raise InputError(file.where, f"{size} bytes in member data/{key}", got, "the file is damaged")


class _Claims(pickle._Unpickler):
    """Sizes of storages that a pickle names; nothing that it names is looked up, built or called.

    In Python, because the unpickler in C takes memory for an index that a file only claims.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._sizes: dict[str, int] = {}

    def claimed(self) -> dict[str, int]:
        """Bytes by key of storage."""
        self.load()
        return self._sizes

    def find_class(self, module: str, name: str) -> Any:
        return type(name, (_Named,), {})

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, count = pid
        self._sizes[str(key)] = max(self._sizes.get(str(key), 0), count * _ITEMSIZE.get(kind.__name__, 1))
        return _Named()


class _Named:
    """Stands for whatever a pickle names."""

    def __new__(cls, *_: Any, **__: Any) -> _Named:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __hash__(self) -> int:
        return id(self)

    def append(self, _: Any) -> None:
        """Take an entry and forget it."""

    def extend(self, _: Any) -> None:
        """Take entries and forget them."""


_ITEMSIZE = {
    **dict.fromkeys(("DoubleStorage", "LongStorage", "ComplexFloatStorage"), 8),
    **dict.fromkeys(("FloatStorage", "IntStorage", "QInt32Storage"), 4),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    "ComplexDoubleStorage": 16,
}


def _verify_members(path: Path) -> None:
    """Compare the check sum of every member."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                verify(path, name)
