"""Arrays of a zarr folder, in groups or not."""

from __future__ import annotations

import itertools
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import InputError, import_extra
from pidkd.files.format import Entry, Format, Source
from pidkd.files.layer import Sliced, rows_of
from pidkd.files.opening import check_budget, existing_tree, faults


class Zarr(Format):
    """A folder of chunks, read in slices. Every chunk must be there: for zarr itself, a missing one means zeros."""

    name = "zarr"
    suffixes = (".zarr",)
    check_sum = True
    folder = True
    requires = MappingProxyType({"zarr": "io"})

    def entries(self, file: Source) -> Sequence[Entry]:
        """Arrays by their path in the folder."""
        sizes = existing_tree(file.path)
        contents = _opened(file)
        if hasattr(contents, "dtype"):
            return [_entry(file, file.path.stem, "", contents, sizes)]
        with warnings.catch_warnings():  # a folder that is no array has lost its header
            warnings.filterwarnings("error", r"Object at (?!\.).* is not recognized")
            members = [(name, member) for name, member in contents.members(max_depth=None) if hasattr(member, "dtype")]
        return [_entry(file, name, f"{name}/", array, sizes) for name, array in members]

    def load(self, file: Source, name: str) -> Any:
        """Rows when asked."""
        contents = _opened(file)
        data, where = contents if hasattr(contents, "dtype") else contents[name], file.layer(name)

        def get(index: Any) -> Array:
            with faults(where):
                return rows_of(data, index)

        return Sliced(data.shape, np.dtype(data.dtype), get)

    def write(self, path: Path, arrays: Mapping[str, Array]) -> None:
        """Write all arrays, in chunks with check sums."""
        zarr = import_extra("zarr", "io", needed_by=str(path))
        codecs = import_extra("zarr.codecs", "io", needed_by=str(path))
        group = zarr.open_group(str(path), mode="w")
        for name, values in arrays.items():
            chunks = (max(1, len(values) // 3), *values.shape[1:])
            options = {
                "compressors": [codecs.GzipCodec(), codecs.Crc32cCodec()],
                "config": {"write_empty_chunks": True},
            }
            group.create_array(name, data=values, chunks=chunks, **options)


def _opened(file: Source) -> Any:
    return import_extra("zarr", "io", needed_by=file.where).open(str(file.path), mode="r")


def _entry(file: Source, name: str, folder: str, array: Any, sizes: Mapping[str, int]) -> Entry:
    where = file.layer(name)
    filters = getattr(array.metadata, "filters", None) or ()
    if any("pickle" in str(getattr(codec, "codec_id", "")) for codec in filters):
        raise InputError(where, "numbers or strings", "pickled objects", "pidkd never unpickles")
    pieces = getattr(array, "shards", None) or array.chunks
    counts = [-(-size // step) for size, step in zip(array.shape, pieces, strict=True)]
    expected, there = math.prod(counts), {path for path in sizes if path.startswith(folder)}
    missing = expected > len(there)  # compared first, so that what follows is bounded by the files that exist
    for place in itertools.product(*map(range, counts)) if not missing else ():
        key = folder + array.metadata.encode_chunk_key(place)
        missing = missing or key not in there or _lacks_inner(file, where, array, file.path / key, place)
    if missing:
        hint = "chunks that are all zeros are only written with config={'write_empty_chunks': True}"
        raise InputError(where, f"{expected} chunks", "fewer", hint)
    dtype = np.dtype(array.dtype)
    return Entry(name, tuple(array.shape), dtype, math.prod(pieces) * dtype.itemsize)


def _lacks_inner(file: Source, where: str, array: Any, shard: Path, place: Sequence[int]) -> bool:
    """Whether chunks inside a shard were never written, by the shard's index; zarr reads them, too, as zeros."""
    codec = next((codec for codec in getattr(array.metadata, "codecs", ()) if hasattr(codec, "index_codecs")), None)
    if codec is None:
        return False
    check_sums = [type(inner).__name__ == "Crc32cCodec" for inner in codec.index_codecs]
    if len(check_sums) - sum(check_sums) != 1:
        raise InputError(where, "an index of shards that is not compressed", "another", "write it with zarr's default")
    counts = [size // step for size, step in zip(array.shards, array.chunks, strict=True)]
    n_bytes = 16 * math.prod(counts)
    size = n_bytes + 4 * sum(check_sums)
    if shard.stat().st_size < size:
        raise InputError(where, f"{size} bytes of an index in {shard.name}", f"{shard.stat().st_size}", "it is damaged")
    check_budget(where, size, file.max_memory)
    with shard.open("rb") as stream:
        if str(codec.index_location).endswith("end"):
            stream.seek(-size, os.SEEK_END)
        offsets = np.frombuffer(stream.read(n_bytes), "<u8").reshape(*counts, 2)[..., 0]
    inside = [
        slice(-(-min(step, size - step * at) // inner))
        for size, step, inner, at in zip(array.shape, array.shards, array.chunks, place, strict=True)
    ]
    return bool((offsets[tuple(inside)] == np.iinfo(np.uint64).max).any())
