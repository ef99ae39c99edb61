"""The five kinds of data that can be decomposed, checked once, here, at the border.

The order is always target Y, teacher T, student S: ``p[y, t, s]``, ``dims=(d_y, d_t, d_s)``, ``decompose(y, t, s)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import InitVar, dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pidkd.errors import InputError

Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]

SUM_TOLERANCE = 1e-6
"""How far the total of a probability table, or of a row of posteriors, may be from one."""

CHUNK_BYTES = 64 * 2**20
"""How much of a large array is looked at in one piece."""


@dataclass(frozen=True, eq=False)
class Pmf:
    r"""Joint probabilities :math:`p(y, t, s)` of target, teacher and student.

    Parameters
    ----------
    p : array, shape (n_y, n_t, n_s)
        Finite, non-negative, with sum 1 within 1e-6; it is then renormalised in float64.
    normalise : bool, default False
        Accept any positive total and divide by it.
    n_samples : int, optional
        Number of samples that the table was counted from; None for an exact table.

    Raises
    ------
    InputError
        When ``p`` is none of this.

    Examples
    --------
    >>> import numpy as np
    >>> Pmf(np.full((2, 2, 2), 1 / 8)).shape
    (2, 2, 2)
    """

    p: FloatArray
    normalise: InitVar[bool] = False
    n_samples: int | None = None

    def __post_init__(self, normalise: bool) -> None:
        where = "Pmf(p)"
        p = _numeric(where, self.p)
        if p.ndim != 3:
            raise InputError(
                where,
                "an array with 3 axes (y, t, s)",
                f"one of shape {p.shape}",
                "pidkd decomposes two sources; merge axes, or use dit for more" if p.ndim > 3 else None,
            )
        _require_nonempty(where, p)
        _require_finite(where, p)
        if (p < 0).any():
            at = tuple(int(i) for i in np.argwhere(p < 0)[0])
            raise InputError(where, "probabilities >= 0", f"{p[at]:.6g} at {at}")
        total = float(p.sum())
        if not normalise and not abs(total - 1.0) <= SUM_TOLERANCE:
            hint = "counts go in by Pmf.from_counts(c), other totals by Pmf(p, normalise=True)"
            raise InputError(where, f"a sum of 1 within {SUM_TOLERANCE:g}", f"{total:.10g}", hint)
        if not 0.0 < total < np.inf:
            raise InputError(where, "a positive finite sum", f"{total:.6g}")
        object.__setattr__(self, "p", _frozen(p / total))

    @classmethod
    def from_counts(cls, counts: npt.ArrayLike) -> Pmf:
        r"""The empirical :math:`\hat p(y, t, s) = c(y, t, s) / n`, which remembers ``n``.

        Parameters
        ----------
        counts : array of whole numbers >= 0, shape (n_y, n_t, n_s)

        Raises
        ------
        InputError
            When ``counts`` holds anything else.
        """
        where = "Pmf.from_counts(c)"
        c = _numeric(where, counts)
        _require_finite(where, c)
        if (c != np.floor(c)).any():
            raise InputError(where, "whole numbers", f"{c[c != np.floor(c)][0]:.6g}", "probabilities go in by Pmf(p)")
        return cls(c, normalise=True, n_samples=int(c.sum()))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sizes (n_y, n_t, n_s)."""
        n_y, n_t, n_s = self.p.shape
        return n_y, n_t, n_s

    def __repr__(self) -> str:
        samples = "" if self.n_samples is None else f", n_samples={self.n_samples}"
        return f"Pmf(shape={self.shape}{samples})"


@dataclass(frozen=True, eq=False)
class Codes:
    r"""Samples of three discrete variables, one label each per row.

    Parameters
    ----------
    y, t, s : array of integers, bools or strings, shape (n_samples,)

    Raises
    ------
    InputError
        When lengths differ, nothing is there, or labels are floats.

    Examples
    --------
    >>> Codes([0, 1, 1], ["a", "b", "b"], [True, False, True]).pmf().shape
    (2, 2, 2)
    """

    y: Array
    t: Array
    s: Array

    def __post_init__(self) -> None:
        for name in ("y", "t", "s"):
            codes = as_labels(f"Codes({name})", getattr(self, name))
            object.__setattr__(self, name, _frozen(codes))
        _require_equal_length("Codes(y, t, s)", y=len(self.y), t=len(self.t), s=len(self.s))

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.y)

    def pmf(self) -> Pmf:
        """The empirical joint table over the labels that occur, in sorted order."""
        index, sizes = [], []
        for labels in (self.y, self.t, self.s):
            values, inverse = np.unique(labels, return_inverse=True)
            index.append(inverse)
            sizes.append(len(values))
        flat = np.ravel_multi_index(tuple(index), tuple(sizes))
        return Pmf.from_counts(np.bincount(flat, minlength=int(np.prod(sizes))).reshape(sizes))

    def __repr__(self) -> str:
        return f"Codes(n_samples={self.n_samples})"


