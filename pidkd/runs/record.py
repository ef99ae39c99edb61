"""Records of what finished pieces were made from, and pieces that are kept and known by them.

A record is plain data: the version, the options that shape numbers, and the digest of every input. Two records of one
piece are compared by ``differences``, which names what is not the same.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pidkd._version import __version__
from pidkd.arrays import Array, iter_chunks
from pidkd.errors import InputError, quote
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


def resumed(folder: PathLike | None, key: str, work: Callable[[], tuple[dict[str, Any], dict[str, Array]]]) -> Any:
    """Record and arrays of a piece of work, read from ``folder`` if it is finished there.

    A file that is damaged, or whose digest is another, counts as work that was not done.
    """
    if folder is None:
        return work()
    path = Path(folder, f"{key}.npz")
    if (piece := _read(path, key)) is not None:
        return piece
    record, arrays = work()
    text = json.dumps(record, allow_nan=False)
    stream = io.BytesIO()
    np.savez(stream, record=np.array(text), digest=np.array(_digest(key, text, arrays)), **arrays)  # type: ignore[arg-type]
    with writing(path, force=True) as out:
        out.write(stream.getbuffer())
    return record, arrays


def _read(path: Path, key: str) -> tuple[dict[str, Any], dict[str, Array]] | None:
    """A finished piece, or None where there is none that is whole."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        text, digest = str(arrays.pop("record")), str(arrays.pop("digest"))
        return (json.loads(text), arrays) if digest == _digest(key, text, arrays) else None
    except Exception:  # whatever damage does to a parser: the piece is made anew
        return None


def _digest(key: str, text: str, arrays: Mapping[str, Array]) -> str:
    """Digest of a piece under its name: one that was renamed is another piece."""
    digest = hashlib.blake2b(f"{key} {text}".encode(), digest_size=20)
    for name in sorted(arrays):
        digest.update(name.encode())
        for line in _bytes(np.asarray(arrays[name])):
            digest.update(line)
    return digest.hexdigest()


def _bytes(values: Array) -> Iterator[Any]:
    yield f"{values.dtype} {values.shape}".encode()
    yield np.ascontiguousarray(values).tobytes()
