"""A layer of activations: known by shape and type, and read when asked, whole or slice by slice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from pidkd.arrays import Array, as_array, as_labels, check_magnitudes, iter_chunks
from pidkd.errors import InputError
from pidkd.files.opening import MAX_MEMORY, check_budget

Pool: TypeAlias = Literal["flatten", "mean"]
"""What becomes of the axes of positions: columns of their own, or their mean."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer's activations: known by shape and type, read when asked.

    Parameters
    ----------
    name : str
    where : str
        The file or argument it comes from, for messages.
    shape : tuple of int, (n_samples, ...)
    dtype : numpy.dtype
    load : callable
        Gives the array, memory-mapped where the format allows it. For a file it can be pickled and opens the file in
        the process that calls it, so that workers receive a path and not an array.
    file : str, optional
        The file, as the user wrote it.
    max_memory : int, optional
        Bytes that all values of a file may take in memory.
    kind : str
        "vector", "tokens" or "map", as the capture that it comes from has noted; empty where none has.
    """

    name: str
    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], Any]
    file: str | None = None
    max_memory: int = MAX_MEMORY
    kind: str = ""

    @property
    def is_codes(self) -> bool:
        """Whether these are codes, that is integers, bools or strings of shape (n_samples,), and not activations."""
        return len(self.shape) == 1 and self.dtype.kind in "iubUST"

    @property
    def nbytes(self) -> int:
        """Bytes of the layer as stored."""
        return math.prod(self.shape) * self.dtype.itemsize

    def array(self) -> Array:
        """All values in memory, or mapped.

        Raises
        ------
        InputError
            When they are neither numbers nor text, take more than ``max_memory``, or cannot be read.
        """
        if self.dtype.kind not in "iubfUST":
            raise wrong_dtype(self.where, self.dtype)
        values = self.load()
        if not isinstance(values, np.ndarray):
            check_budget(self.where, self.nbytes, self.max_memory)
        array = as_array(self.where, values)
        if array.shape != tuple(self.shape):
            raise InputError(self.where, f"shape {self.shape}, as its header says", f"{array.shape}")
        return array

    def held(self) -> Array:
        """All values in memory, as labels, codes and tables are used; mapped ones count as well.

        Raises
        ------
        InputError
            As ``array``, and when they take more than ``max_memory``.
        """
        if self.file is not None:
            check_budget(self.where, self.nbytes, self.max_memory)
        return self.array()

    def pool(self, asked: Pool | Literal["auto"]) -> Pool:
        """Pooling of the layer: what is asked for, and with "auto" the mean of what a capture calls tokens."""
        if asked != "auto":
            return asked
        return "mean" if self.kind == "tokens" and len(self.shape) == 3 else "flatten"

    def read(self, pool: Pool | Literal["auto"] = "flatten") -> Any:
        """The codes, shape (n_samples,), or the activations, shape (n_samples, d): an array, or rows read when sliced.

        Parameters
        ----------
        pool : {"flatten", "mean", "auto"}
            What becomes of further axes. "mean" averages over the tokens of (n, tokens, features), and over the places
            of (n, channels, ...); "auto" does so for tokens of a capture.

        Raises
        ------
        InputError
            When the layer is empty, constant, neither codes nor real numbers, or not finite; the message names the row.
        """
        if not self.shape or 0 in self.shape:
            raise InputError(self.where, "at least one sample and one feature", f"shape {self.shape}")
        if self.is_codes:
            values = as_labels(self.where, self.held())
        elif self.dtype.kind in "iubf":
            values = rows(self.load(), self.pool(pool))
        else:
            raise wrong_dtype(self.where, self.dtype)
        varies, first = False, None
        largest: Array = np.zeros(())
        for start, chunk in iter_chunks(values, self.where):
            if chunk.dtype.kind == "f" and not np.isfinite(chunk).all():
                row = start + int(np.argwhere(~np.isfinite(chunk))[0, 0])
                raise InputError(self.where, "finite values", f"NaN or infinity in row {row}")
            if chunk.dtype.kind == "f":
                largest = np.maximum(largest, np.abs(chunk).max(axis=0))
            first = chunk[0] if start == 0 else first
            varies = varies or bool((chunk != first).any())
        if not varies:
            raise InputError(self.where, "samples that differ", "a constant layer", "leave it out: it tells nothing")
        check_magnitudes(self.where, largest)
        return values


@dataclass(frozen=True, eq=False)
class Sliced:
    """An array that is read when it is sliced: as much of one as ``iter_chunks`` and a quantizer need."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    get: Callable[[Any], Array]

    def __getitem__(self, index: Any) -> Array:
        """The rows of a slice, of an array of row numbers in rising order, or one row."""
        if isinstance(index, int | np.integer):
            row: Array = self.get(slice(int(index), int(index) + 1))[0]
            return row
        return self.get(index)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """All of it, in memory."""
        whole = self.get(slice(None))
        return whole if dtype is None else whole.astype(dtype, copy=False)


