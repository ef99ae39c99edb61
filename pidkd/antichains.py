r"""The redundancy lattice: antichains of sets of sources, their order, and its Moebius inversion in integers.

A set of sources is an integer whose bit i says whether source i is in it; an antichain
:math:`\alpha = \{a_1, \dots, a_m\}` is held as the up-set of all sets that contain some :math:`a_k`, an integer whose
bit ``a`` says whether set ``a`` does. Then :math:`\alpha \preceq \beta` is inclusion of up-sets.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from pidkd.arrays import Array, IntArray, read_only
from pidkd.errors import InputError, quote

SIZES = {1: 1, 2: 4, 3: 18, 4: 166, 5: 7579, 6: 7_828_352}
"""Number of antichains, by the number of sources (Dedekind's numbers less two)."""
MOST = 4
"""Sources up to which a lattice is built."""


@dataclass(frozen=True, eq=False)
class Lattice:
    r"""All antichains of ``n`` sources, each after those below it.

    Parameters
    ----------
    n : int
        Number of sources.
    antichains : tuple of tuple of int
        The sets of each antichain, as bit masks.
    labels : tuple of str
        Each in the notation of the field, as ``{1}{23}``: sources are counted from 1.
    below : array of bool, shape (n_antichains, n_antichains)
        ``below[i, j]``: whether antichain j lies below antichain i, or is it.
    moebius : array of int, shape (n_antichains, n_antichains)
        The inverse of ``below``: atoms are ``moebius @ redundancies``.
    inclusion : array of int, shape (n_antichains, 2**n)
        :math:`P(W_\alpha) = \sum_U` ``inclusion[α, U]`` :math:`P(X_U = x_U)`, where :math:`W_\alpha` is the event
        that for some a in α the sources in a take the values x; the empty set has coefficient 0.
    covers : array of int, shape (n_edges, 2)
        Edges (lower, upper) of the Hasse diagram.
    """

    n: int
    antichains: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]
    below: Array
    moebius: IntArray
    inclusion: IntArray
    covers: IntArray

    def __len__(self) -> int:
        return len(self.antichains)

    def position(self, label: str) -> int:
        """Position of the antichain with this label.

        Raises
        ------
        InputError
            When there is none.
        """
        if label not in self.labels:
            raise InputError("antichain", f"one of {', '.join(self.labels[:6])}, ...", quote(label))
        return self.labels.index(label)

    def of_set(self, sources: int) -> int:
        """Position of the antichain that holds this set alone."""
        return self.antichains.index((sources,))


@functools.cache
def lattice(n: int) -> Lattice:
    """The lattice of n sources, built once.

    Raises
    ------
    InputError
        When ``n`` is not from 1 to 4.

    Examples
    --------
    >>> lattice(2).labels
    ('{1}{2}', '{1}', '{2}', '{12}')
    >>> [len(lattice(n)) for n in (2, 3, 4)]
    [4, 18, 166]
    """
    if not 1 <= n <= MOST:
        got = f"{n}" + (f", whose lattice has {SIZES[n]:,} antichains" if n in SIZES else "")
        raise InputError("lattice(n)", f"1 to {MOST} sources", got, "union_information takes more, without a lattice")
    bits = _up_sets(n)
    # An antichain lies below another exactly when its up-set contains the other's.
    below = (bits[:, None] & bits) == bits[:, None]
    minimal = [_minimal(int(up_set), n) for up_set in bits]
    order = sorted(range(len(bits)), key=lambda i: (int(below[i].sum()), -len(minimal[i]), minimal[i]))
    bits, below = bits[order], below[np.ix_(order, order)]
    antichains = tuple(minimal[i] for i in order)
    strict = below & ~np.eye(len(bits), dtype=bool)
    moebius = np.eye(len(bits), dtype=np.int64)
    for i in range(len(bits)):
        moebius[i] -= moebius[:i][strict[i, :i]].sum(axis=0)
    upper, lower = np.nonzero(strict & ~((strict.astype(np.int64) @ strict.astype(np.int64)) > 0))
    return Lattice(
        n=n,
        antichains=antichains,
        labels=tuple("".join(map(label, antichain)) for antichain in antichains),
        below=read_only(below),
        moebius=read_only(moebius),
        inclusion=read_only(_inclusion(bits, n)),
        covers=read_only(np.column_stack([lower, upper])),
    )


def label(sources: int) -> str:
    """A set of sources in the notation of the field.

    Examples
    --------
    >>> label(0b101)
    '{13}'
    """
    return "{" + "".join(str(i + 1) for i in range(sources.bit_length()) if sources >> i & 1) + "}"


def members(sources: int) -> tuple[int, ...]:
    """Positions of the sources in a set, from 0."""
    return tuple(i for i in range(sources.bit_length()) if sources >> i & 1)


def _up_sets(n: int) -> IntArray:
    """Every nonempty up-set of nonempty sets of sources, as an integer with one bit a set."""
    sets = range(1, 2**n)
    up_sets = np.arange(2, 2 ** (2**n), 2, dtype=np.int64)  # bit 0, the empty set, is in none
    for one in sets:
        larger = sum(1 << other for other in sets if other & one == one)
        up_sets = up_sets[(up_sets >> one & 1 == 0) | (up_sets & larger == larger)]
    return up_sets


def _minimal(up_set: int, n: int) -> tuple[int, ...]:
    """The least sets of an up-set, small ones first."""
    inside = [one for one in range(1, 2**n) if up_set >> one & 1]
    least = [one for one in inside if not any(other != one and other & one == other for other in inside)]
    return tuple(sorted(least, key=lambda one: (one.bit_count(), members(one))))


def _inclusion(bits: IntArray, n: int) -> IntArray:
    """Coefficients of the margins in the probability of each up-set of matches."""
    sets = np.arange(2**n)
    inside: Array = bits[:, None] >> sets & 1
    # Sources that match are exactly m with probability sum over U >= m of (-1)^|U - m| times the margin of U.
    contains = (sets[:, None] & sets) == sets[:, None]
    extra = np.array([[int(u & ~m).bit_count() for u in sets.tolist()] for m in sets.tolist()])
    exactly = np.where(contains, 1 - 2 * (extra % 2), 0)
    coefficients: IntArray = inside @ exactly
    return coefficients
