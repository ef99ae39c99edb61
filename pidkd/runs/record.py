"""Records of what finished pieces were made from, and pieces that are kept and known by them.

A record is plain data: the version, the options that shape numbers, and the digest of every input. Two records of one
piece are compared by ``differences``, which names what is not the same.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pidkd._version import __version__
from pidkd.arrays import Array, iter_chunks
from pidkd.errors import InputError, quote
from pidkd.mapping import mapped, release
from pidkd.runs.output import PathLike, writing

PIECE = 2**20
"""Bytes of a file that are read at once for its digest."""


def content_key(options: Any, *arrays: Any) -> str:
    """A name for arrays and options by what they hold; equal only if every byte is."""
    digest = hashlib.blake2b(digest_size=20)
    digest.update(json.dumps([__version__, options], sort_keys=True, default=str).encode())
    for values in arrays:
        _add(digest, values)
    return digest.hexdigest()


def _add(digest: Any, values: Any) -> None:
    digest.update(f"{values.dtype} {tuple(values.shape)}".encode())
    for _, chunk in iter_chunks(values):
        digest.update(np.ascontiguousarray(chunk).data.cast("B"))


def file_digest(path: PathLike) -> str:
    """Digest of the bytes of a file that a run has written."""
    digest = hashlib.blake2b(digest_size=20)
    with Path(path).open("rb") as stream:
        while piece := stream.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def differences(before: Any, now: Any, key: str = "") -> list[str]:
    """Differences of two records, as ``key now instead of before``, keys with dots."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = [*now, *(name for name in before if name not in now)]
        parts = [differences(before.get(name), now.get(name), f"{key}.{name}" if key else str(name)) for name in keys]
        return [line for part in parts for line in part]
    return [] if before == now else [f"{key} {quote(now)} instead of {quote(before)}"]


def check_record(where: str, before: Any, now: Mapping[str, Any], hint: str) -> None:
    """Refuse a piece that was made from something else than it would be made from now.

    Raises
    ------
    InputError
        When a value is another; the message names each.
    """
    if not isinstance(before, Mapping):
        raise InputError(where, "the record of what is here", f"{quote(before)}", hint)
    other = differences(before, json.loads(json.dumps(now)))
    if other:
        more = f" and {len(other) - 4} more" if len(other) > 4 else ""
        raise InputError(where, "what is here to be made of the same", "; ".join(other[:4]) + more, hint)


class Kept(Mapping[str, Array]):
    """Arrays of a finished piece, carried by its name, and mapped from its file where they are asked for.

    Parameters
    ----------
    path : path
    key : str
        What the piece is made from, by ``content_key``.
    """

    def __init__(self, path: PathLike, key: str) -> None:
        self.path, self.key = Path(path), key

    @cached_property
    def _arrays(self) -> dict[str, Array]:
        if (piece := _read(self.path, self.key)) is None:
            raise InputError(str(self.path), "a finished piece of this run", "none that is whole", "run it once more")
        return piece[1]

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __reduce__(self) -> tuple[Any, ...]:
        """By its name alone: whoever gets it maps the file."""
        return Kept, (self.path, self.key)


def resumed(
    folder: PathLike | None,
    key: str,
    work: Callable[[], tuple[dict[str, Any], dict[str, Array]]],
    by_name: bool = False,
) -> tuple[dict[str, Any], Mapping[str, Array]]:
    """Record and arrays of a piece of work, read from ``folder`` if it is finished there.

    A file that is damaged, or whose digest is another, counts as work that was not done. With ``by_name`` arrays are
    not held: they are ``Kept``.
    """
    if folder is None:
        return work()
    path = Path(folder, f"{key}.npz")
    piece = _read(path, key)
    if piece is None:
        record, arrays = work()
        text = json.dumps(record, allow_nan=False)
        digest = np.array(_digest(key, text, arrays))
        with writing(path, force=True) as out:
            np.savez(out, record=np.array(text), digest=digest, **arrays)  # type: ignore[arg-type]
        piece = record, arrays
    record, arrays = piece
    return record, Kept(path, key) if by_name and arrays else arrays


def _read(path: Path, key: str) -> tuple[dict[str, Any], dict[str, Array]] | None:
    """A finished piece, its arrays mapped, or None where there is none that is whole."""
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {
                member.filename.removesuffix(".npy"): _mapped(path, archive, member) for member in archive.infolist()
            }
        text, digest = str(arrays.pop("record")), str(arrays.pop("digest"))
        return (json.loads(text), arrays) if digest == _digest(key, text, arrays) else None
    except Exception:  # whatever damage does to a parser: the piece is made anew
        return None


def _mapped(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """An array that numpy has stored in an archive, at the place of its values in the file."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        inside = stream.tell()
    if 0 in shape or not dtype.itemsize:
        return np.empty(shape, dtype)
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        names = sum(struct.unpack("<HH", file.read(4)))
    return mapped(path, dtype, "r", member.header_offset + 30 + names + inside, shape, "F" if fortran else "C")


def _digest(key: str, text: str, arrays: Mapping[str, Array]) -> str:
    """Digest of a piece under its name: one that was renamed is another piece."""
    digest = hashlib.blake2b(f"{key} {text}".encode(), digest_size=20)
    for name in sorted(arrays):
        values = np.asarray(arrays[name])
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8) if values.size else np.empty(0, np.uint8)
        for start in range(0, len(flat), PIECE):
            digest.update(flat[start : start + PIECE].data)
            release()
    return digest.hexdigest()
