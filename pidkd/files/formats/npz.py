"""Arrays by name, as ``numpy.savez`` and ``numpy.savez_compressed`` write them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import InputError
from pidkd.files.archive import data_start, verify
from pidkd.files.format import Entry, Format, Source
from pidkd.files.npy_header import read_header


class Npz(Format):
    """A zip archive of .npy files: stored ones are mapped, compressed ones inflated; check sums are verified."""

    name = "npz"
    suffixes = (".npz",)
    check_sum = True

    def entries(self, file: Source) -> Sequence[Entry]:
        """Members by name."""
        entries = []
        with zipfile.ZipFile(file.path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    raise InputError(file.where, "arrays saved by numpy.savez", f"a member {member.filename!r}")
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as stream:
                    header = read_header(cast("Any", stream), member.file_size, file.layer(name))
                in_memory = 0 if member.compress_type == zipfile.ZIP_STORED else member.file_size
                entries.append(Entry(name, header.shape, header.dtype, in_memory))
        return entries

    def load(self, file: Source, name: str) -> Array:
        """Values whose check sum is right."""
        with zipfile.ZipFile(file.path) as archive:
            member = archive.getinfo(f"{name}.npy")
            with archive.open(member) as stream:
                header = read_header(cast("Any", stream), member.file_size, file.layer(name))
            if member.compress_type == zipfile.ZIP_STORED:
                verify(file.path, member.filename)
                return header.map(file.path, data_start(file.path, member))
            with archive.open(member) as stream:
                values: Array = np.lib.format.read_array(stream, allow_pickle=False)
                stream.read(1)  # only at the end of its data does zipfile compare the check sum
                return values

    def write(self, path: Path, arrays: Mapping[str, Array]) -> None:
        """Write all arrays."""
        np.savez(path, **arrays)  # type: ignore[arg-type]
