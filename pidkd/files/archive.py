"""Check sums of zip archives, which arrays by numpy and tensors by torch are stored in."""

from __future__ import annotations

import functools
import struct
import zipfile
from pathlib import Path

PIECE = 2**20
"""Bytes that are read at once where only a check sum is wanted."""


def verify(path: Path, member: str) -> None:
    """Compare the check sum of a member with its data, once a process for each state of the file."""
    about = path.stat()
    _verify(str(path), member, about.st_size, about.st_mtime_ns, about.st_ino)


@functools.lru_cache(maxsize=4096)
def _verify(path: str, member: str, *_: int) -> None:
    with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        while stream.read(PIECE):  # zipfile compares at the end of the data
            pass


def data_start(path: Path, member: zipfile.ZipInfo) -> int:
    """The byte at which the data of a stored member begins."""
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        lengths = struct.unpack("<HH", stream.read(30)[26:])
    return int(member.header_offset) + 30 + int(sum(lengths))
