"""The five kinds of data that can be decomposed, checked once, here, at the border.

The order is always target Y, teacher T, student S: ``p[y, t, s]``, ``dims=(d_y, d_t, d_s)``, ``decompose(y, t, s)``.
"""

from __future__ import annotations

import math
from dataclasses import InitVar, dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pidkd.arrays import (
    Array,
    FloatArray,
    IntArray,
    as_activations,
    as_array,
    as_labels,
    as_numbers,
    check_activations,
    describe,
    dtype_name,
    is_array,
    is_float,
    is_whole,
    iter_chunks,
    read_only,
)
from pidkd.errors import InputError, import_extra
from pidkd.parameters import is_integer, is_number

__all__ = [
    "Activations",
    "Array",
    "Codes",
    "FloatArray",
    "Gaussian",
    "Input",
    "IntArray",
    "Pmf",
    "Posteriors",
    "as_input",
    "as_labels",
    "check_activations",
    "iter_chunks",
]

SUM_TOLERANCE = 1e-6
"""How far the total of a probability table, or of a row of posteriors, may be from one."""

MAX_CELLS = 2**28
"""Cells of the largest joint table that labels are counted into: 2 GiB."""

ASYMMETRY_TOLERANCE = 1e-8
"""How far a correlation may be from its mirror image, and beyond one, as estimates in lower precision are."""


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
        p = as_numbers(where, self.p)
        if p.ndim != 3:
            hint = "pidkd decomposes two sources; merge axes, or use dit for more" if p.ndim > 3 else None
            raise InputError(where, "an array with 3 axes (y, t, s)", f"one of shape {p.shape}", hint)
        if (p < 0).any():
            at = tuple(int(i) for i in np.argwhere(p < 0)[0])
            raise InputError(where, "entries >= 0", f"{p[at]:.6g} at {at}")
        with np.errstate(over="ignore"):
            total = float(p.sum())
        if not normalise and not abs(total - 1.0) <= SUM_TOLERANCE:
            hint = "counts go in by Pmf.from_counts(c), other totals by Pmf(p, normalise=True)"
            raise InputError(where, f"a sum of 1 within {SUM_TOLERANCE:g}", f"{total:.10g}", hint)
        if not 0.0 < total < np.inf:
            raise InputError(where, "a positive finite sum", f"{total:.6g}")
        if self.n_samples is not None and not (is_integer(self.n_samples) and self.n_samples >= 1):
            raise InputError("Pmf(n_samples)", "a whole number >= 1, or None", repr(self.n_samples))
        object.__setattr__(self, "p", read_only(p / total))

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
        c = as_numbers(where, counts)
        if (c != np.floor(c)).any():
            raise InputError(where, "whole numbers", f"{c[c != np.floor(c)][0]:.6g}", "probabilities go in by Pmf(p)")
        try:
            return cls(c, normalise=True, n_samples=int(c.sum()) or None)
        except InputError as error:
            raise error.at(where) from None

    @classmethod
    def from_dit(cls, distribution: Any, y: Any = 0, t: Any = 1, s: Any = 2) -> Pmf:
        """The joint table of three variables, or groups of variables, of a ``dit.Distribution``.

        Parameters
        ----------
        distribution : dit.Distribution
        y, t, s : int, str, or sequence of these
            Positions or names of the variables that make up target, teacher and student. Values are in sorted order
            where they have one; variables that are not named are summed over.

        Raises
        ------
        InputError
            When a variable is not there, or ``distribution`` is none.
        """
        where = "Pmf.from_dit(distribution, y, t, s)"
        try:
            linear = distribution.copy(base="linear")
            names, n_variables = linear.get_rv_names() or (), linear.outcome_length()
        except (AttributeError, TypeError):
            raise InputError(where, "a dit.Distribution", type(distribution).__name__) from None
        index: list[IntArray] = []
        sizes: list[int] = []
        for group in (y, t, s):
            columns = []
            for variable in (group,) if isinstance(group, str) or is_integer(group) else tuple(group):
                column = names.index(variable) if variable in names else variable
                if not (is_integer(column) and 0 <= column < n_variables):
                    expected = f"positions from 0 to {n_variables - 1}" + (f" or names {names}" if names else "")
                    raise InputError(where, expected, repr(variable))
                columns.append(column)
            values = [tuple(outcome[column] for column in columns) for outcome in linear.outcomes]
            try:
                known = sorted(set(values))
            except TypeError:  # values of different types
                known = sorted(set(values), key=repr)
            position = {value: i for i, value in enumerate(known)}
            index.append(np.array([position[value] for value in values], dtype=np.int64))
            sizes.append(len(known))
        p = np.zeros(sizes)
        np.add.at(p, tuple(index), np.asarray(linear.pmf, dtype=np.float64))
        return cls(p)

    def to_dit(self) -> Any:
        """The same distribution as a ``dit.Distribution`` of variables Y, T and S with values "0", "1", ...

        Raises
        ------
        MissingDependencyError
            When dit is not installed.
        """
        dit = import_extra("dit", "dit", needed_by="Pmf.to_dit()")
        outcomes = np.argwhere(self.p > 0)
        distribution = dit.Distribution([tuple(map(str, o)) for o in outcomes.tolist()], self.p[tuple(outcomes.T)])
        distribution.set_rv_names(["Y", "T", "S"])
        return distribution

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
            labels = as_labels(f"Codes({name})", getattr(self, name))
            object.__setattr__(self, name, read_only(labels.copy()))
        _require_equal_length("Codes(y, t, s)", y=len(self.y), t=len(self.t), s=len(self.s))

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.y)

    def pmf(self) -> Pmf:
        """The empirical joint table over the labels that occur, in sorted order.

        Raises
        ------
        InputError
            When that table has more than ``MAX_CELLS`` cells.
        """
        index, sizes = [], []
        for labels in (self.y, self.t, self.s):
            values, inverse = np.unique(labels, return_inverse=True)
            index.append(inverse)
            sizes.append(len(values))
        cells = math.prod(sizes)
        if cells > MAX_CELLS:
            got = f"{' x '.join(map(str, sizes))} different labels of y, t, s"
            expected = f"a joint table of at most {MAX_CELLS} cells"
            raise InputError("Codes(y, t, s)", expected, got, "quantise more coarsely")
        flat = np.ravel_multi_index(tuple(index), tuple(sizes))
        return Pmf.from_counts(np.bincount(flat, minlength=cells).reshape(sizes))

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
        for name in ("y", "t", "s"):
            where, values = f"Activations({name})", getattr(self, name)
            values = values if is_array(values) else as_array(where, values)
            labels = name == "y" and not is_float(values)
            object.__setattr__(self, name, (as_labels if labels else as_activations)(where, values))
        _require_equal_length("Activations(y, t, s)", y=len(self.y), t=len(self.t), s=len(self.s))
        if not self.discrete_target and is_whole(self.y):
            raise InputError(
                "Activations(y)",
                "labels (integers, bools, strings) or a continuous target",
                f"{dtype_name(self.y)} that holds whole numbers only",
                f"if these are labels, write y.{'astype(int)' if len(self.y.shape) == 1 else 'argmax(axis=1)'}",
            )

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.y)

    @cached_property
    def discrete_target(self) -> bool:
        """Whether Y holds labels rather than a continuous target."""
        return not is_float(self.y)

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
        Eigenvalues of the correlation matrix, whole or of one block, are compared with this multiple of the largest.
    n_samples : int, optional
        Number of samples that the covariance was estimated from; None for an exact one.

    Raises
    ------
    InputError
        When ``cov`` is none of this; an indefinite one is named by its smallest eigenvalue.
    """

    cov: FloatArray
    dims: tuple[int, int, int]
    tolerance: float = 1e-12
    n_samples: int | None = None

    def __post_init__(self) -> None:
        where = "Gaussian(cov, dims)"
        cov = as_numbers(where, self.cov)
        if cov.ndim != 2 or cov.shape[0] != cov.shape[1]:
            raise InputError(where, "a square covariance", f"shape {cov.shape}")
        dims = tuple(self.dims) if isinstance(self.dims, tuple | list) else ()
        if len(dims) != 3 or not all(is_integer(d) and d >= 1 for d in dims) or sum(dims) != len(cov):
            raise InputError(where, f"three dims >= 1 (d_y, d_t, d_s) with sum {len(cov)}", f"{self.dims}")
        if not (is_number(self.tolerance) and 0 <= self.tolerance < 1):
            raise InputError("Gaussian(tolerance)", "a number from 0 up to 1", f"{self.tolerance}")
        if self.n_samples is not None and not (is_integer(self.n_samples) and self.n_samples > len(cov)):
            raise InputError(
                "Gaussian(n_samples)",
                f"None, or a whole number > {len(cov)}, the number of variables",
                repr(self.n_samples),
                "with fewer samples than that every information is infinite: reduce the dimensions first",
            )
        object.__setattr__(self, "dims", tuple(int(d) for d in dims))
        variances = np.diag(cov)
        if not (variances > 0).all():
            at = int(np.argmin(variances))
            hint = "remove constant columns" if variances[at] == 0 else None
            raise InputError(where, "positive variances", f"{variances[at]:.6g} at ({at}, {at})", hint)
        # Correlations, so that nothing depends on the units of the columns.
        scale = np.sqrt(variances)
        with np.errstate(over="ignore", invalid="ignore"):
            correlation = cov / scale / scale[:, None]
            asymmetry = float(np.abs(correlation - correlation.T).max())
        if not asymmetry <= ASYMMETRY_TOLERANCE:
            got = f"correlations that differ from their mirror by {asymmetry:.3g}"
            raise InputError(where, "a symmetric covariance", got)
        largest = float(np.abs(correlation).max())
        if not largest <= 1 + ASYMMETRY_TOLERANCE:
            raise InputError(where, "a positive semidefinite covariance", f"a correlation of {largest:.6g}")
        object.__setattr__(self, "cov", read_only(cov / 2 + cov.T / 2))
        if _is_definite((correlation + correlation.T) / 2, self.tolerance):
            return  # and so is each block, since its eigenvalues lie between those of the whole
        spectrum = np.linalg.eigvalsh((correlation + correlation.T) / 2)
        if spectrum[0] < -self.tolerance * spectrum[-1]:
            got = f"correlations with smallest eigenvalue {spectrum[0]:.6g}"
            raise InputError(where, "a positive semidefinite covariance", got)
        start = 0
        for name, dim in zip("yts", dims, strict=True):
            block = np.linalg.eigvalsh(correlation[start : start + dim, start : start + dim])
            if block[0] <= self.tolerance * block[-1]:
                got = f"correlations with smallest eigenvalue {block[0]:.6g}"
                raise InputError(f"{where}, block of {name}", "positive definite", got, "remove collinear columns")
            start += dim

    @classmethod
    def stack(cls, covs: npt.ArrayLike, dims: tuple[int, int, int], tolerance: float = 1e-12) -> list[Gaussian]:
        """Many covariances at once, each checked as if it stood alone.

        Parameters
        ----------
        covs : array, shape (n_batch, d, d)
        dims, tolerance
            As for one.

        Raises
        ------
        InputError
            When one cannot be used; the message says which.
        """
        where = "Gaussian.stack(covs, dims)"
        stack = as_numbers(where, covs)
        if stack.ndim != 3 or stack.shape[1] != stack.shape[2]:
            raise InputError(where, "shape (n_batch, d, d)", f"{stack.shape}")
        members = []
        try:
            members.append(cls(stack[0], dims, tolerance))  # checks what all share
            variances = np.diagonal(stack, axis1=1, axis2=2)
            with np.errstate(divide="ignore", invalid="ignore"):
                scale = np.sqrt(variances)
                correlations = stack / scale[:, None, :] / scale[:, :, None]
                mirrored = np.abs(correlations - correlations.swapaxes(1, 2)).max(axis=(1, 2)) <= ASYMMETRY_TOLERANCE
            checked = mirrored.all() and _is_definite(correlations, tolerance)
            symmetric = read_only(stack / 2 + stack.swapaxes(1, 2) / 2)
            for cov in symmetric[1:] if checked else ():
                member = object.__new__(cls)
                member.__dict__.update(members[0].__dict__, cov=cov)
                members.append(member)
            for cov in () if checked else stack[1:]:
                members.append(cls(cov, dims, tolerance))
        except InputError as error:
            raise error.at(f"covs[{len(members)}]") from None
        return members

    def __repr__(self) -> str:
        samples = "" if self.n_samples is None else f", n_samples={self.n_samples}"
        return f"Gaussian(dims={self.dims}{samples})"


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
        tables: dict[str, FloatArray] = {}
        for name in ("p_t", "p_s", "p_ts") if self.p_ts is not None else ("p_t", "p_s"):
            where = f"Posteriors({name})"
            p = as_numbers(where, getattr(self, name))
            if p.ndim != 2 or len(p) != len(y):
                raise InputError(where, f"shape ({len(y)}, n_classes)", f"{p.shape}")
            with np.errstate(over="ignore"):
                sums = p.sum(axis=1, keepdims=True)
            off = np.flatnonzero((p < 0).any(axis=1) | (np.abs(sums[:, 0] - 1.0) > SUM_TOLERANCE))
            if off.size:
                row = int(off[0])
                got = f"row {row} with sum {sums[row, 0]:.6g} and minimum {p[row].min():.6g}"
                logits = (p < 0).any() or p.max() > 1 + SUM_TOLERANCE
                hint = "these look like logits: Posteriors.from_logits(y, ...) takes those" if logits else None
                raise InputError(where, "rows of probabilities that sum to 1", got, hint)
            tables[name] = read_only(p / sums)
        sizes = {name: p.shape[1] for name, p in tables.items()}
        n_classes = sizes["p_t"]
        if set(sizes.values()) != {n_classes}:
            got = ", ".join(f"{name} with {size}" for name, size in sizes.items())
            raise InputError(f"Posteriors({', '.join(sizes)})", "one number of classes", got)
        wanted = f"integers from 0 to {n_classes - 1}"
        if y.dtype.kind not in "iub":
            raise InputError("Posteriors(y)", wanted, f"dtype {y.dtype}")
        wrong = np.flatnonzero((y < 0) | (y >= n_classes))
        if wrong.size:
            raise InputError("Posteriors(y)", wanted, f"{y[wrong[0]]} in row {wrong[0]}")
        object.__setattr__(self, "y", read_only(y.astype(np.int64)))
        for name, p in tables.items():
            object.__setattr__(self, name, p)

    @classmethod
    def from_logits(
        cls, y: npt.ArrayLike, z_t: npt.ArrayLike, z_s: npt.ArrayLike, z_ts: npt.ArrayLike | None = None
    ) -> Posteriors:
        r"""From logits, :math:`p(y|t) = e^{z_y} / \sum_{y'} e^{z_{y'}}`, such as the outputs of teacher and student.

        Parameters
        ----------
        y : array of integers from 0 to n_classes - 1, shape (n_samples,)
        z_t, z_s : array of floats, shape (n_samples, n_classes)
        z_ts : array of floats, shape (n_samples, n_classes), optional

        Raises
        ------
        InputError
            When shapes disagree, or values are not finite.
        """
        names = ("z_t", "z_s", "z_ts") if z_ts is not None else ("z_t", "z_s")
        tables = []
        for name, values in zip(names, (z_t, z_s, z_ts), strict=False):
            z = as_numbers(where := f"Posteriors.from_logits({name})", values)
            if z.ndim != 2:
                raise InputError(where, "shape (n_samples, n_classes)", f"{z.shape}")
            p = np.exp(z - z.max(axis=1, keepdims=True))
            tables.append(p / p.sum(axis=1, keepdims=True))
        try:
            return cls(as_array("Posteriors.from_logits(y)", y), *tables)
        except InputError as error:
            raise error.at(error.where.replace("Posteriors(", "Posteriors.from_logits(").replace("p_", "z_")) from None

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
    if len(data) == 1:
        if isinstance(data[0], Input):
            return data[0]
        raise InputError(
            "decompose(data)",
            "a Pmf, Codes, Activations, Gaussian or Posteriors",
            f"a bare {describe(data[0])}",
            "a table of probabilities goes in as decompose(pidkd.Pmf(p)), samples as decompose(y, t, s)",
        )
    where = "decompose(y, t, s)"
    given = [type(value).__name__ for value in data if isinstance(value, Input)]
    if len(data) != 3 or given:
        got = f"{len(data)} arguments" + (f", with {given[0]} among them" if given else "")
        raise InputError(where, "three arrays, or one input object alone", got)
    y, t, s = (
        value if is_array(value) else as_array(f"decompose({name})", value)
        for name, value in zip("yts", data, strict=True)
    )
    floats = [is_float(value) for value in (t, s)]
    if any(floats) and not all(floats):
        raise InputError(
            where,
            "t and s of one kind, both codes (integers, bools, strings) or both floats",
            f"t of {dtype_name(t)} and s of {dtype_name(s)}",
            "quantise the float one with pidkd.Quantizer, or cast the codes",
        )
    kind = Activations if all(floats) else Codes
    try:
        return kind(y, t, s)
    except InputError as error:
        raise error.at(error.where.replace(kind.__name__, "decompose")) from None


def _is_definite(matrices: FloatArray, tolerance: float) -> bool:
    """Whether the eigenvalues of each matrix certainly exceed this multiple of the largest."""
    size = matrices.shape[-1]
    margin = tolerance * np.abs(matrices).sum(axis=-1).max(axis=-1)
    try:
        np.linalg.cholesky(matrices - margin[..., None, None] * np.eye(size))
    except np.linalg.LinAlgError:
        return False
    return bool(np.isfinite(margin).all())


def _require_equal_length(where: str, **lengths: int) -> None:
    if len(set(lengths.values())) > 1:
        raise InputError(where, "equal lengths", ", ".join(f"{name} {length}" for name, length in lengths.items()))
