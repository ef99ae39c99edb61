"""The official Python archives of CIFAR-10 and CIFAR-100, packed or unpacked, without running what is pickled."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pidkd.arrays import Array
from pidkd.distill.data._files import required
from pidkd.errors import InputError
from pidkd.files.opening import faults, is_there, opened, read_content


def _empty(*_: Any) -> Array:
    """An array of no entries, whatever shape a pickle claims: the state that follows brings shape and entries."""
    return np.empty(0, np.uint8)


ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy._core.multiarray", "_reconstruct"): _empty,
    ("numpy", "ndarray"): "ndarray",  # only named, as an argument of the function
    ("numpy", "dtype"): np.dtype,
}
"""All that these files need to name; nothing else is ever looked up."""


MAX_BATCH = 2**28
"""Bytes of the largest batch; that of CIFAR-100 has 155 MB."""


class _Arrays(pickle._Unpickler):
    """An unpickler in Python, because the one in C takes memory for an index that a file only claims."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR file does")
        return ALLOWED[module, name]


def read_batches(path: Path | None, folder: str, archive: str, names: Sequence[str], labels: bytes) -> list[Array]:
    """Images and labels of batches, one after the other, as ``[images, labels]``, shapes (n, 32, 32, 3) and (n,).

    Parameters
    ----------
    path : Path
        ``folder``, ``archive``, or the place where one of them lies.
    names : sequence of str
        The batches.
    labels : bytes
        The key of the labels.
    """
    place = required(path, f"{archive}, {folder}, or the folder that holds one of them")
    candidates = (place, place / folder, place / archive)
    source = next((c for c in candidates if c.is_file() or is_there(c / names[0])), None)
    if source is None:
        raise InputError(str(place), f"{archive}, or {folder} with {', '.join(names)}", "neither")
    images, classes = [], []
    for name in names:
        where = f"{source}, {name}" if source.is_file() else str(source / name)
        with faults(where):
            batch = _Arrays(io.BytesIO(_content(source, folder, name)), encoding="bytes").load()
        pixels = batch.get(b"data") if isinstance(batch, dict) else None
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (3072,):
            got = f"{pixels.dtype} of shape {pixels.shape}" if isinstance(pixels, np.ndarray) else "none"
            raise InputError(where, "b'data': uint8 of shape (n, 3072)", got)
        given = batch.get(labels)
        if not isinstance(given, list) or len(given) != len(pixels) or not all(isinstance(y, int) for y in given):
            got = f"{len(given)} entries" if isinstance(given, list) else "no list"
            raise InputError(where, f"{labels!r}: a list of {len(pixels)} integers", got)
        images.append(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        classes.append(np.array(given, dtype=np.int64))
    return [np.ascontiguousarray(np.concatenate(images)), np.concatenate(classes)]


def _content(source: Path, folder: str, name: str) -> bytes:
    if not source.is_file():
        return read_content(source / name, MAX_BATCH)
    with opened(source, MAX_BATCH) as stream, tarfile.open(fileobj=stream) as archive:
        member = archive.extractfile(f"{folder}/{name}")
        return b"" if member is None else member.read()
