"""Samples of discrete variables, checked at the border."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pidkd.arrays import (
    Array,
    IntArray,
    as_labels,
    check_equal_lengths,
    check_same_rows,
    read_only,
)
from pidkd.errors import Argument, InputError
from pidkd.groups import as_groups
from pidkd.inputs.pmf import Pmf

MAX_CELLS = 2**28
"""Cells of the largest joint table that labels are counted into: 2 GiB."""


@dataclass(frozen=True, eq=False)
class Codes:
    r"""Samples of three discrete variables, one label each per row.

    Parameters
    ----------
    y, t, s : array of integers, bools or strings, shape (n_samples,)
    groups : array of labels, shape (n_samples,), optional
        Rows that belong together, such as the tokens of a sentence: only groups are independent of each other.

    Raises
    ------
    InputError
        When lengths differ, nothing is there, labels are floats, or indexes of pandas are in different orders.

    Examples
    --------
    >>> Codes([0, 1, 1], ["a", "b", "b"], [True, False, True]).pmf().shape
    (2, 2, 2)
    """

    y: Array
    t: Array
    s: Array
    groups: IntArray | None = None

    def __post_init__(self) -> None:
        check_same_rows(Argument("Codes", "y, t, s"), y=self.y, t=self.t, s=self.s, groups=self.groups)
        for name in ("y", "t", "s"):
            labels = as_labels(Argument("Codes", name), getattr(self, name))
            object.__setattr__(self, name, read_only(labels.copy()))
        check_equal_lengths(Argument("Codes", "y, t, s"), y=len(self.y), t=len(self.t), s=len(self.s))
        if self.groups is not None:
            object.__setattr__(self, "groups", as_groups(Argument("Codes", "groups"), self.groups, self.n_samples))

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
        return Pmf.from_counts(counted(Argument("Codes", "y, t, s"), "y, t, s", self.cells))

    @cached_property
    def cells(self) -> tuple[IntArray, IntArray, IntArray]:
        """Index (y, t, s) of the cell of each row in the table of ``pmf``."""
        y, t, s = (np.unique(labels, return_inverse=True)[1] for labels in (self.y, self.t, self.s))
        return y, t, s

    def __repr__(self) -> str:
        return f"Codes(n_samples={self.n_samples})"


def counted(where: str, names: str, cells: Sequence[IntArray]) -> IntArray:
    """Joint counts of the values 0, 1, ... of several variables; ``where`` and ``names`` are for the message.

    Raises
    ------
    InputError
        When that table has more than ``MAX_CELLS`` cells.
    """
    sizes = [int(values.max()) + 1 for values in cells]
    n_cells = math.prod(sizes)
    if n_cells > MAX_CELLS:
        got = f"{' x '.join(map(str, sizes))} different labels of {names}"
        raise InputError(where, f"a joint table of at most {MAX_CELLS} cells", got, "quantise more coarsely")
    flat = np.ravel_multi_index(tuple(cells), tuple(sizes))
    return np.bincount(flat, minlength=n_cells).reshape(sizes).astype(np.int64)
