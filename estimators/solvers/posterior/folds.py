"""Which rows are fitted to, which calibrate, and which are scored.

Fold f is scored by a model that was calibrated on fold f + 1 and fitted to the others, so that each row is scored once
and calibrates once, and what scores it has seen no label of its fold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pidkd.arrays import Array, IntArray
from pidkd.errors import InputError


def check_classes(where: str, y: Array, n_folds: int) -> None:
    """Refuse labels of which a fold would lack one.

    Raises
    ------
    InputError
        The message names the rarest label.
    """
    values, sizes = np.unique(y, return_counts=True)
    if len(values) == 1:
        raise InputError(where, "at least two classes", f"one class only ({values[0]})")
    if sizes.min() < n_folds:
        rare = int(sizes.argmin())
        raise InputError(
            where,
            f"at least n_folds={n_folds} samples of each label",
            f"{sizes[rare]} of {values[rare]}",
            "merge or leave out rare labels, or take fewer folds",
        )


def stratified(labels: Array, n_folds: int, seed: Any) -> IntArray:
    """The fold of each row, from 0 on: each class is dealt out in turn, from a random order."""
    order = np.random.default_rng(seed).permutation(len(labels))
    fold = np.empty(len(labels), dtype=np.int64)
    # Dealing goes on from class to class, so that the folds are of equal size too.
    fold[order[np.argsort(labels[order], kind="stable")]] = np.arange(len(labels)) % n_folds
    return fold


def calibrating(fold: IntArray, f: int) -> Array:
    """Rows that calibrate what scores fold ``f``."""
    return np.flatnonzero(fold == (f + 1) % (int(fold.max()) + 1))