@dataclass(frozen=True, eq=False)
class Activations:
    """Samples of a target and of two representations, held by reference and never copied whole.

    Parameters
    ----------
    y : array, shape (n_samples,) of labels, or (n_samples,) or (n_samples, d_y) of floats
    t : array of floats, shape (n_samples, d_t) or (n_samples,)
    s : array of floats, shape (n_samples, d_s) or (n_samples,)
        Anything with shape, dtype and slicing: ndarray, memory map, chunked array, tensor.

    Raises
    ------
    InputError
        When lengths differ or a value is not finite; the message names the row.
    """

    y: Any
    t: Any
    s: Any

    def __post_init__(self) -> None:
        y = self.y if _is_float(self.y) else as_labels("Activations(y)", self.y)
        object.__setattr__(self, "y", y)
        for name in ("t", "s") if self.discrete_target else ("y", "t", "s"):
            check_activations(f"Activations({name})", getattr(self, name))
        _require_equal_length("Activations(y, t, s)", y=len(self.y), t=len(self.t), s=len(self.s))
        if not self.discrete_target and _is_whole(self.y):
            raise InputError(
                "Activations(y)",
                "labels (integers, bools, strings) or a continuous target",
                f"{_dtype_name(self.y)} that holds whole numbers only",
                "if these are labels, write y.astype(int)",
            )

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.y)

    @cached_property
    def discrete_target(self) -> bool:
        """Whether Y holds labels rather than a continuous target."""
        return not _is_float(self.y)

    def __repr__(self) -> str:
        return f"Activations(n_samples={self.n_samples}, t={tuple(self.t.shape)}, s={tuple(self.s.shape)})"


@dataclass(frozen=True, eq=False)
class Gaussian:
    r"""A jointly Gaussian (Y, T, S), by its covariance in that order.

    Parameters
    ----------
    cov : array, shape (d, d), d = d_y + d_t + d_s
        Symmetric, positive semidefinite; the blocks of Y, T and S each positive definite.
    dims : tuple of int, (d_y, d_t, d_s)
    tolerance : float, default 1e-12
        Eigenvalues are compared with this multiple of the largest one.

    Raises
    ------
    InputError
        When ``cov`` is none of this; an indefinite one is named by its smallest eigenvalue.
    """

    cov: FloatArray
    dims: tuple[int, int, int]
    tolerance: float = 1e-12

    def __post_init__(self) -> None:
        where = "Gaussian(cov, dims)"
        cov = _numeric(where, self.cov)
        if cov.ndim != 2 or cov.shape[0] != cov.shape[1]:
            raise InputError(where, "a square covariance", f"shape {cov.shape}")
        _require_finite(where, cov)
        dims = tuple(int(d) for d in self.dims)
        if len(dims) != 3 or min(dims) < 1 or sum(dims) != len(cov):
            raise InputError(where, f"three dims >= 1 (d_y, d_t, d_s) with sum {len(cov)}", f"{self.dims}")
        asymmetry = float(np.abs(cov - cov.T).max())
        if asymmetry > 1e-8 * float(np.abs(cov).max()):
            raise InputError(
                where, "a symmetric covariance", f"entries that differ from their mirror by {asymmetry:.3g}"
            )
        cov = (cov + cov.T) / 2
        smallest, largest = np.linalg.eigvalsh(cov)[[0, -1]]
        if smallest < -self.tolerance * max(largest, 0.0) or largest <= 0.0:
            raise InputError(where, "a positive semidefinite covariance", f"smallest eigenvalue {smallest:.6g}")
        start = 0
        for name, dim in zip("yts", dims, strict=True):
            block = np.linalg.eigvalsh(cov[start : start + dim, start : start + dim])
            if block[0] <= self.tolerance * largest:
                hint = "remove constant or collinear columns"
                raise InputError(
                    f"{where}, block of {name}", "positive definite", f"smallest eigenvalue {block[0]:.6g}", hint
                )
            start += dim
        object.__setattr__(self, "cov", _frozen(cov))
        object.__setattr__(self, "dims", dims)

    def __repr__(self) -> str:
        return f"Gaussian(dims={self.dims})"


