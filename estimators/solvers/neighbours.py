"""Nearest neighbours in the maximum norm, by trees in few dimensions and by all distances in more."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from pidkd.arrays import FloatArray, IntArray

TREE_DIMENSIONS = 6
"""Up to here a tree finds neighbours faster than the distances of all pairs are computed."""

DISTANCE_BYTES = 2**24
"""Memory for one block of distances."""


def standardised(values: FloatArray) -> FloatArray:
    """Columns of mean 0 and variance 1, so that no unit of measurement matters; a constant one is zero."""
    columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    centred = columns - columns.mean(axis=0)
    spread = centred.std(axis=0)
    return np.asarray(centred / np.where(spread > 0, spread, 1.0), dtype=np.float64)


def neighbour_distances(x: FloatArray, y: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Distance in x and in y of the farthest, in each, of the k nearest neighbours in (x, y); shape (n,) each."""
    z = np.concatenate([x, y], axis=1)
    if z.shape[1] <= TREE_DIMENSIONS:
        index = np.asarray(cKDTree(z).query(z, k + 1, p=np.inf)[1], dtype=np.int64)
        return _farthest(x, index), _farthest(y, index)
    far_x, far_y = np.empty(len(x)), np.empty(len(x))
    for start, (in_x, in_y) in _distances(x, y):
        nearest = np.argpartition(np.maximum(in_x, in_y), k, axis=1)[:, : k + 1]
        rows = slice(start, start + len(in_x))
        far_x[rows] = np.take_along_axis(in_x, nearest, 1).max(axis=1)
        far_y[rows] = np.take_along_axis(in_y, nearest, 1).max(axis=1)
    return far_x, far_y


def counts_within(x: FloatArray, radius: FloatArray) -> IntArray:
    """How many others lie no further than ``radius`` from each row, shape (n,)."""
    if x.shape[1] <= TREE_DIMENSIONS / 2:
        return np.asarray(cKDTree(x).query_ball_point(x, radius, p=np.inf, return_length=True) - 1, dtype=np.int64)
    found = np.empty(len(x), dtype=np.int64)
    for start, (distances,) in _distances(x):
        rows = slice(start, start + len(distances))
        found[rows] = (distances <= radius[rows, None]).sum(axis=1) - 1
    return found


def below(radius: FloatArray) -> FloatArray:
    """The next smaller radius: within it lies what is strictly nearer."""
    return np.asarray(np.nextafter(radius, 0.0), dtype=np.float64)  # of zero it is zero


def _farthest(x: FloatArray, index: IntArray) -> FloatArray:
    return np.asarray(np.abs(x[index] - x[:, None]).max(axis=(1, 2)), dtype=np.float64)


def _distances(*spaces: FloatArray) -> Iterator[tuple[int, list[FloatArray]]]:
    n = len(spaces[0])
    step = max(1, DISTANCE_BYTES // (8 * n))
    for start in range(0, n, step):
        yield start, [np.asarray(cdist(x[start : start + step], x, "chebyshev")) for x in spaces]
