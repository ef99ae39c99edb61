"""A sample as what can be drawn again, split, shuffled, or left one out: a table of counts, or rows."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pidkd.arrays import Array, FloatArray, as_array
from pidkd.errors import InputError, Keyword
from pidkd.inputs import Activations, Codes, Gaussian, Input, Pmf, Posteriors

WHERE = Keyword("decompose", "uncertainty")
"""The call as the user wrote it."""

TOLERATED_BIAS, TOLERATED_SHARE = 0.01, 0.1
"""Bias of I(Y;T,S), in bits and as a share of it, up to which samples are enough for a table."""


class Sample(abc.ABC):
    """What resampling needs to know of a sample.

    Attributes
    ----------
    n : int
        Number of samples.
    bytes : int
        Memory of one resample.
    """

    n: int
    bytes: int

    @abc.abstractmethod
    def drawn(self, rng: np.random.Generator) -> Input:
        """As many samples, drawn from these with replacement."""

    @abc.abstractmethod
    def quartered(self, rng: np.random.Generator) -> Sequence[Input]:
        """Two random halves, and the two random halves of each."""

    @abc.abstractmethod
    def left_out(self) -> Iterator[Input]:
        """These samples without one, for each kind of sample that there is."""

    @abc.abstractmethod
    def multiplicity(self) -> FloatArray:
        """How many samples there are of each kind, in the order of ``left_out``."""

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
        """One draw of the multinomial law."""
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
        """One sample less in each cell that has any."""
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
    """Samples of which no table is made, resampled row by row."""

    def __init__(self, data: Codes | Activations | Posteriors) -> None:
        self.data = data
        names = [field.name for field in dataclasses.fields(data)]
        # What only knows slices (chunked arrays) is read once, whole.
        self.columns = {
            name: column if isinstance(column, np.ndarray) else as_array(WHERE, column)
            for name, column in ((name, getattr(data, name)) for name in names)
            if column is not None
        }
        self.n = data.n_samples
        self.bytes = sum(column.nbytes for column in self.columns.values())

    def _taken(self, rows: Array, names: Iterable[str] | None = None) -> Input:
        chosen = self.columns if names is None else names
        taken: dict[str, Any] = {name: self.columns[name][rows] for name in chosen}
        return dataclasses.replace(self.data, **taken)

    def drawn(self, rng: np.random.Generator) -> Input:
        """Rows drawn with replacement."""
        return self._taken(rng.integers(self.n, size=self.n))

    def quartered(self, rng: np.random.Generator) -> list[Input]:
        """Parts of the rows in random order."""
        half, rows = self.n // 2, rng.permutation(self.n)
        halves = rows[:half], rows[half:]
        quarters = [part for rows in halves for part in (rows[: len(rows) // 2], rows[len(rows) // 2 :])]
        return [self._taken(part) for part in (*halves, *quarters)]

    def left_out(self) -> Iterator[Input]:
        """All rows but one, for each row."""
        rows = np.arange(self.n)
        return (self._taken(np.delete(rows, row)) for row in rows)

    def multiplicity(self) -> FloatArray:
        """Every row is a kind of its own."""
        return np.ones(self.n)

    def check_shuffle(self, of: str) -> None:
        """Refuse to shuffle one source within no classes, or beside posteriors of both."""
        where = f"Permutation(of={of!r})"
        if of != "y" and "p_ts" in self.columns:
            raise InputError(where, "posteriors of each source alone", "p_ts, which no shuffle of one source keeps")
        if of != "y" and self.columns["y"].dtype.kind == "f":
            raise InputError(where, "labels, within which to shuffle", "a continuous target", "shuffle of='y'")

    def shuffled(self, of: str, rng: np.random.Generator) -> Input:
        """One column in random order."""
        if of == "y":
            return self._taken(rng.permutation(self.n), ["y"])
        labels = np.unique(self.columns["y"], return_inverse=True)[1]
        rows = np.empty(self.n, dtype=np.int64)
        rows[np.argsort(labels, kind="stable")] = np.lexsort((rng.random(self.n), labels))
        return self._taken(rows, [of if of in self.columns else f"p_{of}"])


def as_sample(data: Input) -> Sample:
    """Counts where there is a table, rows otherwise.

    Raises
    ------
    InputError
        When nothing was sampled, or only moments of the samples are known.
    """
    if isinstance(data, Gaussian):
        raise InputError(WHERE, "samples or counts", "a covariance", "bring the samples, as decompose(y, t, s)")
    return Counts(data) if isinstance(data, Pmf) else Rows(data)


def too_few_samples(data: Input, mi: float) -> str | None:
    r"""What to tell who has too few samples for the table, with the number that would do; None where they suffice.

    Under independence the plug-in estimate of :math:`I(Y;T,S)` is biased upward by about
    :math:`(K_Y - 1)(K_{TS} - 1) / (2 n \ln 2)` bits, for :math:`K_Y` classes and :math:`K_{TS}`
    occupied pairs of cells. Samples are too few where that exceeds both ``TOLERATED_BIAS`` bits and ``TOLERATED_SHARE``
    of the estimate that is left without it.

    Parameters
    ----------
    data : Input
        Samples without a table, such as activations, are never too few by this rule.
    mi : float
        The plug-in estimate of I(Y;T,S), in bits.
    """
    table = data.pmf() if isinstance(data, Codes) else data
    if not isinstance(table, Pmf) or table.n_samples is None:
        return None
    n_y, n_ts = int((table.p.sum(axis=(1, 2)) > 0).sum()), int((table.p.sum(axis=0) > 0).sum())
    bias = (n_y - 1) * (n_ts - 1) / (2 * table.n_samples * math.log(2))
    tolerated = max(TOLERATED_BIAS, TOLERATED_SHARE * (mi - bias))
    if bias <= tolerated:
        return None
    enough = math.ceil(table.n_samples * bias / tolerated)
    digits = 10 ** max(0, len(str(enough)) - 2)
    return (
        f"{table.n_samples} samples for {n_y} classes and {n_ts} occupied pairs of cells: of the {mi:.3g} bits of "
        f"I(Y;T,S) up to {bias:.2g} may be bias; about {math.ceil(enough / digits) * digits} samples would do, "
        "or fewer cells"
    )


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
