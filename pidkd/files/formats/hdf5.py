"""Data sets of an HDF5 file, in groups or not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import InputError, import_extra
from pidkd.files.format import Entry, Format, Source
from pidkd.files.layer import Sliced, rows_of, text_array
from pidkd.files.opening import faults


class Hdf5(Format):
    """Data sets, read in slices. Every chunk must have been written; links and other files are not followed."""

    name = "hdf5"
    suffixes = (".h5", ".hdf5")
    check_sum = True
    requires = MappingProxyType({"h5py": "io"})

    def entries(self, file: Source) -> Sequence[Entry]:
        """Data sets by their path in the file."""
        h5py = import_extra("h5py", "io", needed_by=file.where)
        entries: list[Entry] = []
        with h5py.File(file.path, "r") as held:
            groups = [("", held)]
            while groups:
                prefix, group = groups.pop(0)
                if prefix.count("/") > DEEPEST:
                    raise InputError(
                        file.where, f"groups at most {DEEPEST} deep", prefix[:40], "it leads back to itself"
                    )
                for key in group:
                    name = prefix + key
                    if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                        raise InputError(file.layer(name), "data in the file itself", "a link", "pidkd follows none")
                    if isinstance(group[key], h5py.Group):
                        groups.append((f"{name}/", group[key]))
                    elif isinstance(group[key], h5py.Dataset):
                        entries.append(_entry(h5py, file, name, group[key]))
        return entries

    def load(self, file: Source, name: str) -> Any:
        """Rows when asked, or text in memory."""
        h5py = import_extra("h5py", "io", needed_by=file.where)
        data = h5py.File(file.path, "r")[name]  # what is sliced later keeps its file open
        where = file.layer(name)
        if h5py.check_string_dtype(data.dtype) is None:
            return Sliced(data.shape, data.dtype, lambda index: _rows(where, data, index))
        # No text is longer than its file: few are read at once, where they might all be one long one.
        step = max(1, file.max_memory // (4 * max(1, file.path.stat().st_size)))
        pieces = (data.asstr()[start : start + step].ravel() for start in range(0, data.shape[0], step))
        return text_array(where, (text for piece in pieces for text in piece), file.max_memory).reshape(data.shape)

    def write(self, path: Path, arrays: Mapping[str, Array]) -> None:
        """Write all arrays, in chunks with check sums."""
        with import_extra("h5py", "io", needed_by=str(path)).File(path, "w", libver="latest") as file:
            for name, values in arrays.items():
                chunks = (max(1, len(values) // 3), *values.shape[1:])
                file.create_dataset(name, data=values, chunks=chunks, compression="gzip", fletcher32=True)


DEEPEST = 32
"""How deep groups may lie in groups; a group may lie in itself."""


def _entry(h5py: Any, file: Source, name: str, data: Any) -> Entry:
    where, shape = file.layer(name), data.shape or ()
    if data.is_virtual or data.external:
        raise InputError(where, "data in the file itself", "data in another file", "pidkd follows no links")
    text = h5py.check_string_dtype(data.dtype) is not None
    chunk = data.nbytes
    if data.chunks is not None and 0 not in shape:
        chunk = math.prod(data.chunks) * data.dtype.itemsize
        expected = math.prod(-(-size // step) for size, step in zip(shape, data.chunks, strict=True))
        written = data.id.get_num_chunks()
        if written < expected:
            raise InputError(where, f"{expected} chunks", f"{written}", "rows are missing that were never written")
    elif data.id.get_storage_size() < data.nbytes:
        got = f"{data.id.get_storage_size()}"
        raise InputError(where, f"{data.nbytes} bytes of data", got, "rows are missing that were never written")
    in_memory = chunk if data.chunks is not None or text else 0
    return Entry(name, shape, np.dtype("U1") if text else data.dtype, in_memory)


def _rows(where: str, data: Any, index: Any) -> Array:
    with faults(where):
        return rows_of(data, index)