def rows(values: Any, pool: Pool = "flatten") -> Any:
    """Activations of any rank as rows, shape (n_samples, d): a view of an array in memory or mapped, else read late."""
    shape = tuple(values.shape)
    if pool == "flatten" and isinstance(values, np.ndarray):
        return values.reshape(shape[0], -1)
    if pool == "flatten" or len(shape) < 3:
        width = math.prod(shape[1:])
        return Sliced((shape[0], width), values.dtype, lambda index: np.asarray(values[index]).reshape(-1, width))
    axes, width = ((1,), shape[2]) if len(shape) == 3 else (tuple(range(2, len(shape))), shape[1])

    def pooled(index: Any) -> Array:
        return np.asarray(np.asarray(values[index]).mean(axis=axes, dtype=np.float64), dtype=np.float32)

    return Sliced((shape[0], width), np.dtype(np.float32), pooled)


def rows_of(values: Any, index: Any) -> Array:
    """Rows of a slice, or of rising row numbers, from an array in chunks: of scattered rows the span around them.

    Libraries of chunked arrays read scattered rows one by one.
    """
    if isinstance(index, slice) or len(index) == 0:
        return np.asarray(values[index])
    low, high = int(index[0]), int(index[-1]) + 1
    if high - low <= 4 * len(index):
        span: Array = np.asarray(values[low:high])
        return span.take(np.asarray(index) - low, axis=0)
    return np.concatenate([np.asarray(values[int(i) : int(i) + 1]) for i in index])


def text_array(where: str, texts: Iterable[str], max_memory: int) -> Array:
    """Texts as an array, each of which takes as much memory as the longest, within a budget."""
    strings: list[str] = []
    longest = total = 0
    for text in texts:
        strings.append(text)
        longest = max(longest, len(text))
        total += len(text) + OBJECT_BYTES
        check_budget(where, max(total, 4 * longest * len(strings)), max_memory)
    return np.array(strings, dtype=str)


OBJECT_BYTES = 64
"""Memory of a text in Python beside its letters."""


def wrong_dtype(where: str, dtype: np.dtype[Any]) -> InputError:
    """Error about entries that are no numbers, or that would have to be unpickled."""
    if dtype.hasobject:
        hint = "pidkd never unpickles; save numbers or strings of one type"
        return InputError(where, "numbers or strings", f"Python objects (dtype {dtype})", hint)
    return InputError(where, "real numbers or codes", f"dtype {dtype}")


def by_index(source: Any) -> dict[str, Any]:
    """Hidden states by their index, of a list or tuple of arrays with samples first; empty for anything else."""
    if not isinstance(source, list | tuple) or not all(len(getattr(one, "shape", ())) > 1 for one in source):
        return {}
    return {f"hidden_states.{index}": values for index, values in enumerate(source)}
