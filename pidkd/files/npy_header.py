"""Header of an array in numpy's .npy format, which files and members of archives share."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import InputError, reason
from pidkd.mapping import mapped

LONGEST = 2**16
"""Bytes of the longest header: that of an array of numbers takes 128."""


class Header(NamedTuple):
    """Shape, memory order, type, and the byte at which values begin."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    offset: int

    def map(self, path: Path, start: int = 0) -> Array:
        """Values of an uncompressed array that begins at byte ``start`` of a file, mapped."""
        if not math.prod(self.shape):
            return np.empty(self.shape, self.dtype)
        order: Any = "F" if self.fortran else "C"
        return mapped(path, self.dtype, "r", start + self.offset, self.shape, order)


def read_header(stream: BinaryIO, n_bytes: int, where: str) -> Header:
    """Header of an array of ``n_bytes`` in all, once its shape is known to agree with them.

    Raises
    ------
    InputError
        When it is damaged, of another format, or claims more or fewer bytes than there are.
    """
    magic = stream.read(6)
    if magic != b"\x93NUMPY":
        got = "a pickle" if magic[:1] == b"\x80" else f"one that starts with {magic!r}" if magic else "an empty file"
        raise InputError(where, "an array in numpy's .npy format", got)
    version = tuple(stream.read(2))
    if version not in ((1, 0), (2, 0)):
        raise InputError(where, "version 1.0 or 2.0 of numpy's .npy format", f"version {version}")
    length = stream.read(2 * version[0])
    header = b""
    if int.from_bytes(length, "little") <= LONGEST:
        header = stream.read(int.from_bytes(length, "little"))
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = read(io.BytesIO(length + header))
    except Exception as error:  # a damaged header breaks numpy's parser in ways that it does not name
        raise InputError(where, "a header in numpy's .npy format", f"a damaged one ({reason(error)})") from error
    offset = 8 + len(length) + len(header)
    entries: int = math.prod(map(int, shape))
    expected, got_bytes = entries * dtype.itemsize, n_bytes - offset
    if min(shape, default=1) < 0 or (entries and not dtype.itemsize):
        raise InputError(where, "entries of at least one byte", f"{dtype} of shape {shape}", "the file is damaged")
    if not dtype.hasobject and expected != got_bytes:
        hint = "the file is truncated" if expected > got_bytes else "the file is damaged"
        raise InputError(where, f"{expected} bytes of data for {dtype} of shape {shape}", f"{got_bytes}", hint)
    return Header(shape, fortran, dtype, offset)
