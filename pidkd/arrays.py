"""Arrays of any library, read as numpy's: whatever could only be read by a guess is refused.

Lists, numpy, memory maps, PyTorch tensors on any device, pandas columns, chunked arrays: what has ``shape``, ``dtype``
and slicing is read piece by piece and held by reference, the rest is converted whole.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pidkd.errors import InputError, Keyword, PidkdError, quote
from pidkd.mapping import release

Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]

CHUNK_BYTES = 2**24
"""How much of a large array, as float64, is looked at in one piece."""

TARGETS = ("auto", "discrete", "continuous")
"""What a target can be said to be."""

UNREADABLE = (ValueError, TypeError, RuntimeError, OverflowError, AttributeError)
"""What array libraries raise when one of their own cannot be sliced or converted."""


def as_array(where: str, values: Any) -> Array:
    """Any array, whole and in memory.

    Raises
    ------
    InputError
        When ``values`` is no array, or one that numpy could only read by dropping a mask or by renaming its entries.
    """
    if np.ma.is_masked(values):
        masked = int(np.ma.getmaskarray(values).sum())
        raise InputError(where, "no masked entries", f"{masked}", "drop those samples first")
    try:
        if hasattr(values, "detach"):
            values = values.detach().cpu()
            if "bfloat16" in str(values.dtype):  # numpy has no such type; float32 holds each of its values
                values = values.float()
        array = np.asarray(values)
    except PidkdError:  # of one of our own readers, which says it better
        raise
    except UNREADABLE as error:
        raise _unreadable(where, values, error) from error
    if array.dtype.kind == "O" and array.ndim == 0:
        raise InputError(where, "a dense array", describe(values))
    if array.dtype.kind in "US" and not is_array(values):
        kinds = {type(entry).__name__ for entry in np.asarray(values, dtype=object).flat}
        if len(kinds) > 1:  # numpy writes 1 and "1" alike, and a missing value as "nan"
            raise InputError(where, "entries of one type", " and ".join(sorted(kinds)))
    if array.dtype.kind == "f" and not is_array(values) and (np.abs(array) >= 2.0**53).any():
        for entry in np.asarray(values, dtype=object).flat:
            if isinstance(entry, int) and abs(entry) > 2**53:  # numpy makes floats of integers of both signs
                got = f"{quote(entry)} beside others that make it a float"
                raise InputError(where, "whole numbers up to 2^53 where they become floats", got)
    return array


def as_numbers(where: str, values: Any) -> FloatArray:
    """Finite real numbers as a new float64 array with at least one entry.

    Raises
    ------
    InputError
        When ``values`` holds anything else; the message says where.
    """
    array = as_array(where, values)
    if array.dtype.kind not in "iubf":
        raise InputError(where, "real numbers", f"dtype {array.dtype}")
    if array.size == 0:
        raise InputError(where, "at least one entry", f"an empty array of shape {array.shape}")
    with np.errstate(over="ignore"):  # an extended float beyond the range becomes infinite, and is refused
        numbers = array.astype(np.float64)
    finite = np.isfinite(numbers)
    if not finite.all():
        at = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(where, "finite values", f"{numbers[at]} at {at}")
    return numbers


def as_labels(where: str, values: Any) -> Array:
    """One label per sample: integers, bools or strings, shape (n_samples,).

    Raises
    ------
    InputError
        When ``values`` is of another type or shape, or empty.
    """
    labels = as_array(where, values)
    if labels.ndim != 1:
        hint = None
        if labels.ndim == 2:
            wide = "of one-hot rows write .argmax(axis=1); cast features of integers with .astype(float)"
            hint = "flatten it with .ravel()" if 1 in labels.shape else wide
        raise InputError(where, "shape (n_samples,)", f"{labels.shape}", hint)
    if labels.size == 0:
        raise InputError(where, "at least one sample", "none")
    labels = as_plain_text(labels)
    if labels.dtype.kind not in "iubUS":
        hint = {
            "f": "cast whole numbers with .astype(int); quantise continuous values with pidkd.Quantizer",
            "O": "cast them, and drop samples with missing labels",
            "Mm": "name what is meant, such as .astype('int64') or .astype(str)",
        }.get("Mm" if labels.dtype.kind in "Mm" else labels.dtype.kind)
        if labels.dtype.kind == "f" and np.isnan(labels).any():
            hint = f"drop samples without a label, such as row {int(np.isnan(labels).argmax())}, then cast"
        raise InputError(where, "labels (integers, bools or strings)", f"dtype {labels.dtype}", hint)
    if labels.dtype.kind == "U" and labels.dtype.itemsize:
        letters = np.ascontiguousarray(labels).view(np.uint32)
        if ((letters >= 0xD800) & (letters < 0xE000)).any():
            raise InputError(where, "labels that UTF-8 can write", "one with half of a surrogate pair")
    return labels


def as_plain_text(array: Array) -> Array:
    """Strings of variable length, from pandas or from numpy's own StringDType, as strings; all else as it is."""
    if array.dtype.kind not in "OT" or not all(isinstance(value, str) for value in array.flat):
        return array
    return np.array(array.tolist(), dtype=str)


