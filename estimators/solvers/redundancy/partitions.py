r"""The most informative function of the teacher that is independent of Y given some function of the student.

.. math:: \max_{f_t, f_s} I(Y; f_t(T)) \quad \text{subject to} \quad I(Y; f_t(T) \mid f_s(S)) = 0.

A function of a finite variable is a partition of its values. A partition of S will do when in each of its blocks Y and
:math:`f_t(T)` are independent, so the search is for blocks with that property that cover S.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.info import table_information

MAX_T, MAX_S = 8, 10
"""Values of T and of S up to which every partition is looked at: 4140 partitions of T, 1023 blocks of S."""
INDEPENDENT = 1e-12
"""Probabilities that differ from the product of their marginals by no more count as independent."""


def best_function(p: FloatArray) -> tuple[float, tuple[int, ...]]:
    """The value in nats, and for every t the value of the function that attains it.

    Parameters
    ----------
    p : array, shape (n_y, n_t, n_s)
        Without values of probability zero, with n_t <= ``MAX_T`` and n_s <= ``MAX_S``.
    """
    functions = list(partitions(p.shape[1]))
    value = [table_information(_grouped(p.sum(axis=2), function)) for function in functions]
    blocks = (np.arange(1, 2 ** p.shape[2])[:, None] >> np.arange(p.shape[2])) & 1
    for best in np.argsort(value, kind="stable")[::-1].tolist():
        if _covers(p.shape[2], _independent_blocks(_grouped(p, functions[best]), blocks)):
            return value[best], functions[best]
    raise AssertionError("a constant is independent of everything")  # pragma: no cover


def partitions(n: int) -> Iterator[tuple[int, ...]]:
    """Every partition of n values, as the number of the block of each.

    Examples
    --------
    >>> list(partitions(2))
    [(0, 0), (0, 1)]
    """
    if n == 0:
        yield ()
        return
    for shorter in partitions(n - 1):
        for block in range(max(shorter, default=-1) + 2):
            yield (*shorter, block)


def _grouped(p: FloatArray, function: tuple[int, ...]) -> FloatArray:
    """The table with the values of T replaced by those of a function of them."""
    membership = np.equal.outer(np.arange(max(function) + 1), np.array(function)).astype(np.float64)
    grouped: FloatArray = np.moveaxis(np.tensordot(membership, p, axes=(1, 1)), 0, 1)
    return grouped


def _independent_blocks(p: FloatArray, blocks: Array) -> list[int]:
    """The blocks of S, as bit sets, in which Y and the function of T are independent.

    ``blocks`` holds, for each bit set from 1 on, a row of its bits.
    """
    joint = np.einsum("yqs,bs->byq", p, blocks.astype(np.float64), optimize=True)
    mass = joint.sum(axis=(1, 2), keepdims=True)
    product = joint.sum(axis=2, keepdims=True) * joint.sum(axis=1, keepdims=True) / mass
    independent = (np.abs(joint - product) <= INDEPENDENT * mass).all(axis=(1, 2))
    return [int(block) + 1 for block in np.flatnonzero(independent)]


def _covers(n: int, blocks: list[int]) -> bool:
    """Whether n values can be divided into some of these blocks."""
    by_lowest: dict[int, list[int]] = {}
    for block in blocks:
        by_lowest.setdefault(block & -block, []).append(block)
    failed: set[int] = set()

    def cover(left: int) -> bool:
        if left == 0:
            return True
        if left in failed:
            return False
        if any(cover(left & ~block) for block in by_lowest.get(left & -left, ()) if block & ~left == 0):
            return True
        failed.add(left)
        return False

    return cover(2**n - 1)
