"""Arrays by name in safetensors format, verified by its library."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import InputError, import_extra
from pidkd.files.format import Entry, Format, Source
from pidkd.files.layer import Sliced
from pidkd.mapping import mapped

STORED = {
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


class Safetensors(Format):
    """A header in JSON, then values, mapped. The library verifies that ranges are disjoint and fit the shapes."""

    name = "safetensors"
    suffixes = (".safetensors",)
    requires = MappingProxyType({"safetensors": "io"})

    def entries(self, file: Source) -> Sequence[Entry]:
        """Arrays in the order of their names."""
        entries = []
        header, _ = _verified(file)
        for name, about in header.items():
            if about["dtype"] not in STORED:
                raise InputError(file.layer(name), f"one of the types {', '.join(STORED)}", str(about["dtype"]))
            dtype = np.dtype(np.float32 if about["dtype"] == "BF16" else STORED[about["dtype"]])
            entries.append(Entry(name, tuple(about["shape"]), dtype))
        return entries

    def load(self, file: Source, name: str) -> Any:
        """Values, mapped; those in bfloat16 become float32 slice by slice."""
        header, start = _verified(file)
        shape, dtype = tuple(header[name]["shape"]), np.dtype(STORED[header[name]["dtype"]])
        if not math.prod(shape):
            return np.empty(shape, dtype)
        values = mapped(file.path, dtype, "r", start + header[name]["data_offsets"][0], shape)
        if header[name]["dtype"] != "BF16":
            return values
        # The upper half of a float32, which holds each of its values.
        return Sliced(shape, np.dtype(np.float32), lambda i: (values[i].astype(np.uint32) << 16).view(np.float32))

    def write(self, path: Path, arrays: Mapping[str, Array]) -> None:
        """Write all arrays."""
        import_extra("safetensors.numpy", "io", needed_by=str(path)).save_file(dict(arrays), path)


def _verified(file: Source) -> tuple[dict[str, Any], int]:
    """Header by array, and the byte at which values begin, of a file that the library accepts."""
    with import_extra("safetensors", "io", needed_by=file.where).safe_open(file.path, "np"):
        pass  # opening is what verifies
    with file.path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        pairs = json.loads(stream.read(length), object_pairs_hook=lambda pairs: _once(file, pairs))
    return {name: about for name, about in sorted(pairs.items()) if name != "__metadata__"}, 8 + length


def _once(file: Source, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys are all different; the library keeps the last of equal ones."""
    if len(dict(pairs)) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(file.where, "layers of different names", f"{twice!r} twice")
    return dict(pairs)