def as_activations(where: str, values: Any) -> Any:
    """Something sliceable of floats, shape (n_samples,) or (n_samples, d): what has shape and dtype stays as it is.

    Raises
    ------
    InputError
        As ``check_activations``.
    """
    # What pandas and its kin slice by may be labels, so they give up their numpy array first.
    array = values if is_array(values) and not hasattr(values, "to_numpy") else as_array(where, values)
    check_activations(where, array)
    return array


def check_activations(where: str, values: Any) -> None:
    """Check float activations, shape (n_samples,) or (n_samples, d), chunk by chunk.

    Raises
    ------
    InputError
        When the shape or type is another, or a value is not finite; the message names the row.
    """
    if not is_array(values) or not is_float(values) or len(values.shape) not in (1, 2):
        hint = "cast numbers with .astype(float)" if is_array(values) and not is_float(values) else None
        raise InputError(where, "floats of shape (n_samples, n_features)", describe(values), hint)
    if 0 in tuple(values.shape):
        raise InputError(where, "at least one sample and one feature", f"shape {tuple(values.shape)}")
    largest: Array = np.zeros(tuple(values.shape[1:]))
    for start, chunk in iter_chunks(values, where):
        if chunk.dtype.kind != "f" or chunk.shape[1:] != tuple(values.shape[1:]):
            raise InputError(where, "a dense array of floats", describe(values))
        finite = np.isfinite(chunk)
        if not finite.all():
            row = start + int(np.flatnonzero(~finite.reshape(len(chunk), -1).all(axis=1))[0])
            raise InputError(where, "finite values", f"NaN or infinity in row {row}")
        largest = np.maximum(largest, np.abs(chunk).max(axis=0))
    check_magnitudes(where, largest)


def check_magnitudes(where: str, largest: Array) -> None:
    """Refuse columns whose squares are infinite or zero, from the largest absolute value of each.

    Raises
    ------
    InputError
        The message names the first such column.
    """
    odd = np.flatnonzero((largest > FARTHEST) | ((largest > 0) & (largest < 1 / FARTHEST)))
    if odd.size:
        column = int(odd[0])
        got = f"{largest.flat[column]:.3g} at most in column {column}"
        raise InputError(where, f"columns within {1 / FARTHEST:g} to {FARTHEST:g}", got, "take another unit for it")


FARTHEST = 1e150
"""Largest number whose square is one as well."""


