"""A sample as what can be drawn again, split, shuffled, or left one out: a table of counts, or rows."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray, as_array
from pidkd.errors import InputError, Keyword
from pidkd.inputs import Activations, Codes, Gaussian, Input, Pmf, Posteriors

WHERE = Keyword("decompose", "uncertainty")
"""The call as the user wrote it."""


class Sample(abc.ABC):
    """A sample as resampling needs it.

    Attributes
    ----------
    n : int
        Number of samples that are independent of each other: rows, or groups of them.
    bytes : int
        Memory of one resample.
    """

    n: int
    bytes: int

    @abc.abstractmethod
    def drawn(self, rng: np.random.Generator) -> Input:
        """A bootstrap sample: rows drawn with replacement, as many as there are."""

    @abc.abstractmethod
    def quartered(self, rng: np.random.Generator) -> Sequence[Input]:
        """Two random halves, and the two random halves of each."""

    @abc.abstractmethod
    def left_out(self) -> Iterator[Input]:
        """These samples without one, for each kind of sample that there is."""

    @abc.abstractmethod
    def multiplicity(self) -> FloatArray:
        """Multiplicity of each distinct sample, in the order of ``left_out``."""

    @abc.abstractmethod
    def check_shuffle(self, of: str) -> None:
        """Refuse a shuffle that these samples do not allow."""

    @abc.abstractmethod
    def shuffled(self, of: str, rng: np.random.Generator) -> Input:
        """Labels in random order, or one source in random order within each class."""


class Counts(Sample):
    """A table of counts, resampled without its rows: each draw has the law that drawing rows would give it."""

    def __init__(self, table: Pmf) -> None:
        if table.n_samples is None:
            hint = "an exact table has no sampling to be uncertain about; counts go in by Pmf.from_counts(c)"
            raise InputError(WHERE, "samples or counts", "an exact table (n_samples None)", hint)
        counts = table.p * table.n_samples
        self.counts = np.rint(counts).astype(np.int64)
        self.n = table.n_samples
        self.bytes = 8 * counts.size
        if np.abs(counts - self.counts).max() > 1e-6 * max(1.0, counts.max()) or self.counts.sum() != self.n:
            got = f"a table that {self.n} samples cannot give"
            raise InputError(WHERE, "a table of whole counts", got, "counts go in by Pmf.from_counts(c)")

    def drawn(self, rng: np.random.Generator) -> Pmf:
        """Draw from the multinomial law."""
        flat = rng.multinomial(self.n, (self.counts / self.n).ravel())
        return Pmf.from_counts(flat.reshape(self.counts.shape))

    def model(self) -> Pmf:
        """T and S independent within each class, with the pair marginals as they are."""
        yt, ys = self.counts.sum(axis=2), self.counts.sum(axis=1)
        y = np.maximum(yt.sum(axis=1), 1)
        return Pmf(yt[:, :, None] * (ys / y[:, None])[:, None, :], normalise=True)

    def quartered(self, rng: np.random.Generator) -> list[Pmf]:
        """Parts of the counts, drawn without replacement."""
        halves = _split(self.counts, rng)
        return [Pmf.from_counts(part) for part in (*halves, *_split(halves[0], rng), *_split(halves[1], rng))]

    def left_out(self) -> Iterator[Pmf]:
        """Tables with one sample removed, for each cell that has any."""
        for cell in np.argwhere(self.counts):
            rest = self.counts.copy()
            rest[tuple(cell)] -= 1
            yield Pmf.from_counts(rest)

    def multiplicity(self) -> FloatArray:
        """The counts that are not zero."""
        return self.counts[self.counts > 0].astype(np.float64)

    def check_shuffle(self, of: str) -> None:
        """Every table can be shuffled."""

    def shuffled(self, of: str, rng: np.random.Generator) -> Pmf:
        """A random table, or one for each class, with the margins of this one."""
        if of == "y":
            pairs = self.counts.reshape(len(self.counts), -1)
            return Pmf.from_counts(_matched(pairs.sum(axis=1), pairs.sum(axis=0), rng).reshape(self.counts.shape))
        return Pmf.from_counts([_matched(table.sum(axis=1), table.sum(axis=0), rng) for table in self.counts])


class Rows(Sample):
    """Samples of which no table is made, resampled row by row, or group by group where they have groups."""

    def __init__(self, data: Codes | Activations | Posteriors) -> None:
        self.data = data
        names = [field.name for field in dataclasses.fields(data) if field.name not in ("groups", "target")]
        # What only knows slices (chunked arrays) is read once, whole.
        self.columns = {
            name: column if isinstance(column, np.ndarray) else as_array(WHERE, column)
            for name, column in ((name, getattr(data, name)) for name in names)
            if column is not None
        }
        self.bytes = sum(column.nbytes for column in self.columns.values())
        self.groups = data.groups
        self.n = data.n_samples if data.groups is None else int(data.groups.max()) + 1
        if data.groups is not None:
            self.order = np.argsort(data.groups, kind="stable")
            self.sizes = np.bincount(data.groups)
            self.starts = np.cumsum(self.sizes) - self.sizes

    def _rows(self, units: IntArray) -> IntArray:
        """The rows of these units: they themselves, or those of the groups with these numbers."""
        if self.groups is None:
            return units
        sizes = self.sizes[units]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return np.asarray(self.order[np.repeat(self.starts[units], sizes) + within], dtype=np.int64)

    def _of(self, units: IntArray) -> Input:
        """These units, each of which is a group of its own, also one that comes twice."""
        rows = self._rows(units)
        taken: dict[str, Any] = {name: column[rows] for name, column in self.columns.items()}
        grouped = self.groups is not None and len(units) > 1
        groups = np.repeat(np.arange(len(units)), self.sizes[units]) if grouped else None
        return dataclasses.replace(self.data, **taken, groups=groups)

    def _with(self, name: str, rows: IntArray) -> Input:
        """All samples, in one column of which the rows have changed places."""
        moved: dict[str, Any] = {name: self.columns[name][rows]}
        return dataclasses.replace(self.data, **moved)

    def drawn(self, rng: np.random.Generator) -> Input:
        """Rows, or groups of them, drawn with replacement."""
        return self._of(rng.integers(self.n, size=self.n))

    def quartered(self, rng: np.random.Generator) -> list[Input]:
        """Parts of the rows, or groups, in random order."""
        half, units = self.n // 2, rng.permutation(self.n)
        halves = units[:half], units[half:]
        quarters = [part for units in halves for part in (units[: len(units) // 2], units[len(units) // 2 :])]
        return [self._of(part) for part in (*halves, *quarters)]

    def left_out(self) -> Iterator[Input]:
        """All rows but one, or all but those of one group."""
        units = np.arange(self.n)
        return (self._of(np.delete(units, unit)) for unit in units)

    def multiplicity(self) -> FloatArray:
        """Every row, or group, is a kind of its own."""
        return np.ones(self.n)

    def check_shuffle(self, of: str) -> None:
        """Refuse to shuffle one source within no classes, or beside posteriors of both."""
        where = f"Permutation(of={of!r})"
        if "within" in self.columns:
            got = "groups of classes by from_topk, whose labels are part of them"
            raise InputError(where, "posteriors of every class", got)
        if of != "y" and "p_ts" in self.columns:
            raise InputError(where, "posteriors of each source alone", "p_ts, which no shuffle of one source keeps")
        if of != "y" and self.columns["y"].dtype.kind == "f":
            raise InputError(where, "labels, within which to shuffle", "a continuous target", "shuffle of='y'")
        if of != "y" and self.groups is not None:
            y = self.columns["y"]
            mixed = np.flatnonzero(y != y[self.order[self.starts]][self.groups])
            if mixed.size:
                got = f"several in the group of row {mixed[0]}"
                raise InputError(where, "one class in each group, to shuffle groups within", got, "shuffle of='y'")

    def shuffled(self, of: str, rng: np.random.Generator) -> Input:
        """Column in random order; of groups, each takes the rows of another of about its size."""
        if of == "y":
            return self._with("y", self.exchanged(np.zeros(self.n, dtype=np.int64), rng))
        first = np.arange(self.n) if self.groups is None else self.order[self.starts]
        labels = np.unique(self.columns["y"][first], return_inverse=True)[1]
        return self._with(of if of in self.columns else f"p_{of}", self.exchanged(labels, rng))

    def exchanged(self, kinds: IntArray, rng: np.random.Generator) -> IntArray:
        """The row that each row takes its value from: units of one kind exchange theirs at random.

        Groups exchange with those of up to about twice their size; a longer one takes the rows of a shorter one again.
        """
        if self.groups is not None:
            kinds = kinds * 64 + np.log2(self.sizes).astype(np.int64)
        donor = np.empty(self.n, dtype=np.int64)
        donor[np.argsort(kinds, kind="stable")] = np.lexsort((rng.random(self.n), kinds))
        if self.groups is None:
            return donor
        rows = np.empty(len(self.groups), dtype=np.int64)
        within = np.arange(len(rows)) - np.repeat(self.starts, self.sizes)
        from_group = np.repeat(donor, self.sizes)
        rows[self.order] = self.order[self.starts[from_group] + within % self.sizes[from_group]]
        return rows


def as_sample(data: Input, accepted: Input) -> Sample:
    """Counts where there is a table, rows otherwise, and groups of rows where there are groups.

    Parameters
    ----------
    data : Input
        As the user gave them.
    accepted : Input
        As the estimator takes them.

    Raises
    ------
    InputError
        When nothing was sampled, or only moments of the samples are known.
    """
    if getattr(data, "groups", None) is not None:
        accepted = data
    if isinstance(accepted, Gaussian):
        raise InputError(WHERE, "samples or counts", "a covariance", "bring the samples, as decompose(y, t, s)")
    return Counts(accepted) if isinstance(accepted, Pmf) else Rows(accepted)


def _split(counts: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """A random half of the counted samples, and the rest."""
    flat = counts.ravel()
    half = rng.multivariate_hypergeometric(flat, int(flat.sum()) // 2, method="marginals").reshape(counts.shape)
    return half, counts - half


def _matched(rows: Array, columns: Array, rng: np.random.Generator) -> Array:
    """A table with these margins, of samples that were matched at random."""
    left = columns.copy()
    table = np.zeros((len(rows), len(columns)), dtype=np.int64)
    for row, total in enumerate(rows):
        table[row] = rng.multivariate_hypergeometric(left, int(total), method="marginals")
        left -= table[row]
    return table
