"""Data of any number of sources, each with its name, checked at the border."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from pidkd.arrays import (
    Array,
    FloatArray,
    IntArray,
    as_activations,
    as_array,
    as_labels,
    as_numbers,
    check_equal_lengths,
    check_same_rows,
    dtype_name,
    is_array,
    is_float,
    is_whole,
    read_only,
)
from pidkd.errors import Argument, InputError, Keyword, quote
from pidkd.groups import as_groups
from pidkd.inputs.gaussian import Gaussian
from pidkd.inputs.pmf import SUM_TOLERANCE, Pmf
from pidkd.inputs.posteriors import Posteriors
from pidkd.inputs.tables import is_dit
from pidkd.parameters import check_choice

Kind: TypeAlias = Literal["auto", "codes", "activations", "posteriors"]


@dataclass(frozen=True, eq=False)
class CountedRows:
    """Rows that tables were counted from, to be drawn again.

    Parameters
    ----------
    y : array of int, shape (n_rows,)
        Place of the label of each row in the tables.
    codes : mapping from name to array of int, shape (n_rows,)
        Likewise of each source.
    share : array, shape (n_rows,), optional
        Probability of each row; None where all are equal.
    groups : array of int, shape (n_rows,), optional
        Rows that are drawn together.
    """

    y: IntArray
    codes: Mapping[str, IntArray]
    share: FloatArray | None = None
    groups: IntArray | None = None

    def drawn(self, tables: PairTables, rng: np.random.Generator) -> PairTables:
        """Tables of as many samples, or groups of them, drawn with replacement, in the shapes of ``tables``."""
        if self.share is not None:
            weights = rng.multinomial(tables.n_samples or 0, self.share)
        else:
            n = len(self.y) if self.groups is None else int(self.groups.max()) + 1
            weights = rng.multinomial(n, np.full(n, 1 / n))
            weights = weights if self.groups is None else weights[self.groups]
        named = {name: table.shape for name, table in tables.tables.items()}
        counts = {
            name: np.bincount(self.y * m + self.codes[name], weights, n_y * m).reshape(n_y, m) / weights.sum()
            for name, (n_y, m) in named.items()
        }
        return PairTables(counts)


@dataclass(frozen=True, eq=False)
class PairTables:
    r"""Pair marginals :math:`p(y, x_i)` of a target with each of several sources.

    Parameters
    ----------
    tables : mapping from name to array, shape (n_y, n_i)
        Finite, non-negative, with sum 1 within 1e-6, or counts; every one with the same p(y) within 1e-6.
    joint : array, shape (n_y, n_cells), optional
        p(y, x_1..x_n) of the cells that occur, where more than the pairs is known.
    n_samples : int, optional
        Number of samples that the tables were counted from; None for exact ones.
    counted : CountedRows, optional
        The samples themselves.

    Raises
    ------
    InputError
        When a table is none of this, or two disagree about p(y); the message says by how much.
    """

    tables: Mapping[str, FloatArray]
    joint: FloatArray | None = None
    n_samples: int | None = None
    counted: CountedRows | None = None

    def __post_init__(self) -> None:
        checked = {name: _pair_table(Argument("PairTables", name), table) for name, table in self.tables.items()}
        first, *others = checked
        p_y = checked[first].sum(axis=1)
        for name in others:
            own = checked[name].sum(axis=1)
            if own.shape != p_y.shape:
                got = f"{len(p_y)} in {first!r} and {len(own)} in {name!r}"
                raise InputError(Argument("PairTables", "tables"), "one number of values of y", got)
            off = np.abs(own - p_y)
            if off.max() > SUM_TOLERANCE:
                got = f"{first!r} and {name!r} that differ by {off.max():.3g} at y = {int(off.argmax())}"
                raise InputError(Argument("PairTables", "tables"), f"the same p(y) within {SUM_TOLERANCE:g}", got)
            ratio = np.divide(p_y, own, out=np.zeros_like(own), where=own > 0)
            checked[name] = checked[name] * ratio[:, None]
        mismatched = [name for name in others if not np.allclose(checked[name].sum(axis=1), p_y, atol=1e-15)]
        if mismatched:
            got = f"some missing in {mismatched[0]!r}"
            raise InputError(Argument("PairTables", "tables"), "the same values of y in each", got)
        object.__setattr__(self, "tables", {name: read_only(table) for name, table in checked.items()})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sources."""
        return tuple(self.tables)