@dataclass(frozen=True, eq=False)
class Posteriors:
    r"""Class probabilities :math:`p(y|t)`, :math:`p(y|s)` and, if known, :math:`p(y|t,s)` of every sample.

    Parameters
    ----------
    y : array of integers from 0 to n_classes - 1, shape (n_samples,)
    p_t, p_s : array, shape (n_samples, n_classes)
    p_ts : array, shape (n_samples, n_classes), optional
        Rows are non-negative and sum to 1 within 1e-6; they are then renormalised in float64.

    Raises
    ------
    InputError
        When shapes disagree, a row does not sum to 1, or values are not finite.
    """

    y: IntArray
    p_t: FloatArray
    p_s: FloatArray
    p_ts: FloatArray | None = None

    def __post_init__(self) -> None:
        y = as_labels("Posteriors(y)", self.y)
        given = {name: getattr(self, name) for name in ("p_t", "p_s", "p_ts") if getattr(self, name) is not None}
        for name, value in given.items():
            where = f"Posteriors({name})"
            p = _numeric(where, value)
            if p.ndim != 2 or len(p) != len(y):
                raise InputError(where, f"shape ({len(y)}, n_classes)", f"{p.shape}")
            _require_finite(where, p)
            off = np.flatnonzero((p < 0).any(axis=1) | (np.abs(p.sum(axis=1) - 1.0) > SUM_TOLERANCE))
            if off.size:
                row = int(off[0])
                hint = "these look like logits: take the softmax of each row first"
                raise InputError(
                    where,
                    "rows of probabilities that sum to 1",
                    f"row {row} with sum {p[row].sum():.6g} and minimum {p[row].min():.6g}",
                    hint if (p < 0).any() else None,
                )
            given[name] = _frozen(p / p.sum(axis=1, keepdims=True))
        classes = {p.shape[1] for p in given.values()}
        if len(classes) > 1:
            raise InputError("Posteriors(p_t, p_s, p_ts)", "one number of classes", f"{sorted(classes)}")
        n_classes = classes.pop()
        if y.dtype.kind not in "iu" or (len(y) and not 0 <= int(y.min()) <= int(y.max()) < n_classes):
            raise InputError(
                "Posteriors(y)", f"integers from 0 to {n_classes - 1}", f"{y.dtype} values such as {y[0]!r}"
            )
        object.__setattr__(self, "y", _frozen(y.astype(np.int64)))
        for name, p in given.items():
            object.__setattr__(self, name, p)

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.y)

    def __repr__(self) -> str:
        return f"Posteriors(n_samples={self.n_samples}, n_classes={self.p_t.shape[1]})"


Input: TypeAlias = Pmf | Codes | Activations | Gaussian | Posteriors


def as_input(*data: Any) -> Input:
    """Turn the positional arguments of ``decompose`` into one of the five kinds.

    One argument must already be an ``Input``. Of three, T and S choose the kind: both integer, bool or string give
    ``Codes``; both float give ``Activations``; anything mixed is refused.

    Raises
    ------
    InputError
        When the arguments are of no kind, or of two.
    """
    where = "decompose(y, t, s)"
    if len(data) == 1:
        if isinstance(data[0], Pmf | Codes | Activations | Gaussian | Posteriors):
            return data[0]
        raise InputError(
            "decompose(data)",
            "a Pmf, Codes, Activations, Gaussian or Posteriors",
            _describe(data[0]),
            "a table of probabilities goes in as decompose(pidkd.Pmf(p)), samples as decompose(y, t, s)",
        )
    if len(data) != 3:
        raise InputError(where, "three arrays, or one input object", f"{len(data)} arguments")
    y, t, s = (
        value if hasattr(value, "shape") and hasattr(value, "dtype") else _asarray(where, value) for value in data
    )
    floats = [_is_float(value) for value in (t, s)]
    if all(floats):
        return Activations(y, t, s)
    if any(floats):
        raise InputError(
            where,
            "t and s of one kind, both codes (integers, bools, strings) or both floats",
            f"t of {_dtype_name(t)} and s of {_dtype_name(s)}",
            "quantise the float one with pidkd.Quantizer, or cast the codes",
        )
    return Codes(y, t, s)


