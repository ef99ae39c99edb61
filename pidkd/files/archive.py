"""Check sums of zip archives, which arrays by numpy and tensors by torch are stored in."""

from __future__ import annotations

import functools
import hashlib
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


def contents_digest(path: Path) -> str:
    """Digest of the names, sizes and check sums of the members, which are read from the end of the archive."""
    with zipfile.ZipFile(path) as archive:
        members = [(member.filename, member.file_size, member.CRC) for member in archive.infolist()]
    return hashlib.blake2b(repr(members).encode(errors="backslashreplace"), digest_size=20).hexdigest()


def is_whole(path: Path, digest: str) -> bool:
    """Whether an archive has this digest of its contents, and all its data these check sums."""
    try:
        if not path.is_file() or contents_digest(path) != digest:
            return False
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # whatever damage does to a parser
        return False


def data_start(path: Path, member: zipfile.ZipInfo) -> int:
    """The byte at which the data of a stored member begins."""
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        lengths = struct.unpack("<HH", stream.read(30)[26:])
    return int(member.header_offset) + 30 + int(sum(lengths))
