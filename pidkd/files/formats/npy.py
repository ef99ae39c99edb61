"""One array as ``numpy.save`` writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pidkd.arrays import Array
from pidkd.files.format import Entry, Format, Source
from pidkd.files.npy_header import Header, read_header


class Npy(Format):
    """One array, mapped. The format has no check sum; its size must agree with its header."""

    name = "npy"
    suffixes = (".npy",)

    def entries(self, file: Source) -> Sequence[Entry]:
        """The one array, called as the file is."""
        header = self._header(file)
        return [Entry(file.path.stem, header.shape, header.dtype)]

    def load(self, file: Source, name: str) -> Array:
        """The values, mapped."""
        return self._header(file).map(file.path)

    def write(self, path: Path, arrays: Mapping[str, Array]) -> None:
        """Write the first array."""
        np.save(path, next(iter(arrays.values())), allow_pickle=False)

    @staticmethod
    def _header(file: Source) -> Header:
        with file.path.open("rb") as stream:
            return read_header(stream, file.path.stat().st_size, file.where)
