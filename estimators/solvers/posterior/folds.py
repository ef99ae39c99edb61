"""Folds: rows for fitting, for calibration and for scoring.

Fold f is scored by a model that was calibrated on fold f + 1 and fitted to the others, so that each row is scored once
and calibrates once, and what scores it has seen no label of its fold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pidkd.arrays import Array, IntArray
from pidkd.errors import InputError


def check_classes(where: str, y: Array, n_folds: int, groups: IntArray | None = None) -> None:
    """Refuse labels of which a fold would lack one, where the rows of a group are in one fold.

    Raises
    ------
    InputError
        The message names the rarest label.
    """
    what = "samples"
    if groups is not None:
        y, what = np.unique(np.stack([np.unique(y, return_inverse=True)[1], groups]), axis=1)[0], "groups"
    values, sizes = np.unique(y, return_counts=True)
    if len(values) == 1:
        raise InputError(where, "at least two classes", f"one class only ({values[0]})")
    if sizes.min() < n_folds:
        rare = int(sizes.argmin())
        hint = "merge or leave out rare labels, or take fewer folds"
        if len(values) > MANY and np.asarray(values).dtype.kind in "iu":
            hint = f"if the {len(values)} labels are measurements, say target='continuous'; else {hint}"
        raise InputError(
            where,
            f"at least n_folds={n_folds} {what} of each label",
            f"{sizes[rare]} of {values[rare]}",
            hint,
        )


MANY = 20
"""Integers of more values may be measurements: ages, counts, prices."""


def stratified(labels: Array, n_folds: int, seed: Any, groups: IntArray | None = None) -> IntArray:
    """The fold of each row, from 0 on: each class is dealt out in turn, from a random order.

    Groups are dealt out as a whole, by the label that most of their rows have, large ones first.
    """
    if groups is not None:
        return _of_groups(labels, groups, n_folds, seed)[groups]
    order = np.random.default_rng(seed).permutation(len(labels))
    fold = np.empty(len(labels), dtype=np.int64)
    # Dealing goes on from class to class, so that the folds are of equal size too.
    fold[order[np.argsort(labels[order], kind="stable")]] = np.arange(len(labels)) % n_folds
    return fold


def split(labels: Array, n_folds: int, seed: Any, groups: IntArray | None, where: str) -> IntArray:
    """Stratified folds each of which has rows of every label.

    Raises
    ------
    InputError
        When there are too few rows, or groups of them, for that.
    """
    check_classes(where, labels, n_folds, groups)
    fold = stratified(labels, n_folds, seed, groups)
    number = np.unique(labels, return_inverse=True)[1]
    seen = np.bincount(fold * (int(number.max()) + 1) + number, minlength=n_folds * (int(number.max()) + 1))
    if not seen.all():
        lacking = np.unique(labels)[int(np.flatnonzero(seen == 0)[0]) % (int(number.max()) + 1)]
        expected = f"groups that can be put into {n_folds} folds with rows of every label in each"
        raise InputError(where, expected, f"a fold without {lacking}", "merge rare labels, or take fewer folds")
    return fold


def _of_groups(labels: Array, groups: IntArray, n_folds: int, seed: Any) -> IntArray:
    number = np.unique(labels, return_inverse=True)[1]
    n_groups, sizes = int(groups.max()) + 1, np.bincount(groups)
    order = np.lexsort((number, groups))
    counts = np.zeros(n_groups, dtype=np.int64)
    most = np.zeros(n_groups, dtype=np.int64)
    # Runs of one label within a group: the longest names it.
    starts = np.flatnonzero(np.r_[True, (np.diff(groups[order]) != 0) | (np.diff(number[order]) != 0)])
    for group, label, size in zip(
        groups[order][starts].tolist(), number[order][starts].tolist(), np.diff(np.r_[starts, len(order)]), strict=True
    ):
        if size > counts[group]:
            counts[group], most[group] = size, label
    dealt = np.lexsort((np.random.default_rng(seed).random(n_groups), -sizes, most))
    fold = np.empty(n_groups, dtype=np.int64)
    fold[dealt] = np.arange(n_groups) % n_folds
    return fold


def calibrating(fold: IntArray, f: int) -> Array:
    """Rows that calibrate what scores fold ``f``."""
    return np.flatnonzero(fold == (f + 1) % (int(fold.max()) + 1))