@dataclass(frozen=True, eq=False)
class SourceActivations:
    """Samples of a target and of several representations.

    Parameters
    ----------
    y : array, shape (n_samples,) of labels, or (n_samples,) or (n_samples, d_y) of floats
    sources : mapping from name to array of floats, shape (n_samples,) or (n_samples, d_i)
    groups : array of int, shape (n_samples,), optional
        Rows that are fitted to or scored together.
    """

    y: Any
    sources: Mapping[str, Any]
    groups: IntArray | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sources."""
        return tuple(self.sources)

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def discrete_target(self) -> bool:
        """Whether Y holds labels rather than a continuous target."""
        return not is_float(self.y)


@dataclass(frozen=True, eq=False)
class SourcePosteriors:
    """Class probabilities of every sample by several sources.

    Parameters
    ----------
    y : array of integers from 0 to n_classes - 1, shape (n_samples,)
    sources : mapping from name to array, shape (n_samples, n_classes)
    groups : array of int, shape (n_samples,), optional
        Rows that are calibrated on or scored together.
    """

    y: IntArray
    sources: Mapping[str, FloatArray]
    groups: IntArray | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sources."""
        return tuple(self.sources)

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.y)


@dataclass(frozen=True, eq=False)
class NamedGaussian:
    """A covariance, with the names of its sources."""

    data: Gaussian
    names: tuple[str, ...]

    @property
    def n_samples(self) -> int | None:
        """Number of samples that the covariance was estimated from."""
        return self.data.n_samples


Several: TypeAlias = PairTables | SourceActivations | SourcePosteriors | NamedGaussian


def as_several(call: str, y: Any, sources: Any = None, kind: Kind = "auto", groups: Any = None) -> Several:
    """Data of several sources, from the arguments of ``union_information`` or ``contributions``.

    Parameters
    ----------
    call : str
        For messages.
    y : array of labels or floats, or the data alone: a Pmf, a Gaussian, or pair tables by name or in a row
    sources : mapping from name to array, or sequence of arrays; with a Pmf or a Gaussian, names
    kind : {"auto", "codes", "activations", "posteriors"}
    groups : array of labels, shape (n_samples,), optional
        Of samples: those that belong together.

    Raises
    ------
    InputError
        When the arguments are none of this.
    """
    check_choice(Keyword(call, "kind"), kind, get_args(Kind))
    y = Pmf(y) if is_dit(y) else y
    if groups is not None and (sources is None or isinstance(y, Pmf | Gaussian)):
        raise InputError(Keyword(call, "groups"), "None without samples", "groups beside a table or a covariance")
    if isinstance(y, Pmf | Gaussian):
        names = _names(call, sources, y.n_sources)
        if isinstance(y, Gaussian):
            return NamedGaussian(y, names)
        return _of_joint(y, names)
    if isinstance(y, PairTables | SourceActivations | SourcePosteriors | NamedGaussian):
        _check_number(call, len(y.names))
        return y
    if sources is None:
        tables = _named(Argument(call, "data"), y)
        _check_number(call, len(tables))
        try:
            return PairTables(tables)
        except InputError as error:
            raise error.at(Argument(call, error.where.partition("(")[2].rstrip(")"))) from None
    data = _of_samples(call, y, sources, kind)
    if groups is None:
        return data
    numbers = as_groups(Keyword(call, "groups"), groups, data.n_samples or 0)
    if isinstance(data, PairTables):
        return replace(data, counted=None if data.counted is None else replace(data.counted, groups=numbers))
    if isinstance(data, SourceActivations):
        return replace(data, groups=numbers)
    return replace(data, groups=numbers)


def _of_samples(call: str, y: Any, sources: Any, kind: Kind) -> PairTables | SourceActivations | SourcePosteriors:
    named = _named(Argument(call, "sources"), sources)
    _check_number(call, len(named))
    check_same_rows(Argument(call, "y, sources"), **{**named, "y": y})
    labels = y if is_array(y) else as_array(Argument(call, "y"), y)
    arrays = {
        name: value if is_array(value) else as_array(Argument(call, name), value) for name, value in named.items()
    }
    floats = {name: is_float(value) for name, value in arrays.items()}
    if len(set(floats.values())) > 1:
        one, other = (next(name for name, is_one in floats.items() if is_one == wanted) for wanted in (True, False))
        got = f"{one} of {dtype_name(arrays[one])} and {other} of {dtype_name(arrays[other])}"
        expected = "sources of one kind, all codes (integers, bools, strings) or all floats"
        raise InputError(Argument(call, "sources"), expected, got, "quantise the float ones with pidkd.Quantizer")
    if kind == "auto":
        kind = "activations" if all(floats.values()) else "codes"
    if kind == "codes":
        codes = {name: as_labels(Argument(call, name), value) for name, value in arrays.items()}
        target = as_labels(Argument(call, "y"), labels)
        check_equal_lengths(Argument(call, "y, sources"), y=len(target), **{name: len(x) for name, x in codes.items()})
        return _of_codes(target, codes)
    if kind == "posteriors":
        return _of_posteriors(call, labels, arrays)
    return _of_activations(call, labels, arrays)