def as_labels(where: str, values: Any) -> Array:
    """One label per sample: integers, bools or strings, shape (n_samples,).

    Raises
    ------
    InputError
        When ``values`` is of another type or shape, or empty.
    """
    labels = _asarray(where, values)
    if labels.dtype.kind == "O" and all(isinstance(value, str) for value in labels.flat):
        labels = labels.astype(str)
    if labels.ndim != 1:
        raise InputError(where, "shape (n_samples,)", f"{labels.shape}")
    if labels.dtype.kind == "f":
        hint = "cast whole numbers with .astype(int); quantise continuous values with pidkd.Quantizer"
        raise InputError(where, "labels (integers, bools or strings)", f"{labels.dtype}", hint)
    if labels.dtype.kind not in "iubUS":
        raise InputError(where, "labels (integers, bools or strings)", f"dtype {labels.dtype}")
    _require_nonempty(where, labels)
    return labels


def check_activations(where: str, values: Any) -> None:
    """Check float activations, shape (n_samples,) or (n_samples, d), chunk by chunk.

    Raises
    ------
    InputError
        When the shape or type is another, or a value is not finite; the message names the row.
    """
    if not _is_array(values) or len(values.shape) not in (1, 2):
        shape = getattr(values, "shape", type(values).__name__)
        raise InputError(where, "floats of shape (n_samples, n_features)", f"{shape}")
    if 0 in tuple(values.shape):
        raise InputError(where, "at least one sample and one feature", f"shape {tuple(values.shape)}")
    for start, chunk in iter_chunks(values):
        finite = np.isfinite(chunk)
        if not finite.all():
            row = start + int(np.flatnonzero(~finite.reshape(len(chunk), -1).all(axis=1))[0])
            raise InputError(where, "finite values", f"NaN or infinity in row {row}")


def iter_chunks(values: Any) -> Iterator[tuple[int, Array]]:
    """Pieces of at most ``CHUNK_BYTES`` along the first axis, each with the row it starts at."""
    row_bytes = 8 * max(1, int(np.prod(values.shape[1:])))
    step = max(1, CHUNK_BYTES // row_bytes)
    for start in range(0, len(values), step):
        yield start, _asarray("activations", values[start : start + step])


def _asarray(where: str, values: Any) -> Array:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(where, "an array", f"{_describe(values)} ({error})") from error


def _numeric(where: str, values: Any) -> FloatArray:
    array = _asarray(where, values)
    if array.dtype.kind not in "iubf":
        raise InputError(where, "real numbers", f"dtype {array.dtype}")
    return array.astype(np.float64)


def _require_nonempty(where: str, array: Array) -> None:
    if array.size == 0:
        raise InputError(where, "at least one entry", f"an empty array of shape {array.shape}")


def _require_finite(where: str, array: FloatArray) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        at = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(where, "finite values", f"{array[at]} at {at}")


def _require_equal_length(where: str, **lengths: int) -> None:
    if len(set(lengths.values())) > 1:
        raise InputError(where, "equal lengths", ", ".join(f"{name} {length}" for name, length in lengths.items()))


def _is_array(values: Any) -> bool:
    return hasattr(values, "shape") and hasattr(values, "dtype")


def _is_float(values: Any) -> bool:
    return "float" in str(getattr(values, "dtype", ""))


def _is_whole(values: Any) -> bool:
    return all(bool((chunk == np.floor(chunk)).all()) for _, chunk in iter_chunks(values))


def _dtype_name(values: Any) -> str:
    return str(getattr(values, "dtype", type(values).__name__))


def _describe(value: Any) -> str:
    if _is_array(value):
        return f"a bare {value.dtype} array of shape {tuple(value.shape)}"
    return f"{type(value).__name__}"


def _frozen(array: Array) -> Array:
    array = np.array(array)
    array.setflags(write=False)
    return array
