"""Rows that belong together: views of one image, tokens of one sentence, trials of one subject, exact repeats.

Only groups are independent of each other. So a group is fitted to or scored, never both, and an error counts groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray, as_labels, iter_chunks, read_only
from pidkd.errors import InputError

LOOKED_AT = 64
"""Columns, at most, that tell a repeat from rows that are equal by chance."""

RARE = 0.25
"""Of u different rows, a value is rare that no more than u to this power of them have."""

FEWEST = 30
"""Different rows, at the least: fewer that come again and again are the values of something discrete."""


def as_groups(where: str, groups: Any, n: int) -> IntArray:
    """The number of the group of each row, from 0 on, shape (n,).

    Raises
    ------
    InputError
        When ``groups`` are no labels, one for each row, or all of them are the same.
    """
    labels = as_labels(where, groups)
    if len(labels) != n:
        raise InputError(where, f"one group for each of {n} rows", str(len(labels)))
    values, number = np.unique(labels, return_inverse=True)
    if len(values) == 1:
        raise InputError(where, "at least two groups", f"one only ({values[0]})", "leave groups out")
    numbers: IntArray = read_only(number.astype(np.int64))
    return numbers


def repeats(*arrays: Any) -> IntArray | None:
    """Groups of rows that repeat each other exactly in all arrays, found by hashing; None where no row does.

    Rows may also be equal by chance, where columns hold few values: rounded measurements, units that are silent. So a
    row that comes more often than the root of the number of rows is a value, such as that of all units silent at once.
    Others are taken for repeats only where so many of their values are rare among different rows that this is no
    chance. A single column holds repeats only where each value occurs equally often.

    Parameters
    ----------
    *arrays : array of floats, shape (n,) or (n, d)
        Equally long.
    """
    first, number, count = np.unique(_hashes(arrays), return_index=True, return_inverse=True, return_counts=True)[1:]
    several = np.flatnonzero((count > 1) & (count**2 <= len(number)))
    if not several.size or len(count) < FEWEST:
        return None
    if sum(map(_width, arrays)) == 1:  # rounded values come unequally often
        genuine = several if (count == count[0]).all() else several[:0]
    else:
        genuine = several[_is_no_chance(arrays, first, several)]
    if not genuine.size:
        return None
    label = np.arange(len(number))  # a row of its own, unless it repeats another
    repeated = np.isin(number, genuine)
    label[repeated] = first[number[repeated]]
    return np.asarray(np.unique(label, return_inverse=True)[1], dtype=np.int64)


def joined(groups: IntArray | None, others: IntArray | None) -> IntArray | None:
    """Groups of rows that are together in either, directly or through other rows."""
    if groups is None or others is None:
        return groups if others is None else others
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_groups, n_others = int(groups.max()) + 1, int(others.max()) + 1
    size = n_groups + n_others
    links = coo_array((np.ones(len(groups)), (groups, n_groups + others)), shape=(size, size))
    component = connected_components(links, directed=False)[1]
    return np.asarray(np.unique(component[groups], return_inverse=True)[1], dtype=np.int64)


def standard_error(values: FloatArray, groups: IntArray | None = None) -> float:
    r"""Of a mean: :math:`\sqrt{\sum_g (\sum_{i \in g} (v_i - \bar v))^2} / n`, each row a group where none are given.

    Examples
    --------
    >>> import numpy as np
    >>> v = np.array([0.0, 1.0, 2.0, 3.0])
    >>> round(standard_error(np.repeat(v, 4), np.repeat(np.arange(4), 4)) / standard_error(v), 3)  # 4/3 for few groups
    1.155
    """
    if groups is None:
        return float(values.std() / math.sqrt(len(values)))
    totals = np.bincount(groups, weights=values - values.mean())
    n_groups = len(totals)
    return float(np.sqrt((totals**2).sum() * n_groups / (n_groups - 1))) / len(values)


def deviations(values: FloatArray, groups: IntArray | None = None) -> FloatArray:
    """Deviations of rows, or of groups of them, whose standard deviation is the standard error of the mean."""
    if groups is None:
        return np.asarray((values - values.mean()) / math.sqrt(len(values)))
    totals = np.bincount(groups, weights=values - values.mean())
    return np.asarray(totals * (len(totals) / math.sqrt(len(totals) - 1) / len(values)))


def half_width(level: float, groups: IntArray | None = None) -> float:
    """Standard errors in half of an interval: the normal quantile, or that of Student's t for the number of groups."""
    from scipy.special import ndtri, stdtrit

    tail = (1 + level) / 2
    return float(ndtri(tail) if groups is None else stdtrit(int(groups.max()), tail))


def one_of_each(groups: IntArray, rng: np.random.Generator) -> IntArray:
    """A random row of each group."""
    order = rng.permutation(len(groups))
    return np.asarray(order[np.unique(groups[order], return_index=True)[1]], dtype=np.int64)


def told(groups: IntArray) -> str:
    """Warning about repeated rows."""
    n, distinct = len(groups), int(groups.max()) + 1
    return (
        f"{n - distinct} of {n} samples repeat others exactly: repeats stay in one fold, and count once for the error; "
        "views or copies that are not exact are named by groups="
    )


def _width(array: Any) -> int:
    return math.prod(map(int, array.shape[1:]))


def _hashes(arrays: Sequence[Any]) -> IntArray:
    hashes = np.zeros(len(arrays[0]), dtype=np.int64)
    for array in arrays:
        if len(np.unique(hashes)) == len(hashes):  # no row repeats another, whatever the other arrays hold
            break
        for start, chunk in iter_chunks(array):
            rows = np.ascontiguousarray(chunk.reshape(len(chunk), -1) + 0.0)  # the two zeros are equal
            piece = slice(start, start + len(rows))
            hashes[piece] = [
                hash(pair) for pair in zip(hashes[piece].tolist(), map(np.ndarray.tobytes, rows), strict=True)
            ]
    return hashes


def _is_no_chance(arrays: Sequence[Any], first: IntArray, rows: IntArray) -> Array:
    r"""Whether each of some different rows would come twice by chance less than once.

    Of u different rows that is :math:`u^2 \prod_j c_j / u \le 1`, where :math:`c_j` share the value in column j; only
    columns count where they are few.
    """
    u = len(first)
    surprise = np.zeros(len(rows))
    enough = 2 * math.log(u) - 1e-9
    widths = [_width(array) for array in arrays]
    for array, width in zip(arrays, widths, strict=True):
        share = max(1, LOOKED_AT * width // sum(widths))
        columns = np.unique(np.linspace(0, width - 1, min(width, share)).astype(int))
        values = np.concatenate([chunk.reshape(len(chunk), -1)[:, columns] for _, chunk in iter_chunks(array)])
        for column in values[first].T:
            number, count = np.unique(column, return_inverse=True, return_counts=True)[1:]
            shared = count[number[rows]]
            surprise += np.where(shared <= u**RARE, np.log(u / shared), 0.0)
            if (surprise >= enough).all():
                return surprise >= enough
    return surprise >= enough