def _of_activations(call: str, labels: Any, held: Mapping[str, Any]) -> SourceActivations:
    discrete = not is_float(labels)
    target = (as_labels if discrete else as_activations)(Argument(call, "y"), labels)
    layers = {name: as_activations(Argument(call, name), value) for name, value in held.items()}
    check_equal_lengths(Argument(call, "y, sources"), y=len(target), **{name: len(x) for name, x in layers.items()})
    if not discrete and is_whole(target):
        got = f"{dtype_name(target)} that holds whole numbers only"
        hint = "write y.astype(int) if these are labels"
        raise InputError(Argument(call, "y"), "labels or a continuous target", got, hint)
    return SourceActivations(target, layers)


def _of_posteriors(call: str, labels: Any, held: Mapping[str, Any]) -> SourcePosteriors:
    checked: dict[str, FloatArray] = {}
    for (one, first), (other, second) in pairwise(held.items()):
        try:
            pair = Posteriors(labels, first, second)
        except InputError as error:
            name = error.where.partition("(")[2].rstrip(")")
            raise error.at(Argument(call, {"p_t": one, "p_s": other}.get(name, name))) from None
        checked |= {one: pair.p_t, other: pair.p_s}
    return SourcePosteriors(pair.y, checked)


def _of_joint(data: Pmf, names: tuple[str, ...]) -> PairTables:
    axes = range(1, data.p.ndim)
    tables = {
        name: data.p.sum(axis=tuple(other for other in axes if other != axis))
        for name, axis in zip(names, axes, strict=True)
    }
    if data.n_samples is None:
        return PairTables(tables, data.p.reshape(len(data.p), -1))
    y, *codes = np.nonzero(data.p)
    counted = CountedRows(y, dict(zip(names, codes, strict=True)), data.p[data.p > 0] / data.p.sum())
    return PairTables(tables, data.p.reshape(len(data.p), -1), data.n_samples, counted)


def _of_codes(y: Array, codes: Mapping[str, Array]) -> PairTables:
    """Pair tables of the labels that occur, in sorted order, and the table of all codes together."""
    _, target = np.unique(y, return_inverse=True)
    n_y, together = int(target.max()) + 1, np.zeros(len(y), dtype=np.int64)
    tables: dict[str, FloatArray] = {}
    places: dict[str, IntArray] = {}
    for name, labels in codes.items():
        values, index = np.unique(labels, return_inverse=True)
        places[name] = index
        counts = np.bincount(target * len(values) + index, minlength=n_y * len(values))
        tables[name] = counts.reshape(n_y, -1) / len(y)
        together = np.unique(together * len(values) + index, return_inverse=True)[1]
    n_cells = int(together.max()) + 1
    joint = np.bincount(together * n_y + target, minlength=n_cells * n_y).reshape(n_cells, n_y).T / len(y)
    return PairTables(tables, joint, len(y), CountedRows(target, places))


def _pair_table(where: str, values: Any) -> FloatArray:
    counts = is_array(values) and not is_float(values)
    table = as_numbers(where, values)
    if table.ndim != 2:
        raise InputError(where, "a table p(y, x) with two axes", f"shape {table.shape}")
    if (table < 0).any():
        raise InputError(where, "entries >= 0", f"{table.min():.6g}")
    total = float(table.sum())
    if not total > 0 or not (counts or abs(total - 1.0) <= SUM_TOLERANCE):
        raise InputError(where, f"a sum of 1 within {SUM_TOLERANCE:g}, or counts of an integer type", f"{total:.10g}")
    return table / total


def _named(where: str, values: Any) -> dict[str, Any]:
    """Sources by name; in a row without names they are x1, x2 and so on."""
    if isinstance(values, Mapping):
        wrong = [name for name in values if not isinstance(name, str)]
        if wrong:
            raise InputError(where, "names that are strings", quote(wrong[0]))
        return dict(values)
    if isinstance(values, Sequence) and not isinstance(values, str):
        pairs = [pair for pair in values if isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)]
        if pairs and len(pairs) == len(values):
            names = [name for name, _ in pairs]
            _check_distinct(where, names)
            return dict(pairs)
        return {f"x{i + 1}": value for i, value in enumerate(values)}
    raise InputError(where, "a mapping from names to arrays, or a list of arrays", f"a {type(values).__name__}")


def _names(call: str, given: Any, n: int) -> tuple[str, ...]:
    _check_number(call, n)
    if given is None:
        return tuple(f"x{i + 1}" for i in range(n))
    names = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else ()
    if len(names) != n or not all(isinstance(name, str) for name in names):
        raise InputError(Argument(call, "data, sources"), f"a list of {n} names, or nothing", quote(given))
    _check_distinct(Argument(call, "data, sources"), names)
    return names


def _check_distinct(where: str, names: Sequence[str]) -> None:
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise InputError(where, "a name of its own for each source", f"{twice!r} twice")


def _check_number(call: str, n: int) -> None:
    if n < 2:
        hint = "mutual_information(x, y) is what one source knows" if n == 1 else None
        raise InputError(Argument(call, "sources"), "two sources or more", "none" if n == 0 else "one", hint)
