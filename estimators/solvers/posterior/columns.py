"""Feature columns for classifiers: standardised, in memory or mapped from a file."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pidkd.arrays import Array, IntArray, iter_chunks
from pidkd.errors import InputError, reason
from pidkd.mapping import mapped, release

PIECE_BYTES = 2**22
"""How much of a layer, as float64, is looked at in one piece."""

ROWS = 256
"""Rows in a piece that is projected, at the least."""


def empty(shape: tuple[int, ...], dtype: Any, on_disk: bool, what: str = "posteriors") -> Array:
    """An array in memory, or mapped from a file without a name, whose pages the system takes back when it needs them.

    Raises
    ------
    InputError
        When the disk is full, or cannot be written to.
    """
    if not on_disk:
        return np.empty(shape, dtype)
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the array maps it)
    try:
        # What is mapped and not there yet would end the process on a full disk.
        os.posix_fallocate(file.fileno(), 0, n_bytes) if hasattr(os, "posix_fallocate") else file.truncate(n_bytes)
    except OSError as error:
        expected = f"room for {n_bytes / 2**30:.1f} GiB of {what} that do not fit into max_memory"
        raise InputError(tempfile.gettempdir(), expected, reason(error), "name another folder by TMPDIR") from error
    return mapped(file, dtype, "r+", 0, shape)


ENTRIES = 2**18
"""Numbers of an array of rows and classes that are worked on together."""


def by_rows(function: Callable[..., Array], *arrays: Array) -> Array:
    """The function's values of each row, made piece by piece, in a file where one of the arrays is.

    Parameters
    ----------
    function : callable
        Makes of some rows of each array as many of its own: the last axis but one numbers them.
    arrays : array, shape (..., n, n_classes)
    """
    n, size = arrays[0].shape[-2], max(one[..., :1, :].size for one in arrays)
    on_disk = any(isinstance(one, np.memmap) for one in arrays)
    step = max(1, ENTRIES // size)

    def piece(start: int) -> Array:
        # Contiguous, as products of arrays of other strides differ in the last digit.
        return function(*(np.ascontiguousarray(one[..., start : start + step, :]) for one in arrays))

    first = piece(0)
    if n <= step and not on_disk:
        return first
    values = empty((*first.shape[:-2], n, first.shape[-1]), first.dtype, on_disk)
    values[..., :step, :] = first
    for start in range(step, n, step):
        values[..., start : start + step, :] = piece(start)
        release()
    return values


def taken(values: Array, rows: IntArray) -> Array:
    """Some rows of an array, shape (..., n, n_classes), in a file where it is."""
    if not isinstance(values, np.memmap):
        return np.take(values, rows, axis=-2)
    chosen = empty((*values.shape[:-2], len(rows), values.shape[-1]), values.dtype, True)
    step = max(1, ENTRIES // values[..., :1, :].size)
    for start in range(0, len(rows), step):
        chosen[..., start : start + step, :] = values[..., rows[start : start + step], :]
    release()  # not before: the rows may be in any order
    return chosen


def columns_of(values: Any, n_components: int | None) -> int:
    """Number of columns after projection."""
    n, d = int(values.shape[0]), math.prod(values.shape[1:])
    return d if n_components is None or d <= n_components else min(n_components, n)


def projection_bytes(values: Any, n_components: int | None) -> int:
    """Bytes needed to find the principal components of wide layers."""
    d = math.prod(values.shape[1:])
    return 20 * d * columns_of(values, n_components) if n_components is not None and d > n_components else 0


def features(values: Any, n_components: int | None, seed: int, on_disk: bool = False) -> Array:
    """Standardised float32 columns; of wide layers the leading principal components, by randomised projection.

    No label enters, and the rows that are scored count only in means, scales and directions.

    Parameters
    ----------
    values : array, shape (n,) or (n, d)
    n_components : int or None
        Columns beyond which there is a projection.
    seed : int
    on_disk : bool, default False
        Put the columns into a file; the numbers are the same.
    """
    n, d, width = int(values.shape[0]), math.prod(values.shape[1:]), columns_of(values, n_components)
    n_bytes = PIECE_BYTES if n_components is None or d <= n_components else max(PIECE_BYTES, 8 * d * ROWS)

    def pieces() -> Iterator[Array]:
        for _, chunk in iter_chunks(values, n_bytes=n_bytes):
            yield chunk.reshape(len(chunk), -1)

    # The largest number is 1 and the first row 0, so that squares are finite and a constant column is exactly zero.
    largest = max(float(np.abs(piece).max()) for piece in pieces()) or 1.0
    first = next(pieces())[:1].astype(np.float64) / largest

    def rows() -> Iterator[Array]:
        for piece in pieces():
            yield piece.astype(np.float64) / largest - first

    mean = sum(piece.sum(axis=0) for piece in rows()) / n
    scale = np.sqrt(sum(((piece - mean) ** 2).sum(axis=0) for piece in rows()) / n)
    scale[scale == 0] = 1.0

    def standardised() -> Iterator[Array]:
        for piece in rows():
            yield ((piece - mean) / scale).astype(np.float32)

    if n_components is None or d <= n_components:
        return _kept(standardised(), n, d, on_disk)
    start = np.random.default_rng(seed).standard_normal((d, width), dtype=np.float32)
    image = np.zeros((d, width), np.float32)
    for piece in standardised():
        image += piece.T @ (piece @ start)
    del start
    basis = np.linalg.qr(image)[0]
    del image
    squares = np.zeros(width)

    def projected() -> Iterator[Array]:
        for piece in standardised():
            components = piece @ basis
            np.add(squares, (components.astype(np.float64) ** 2).sum(axis=0), out=squares)
            yield components

    block = _kept(projected(), n, width, on_disk)
    factor = np.float32(1 / max(math.sqrt(float(squares.max()) / n), 1e-30))
    step = max(1, n_bytes // (4 * width))
    for at in range(0, n, step):
        block[at : at + step] *= factor
        release()
    return block


def _kept(pieces: Iterator[Array], n: int, d: int, on_disk: bool) -> Array:
    held, at = empty((n, d), np.float32, on_disk, "features"), 0
    for piece in pieces:
        held[at : at + len(piece)] = piece
        at += len(piece)
        release()
    return held