def iter_chunks(values: Any, where: str = "activations", n_bytes: int | None = None) -> Iterator[tuple[int, Array]]:
    """Pieces of at most ``n_bytes`` as float64 along the first axis, each with the row it starts at."""
    row_bytes = 8 * max(1, math.prod(map(int, values.shape[1:])))
    step = max(1, (n_bytes or CHUNK_BYTES) // row_bytes)
    for start in range(0, int(values.shape[0]), step):
        try:
            piece = values[start : start + step]
        except PidkdError:
            raise
        except UNREADABLE as error:
            raise _unreadable(where, values, error) from error
        yield start, as_array(where, piece)
        release()


def is_array(values: Any) -> bool:
    """Whether it has the shape and the type of an array."""
    return hasattr(values, "shape") and hasattr(values, "dtype")


def is_float(values: Any) -> bool:
    """Whether it is an array of floats, by the name of its type in any library."""
    return "float" in str(getattr(values, "dtype", "")).lower()


def is_whole(values: Any) -> bool:
    """Whether an array of floats holds whole numbers only."""
    return all(bool((chunk == np.floor(chunk)).all()) for _, chunk in iter_chunks(values))


def check_not_codes(where: str, values: Any, measured: str) -> None:
    """Refuse one column of floats that are whole numbers: codes, as MATLAB and text files hold them, or counts.

    Two values are the same as codes and as numbers, and a wide layer of whole numbers is no column of codes.

    Parameters
    ----------
    where : str
    values : array of floats, shape (n,) or (n, d)
    measured : str
        What to write where they are measurements.

    Raises
    ------
    InputError
        The message names both ways out.
    """
    if math.prod(map(int, values.shape[1:])) > 1 or not is_whole(values):
        return
    known: set[float] = set()
    for _, chunk in iter_chunks(values):
        known.update(np.unique(chunk).tolist())
        if len(known) > 2:
            cast = "" if len(values.shape) == 1 else ".ravel()"
            raise InputError(
                where,
                "labels (integers, bools, strings) or measurements",
                f"{describe(values)} that holds whole numbers only",
                f"if these are labels or codes, write {_name(where)}{cast}.astype(int); if measurements, {measured}",
            )


def as_target(where: str, values: Any, target: str, call: str) -> Any:
    """A target as what it is said to be: labels, or floats that are measurements.

    Parameters
    ----------
    where : str
    values : array
    target : {"auto", "discrete", "continuous"}
        "auto" goes by the type, and refuses floats that hold whole numbers only.
    call : str
        The call that takes ``target``, for messages.

    Raises
    ------
    InputError
        When the values are no such target.
    """
    if not isinstance(target, str) or target not in TARGETS:
        raise InputError(Keyword(call, "target"), f"one of {', '.join(map(repr, TARGETS))}", quote(target))
    array = values if is_array(values) else as_array(where, values)
    if target == "continuous":
        if is_float(array):
            return as_activations(where, array)
        return as_activations(where, as_numbers(where, array))
    if not is_float(array):
        return as_labels(where, array)
    array = as_activations(where, array)
    if target == "discrete":
        column = as_array(where, array)
        column = column[:, 0] if column.ndim == 2 and column.shape[1] == 1 else column
        if column.ndim != 1 or not is_whole(column):
            hint = "of one-hot rows write .argmax(axis=1); quantise continuous values with pidkd.Quantizer"
            raise InputError(where, "one label per row, target='discrete'", describe(array), hint)
        return column.astype(np.int64)
    if is_whole(array):
        wide = math.prod(map(int, array.shape[1:])) > 1
        cast = "argmax(axis=1)" if wide else "astype(int) or target='discrete'"
        raise InputError(
            where,
            "labels (integers, bools, strings) or a continuous target",
            f"{dtype_name(array)} that holds whole numbers only",
            f"if these are labels, write {_name(where)}.{cast}; if numbers, target='continuous'",
        )
    return array


def row_names(values: Any) -> Any:
    """The index of its rows, of pandas or xarray; None where there is none."""
    index = getattr(values, "index", None)
    if index is None and getattr(values, "dims", None) and hasattr(values, "indexes"):
        index = values.indexes.get(values.dims[0])
    return index if hasattr(index, "get_indexer") else None


def check_same_rows(where: str, /, **values: Any) -> None:
    """Refuse arrays whose rows have the same names in another order.

    Rows that are numbered from 0, as they are where nobody named them, say nothing against other names.

    Raises
    ------
    InputError
        The message names both arrays, and the first row that differs.
    """
    named = {name: index for name, value in values.items() if (index := row_names(value)) is not None}
    for (first, a), (second, b) in itertools.combinations(named.items(), 2):
        if len(a) != len(b) or a.equals(b):
            continue
        labels_a, labels_b = a.tolist(), b.tolist()
        numbered = any(labels == list(range(len(labels))) for labels in (labels_a, labels_b))
        if Counter(labels_a) == Counter(labels_b) or not (numbered or set(labels_a).isdisjoint(labels_b)):
            row = next(i for i, (one, other) in enumerate(zip(labels_a, labels_b, strict=True)) if one != other)
            raise InputError(
                where,
                "rows with the same index in the same order",
                f"{quote(labels_a[row])} in {first} and {quote(labels_b[row])} in {second}, in row {row}",
                f"align them, as {second}.loc[{first}.index], or drop the index with .reset_index(drop=True)",
            )


def _name(where: str) -> str:
    """The name in the brackets of a place such as ``decompose(y)``, with the layer that follows them."""
    inside, _, after = where.rpartition("(")[2].partition(")")
    layer = after.partition(", layer ")[2]
    return f"{inside.split(',')[0]}[{layer}]" if layer else inside.split(",")[0] or where


def dtype_name(values: Any) -> str:
    """The name of its type, for messages."""
    return str(getattr(values, "dtype", type(values).__name__))


def describe(values: Any) -> str:
    """Short description of a value, for messages."""
    if is_array(values):
        return f"{type(values).__name__} of {dtype_name(values)} with shape {tuple(values.shape)}"
    return type(values).__name__


def read_only(array: Array) -> Array:
    """The same array, which nobody can write to any more."""
    array.setflags(write=False)
    return array


def _unreadable(where: str, values: Any, error: Exception) -> InputError:
    reason = textwrap.shorten(str(error), 120, placeholder="...")
    return InputError(where, "an array that can be read", f"{describe(values)} ({reason})")


def check_equal_lengths(where: str, /, **lengths: int) -> None:
    """Refuse arrays of different lengths."""
    if len(set(lengths.values())) > 1:
        raise InputError(where, "equal lengths", ", ".join(f"{name} {length}" for name, length in lengths.items()))
