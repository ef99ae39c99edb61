"""From samples or a singular covariance to conditional covariances, without squaring what is nearly collinear.

The joint columns are held as a square root, R with R^T R the scatter of the samples or the covariance. Orthonormal
bases of its blocks drop collinear and constant columns, and what a source leaves over of Y is the residual of a
projection, whose small singular values are accurate where one minus a squared correlation is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pidkd.estimators.solvers.gaussian_union import Conditionals
from pidkd.inputs import FloatArray


class Bases(NamedTuple):
    """Orthonormal bases of the columns of Y, T, S and of T and S together, each of shape (k, rank)."""

    y: FloatArray
    t: FloatArray
    s: FloatArray
    both: FloatArray


def scatter_root(chunks: Callable[[], Iterable[Sequence[FloatArray]]]) -> tuple[FloatArray, int, list[int]]:
    """A triangular root of the scatter matrix of standardised columns, in two passes over chunks of rows.

    Parameters
    ----------
    chunks : callable
        Makes an iterator over chunks of rows, each a sequence of blocks of shape (n_rows, width) in float64.

    Returns
    -------
    tuple
        The root, shape (d, d) or less where there are fewer samples; the number of samples; and the blocks' widths.
    """
    count, mean, square, widths = 0, np.zeros(0), np.zeros(0), [0]
    for blocks in chunks():
        rows = np.concatenate(blocks, axis=1)
        if not count:
            widths = [block.shape[1] for block in blocks]
            mean = square = np.zeros(rows.shape[1])
        here = rows.mean(axis=0)
        share = len(rows) / (count + len(rows))
        square = square + ((rows - here) ** 2).sum(axis=0) + (here - mean) ** 2 * count * share
        mean, count = mean + (here - mean) * share, count + len(rows)
    scale = np.where(square > 0, np.sqrt(square), 1.0)
    # A column that is constant up to rounding holds no sample's information; standardising would make it noise.
    scale = np.where(scale <= 1e-14 * np.sqrt(count) * np.abs(mean), np.inf, scale)
    root = np.zeros((0, len(mean)))
    for blocks in chunks():
        rows = (np.concatenate(blocks, axis=1) - mean) / scale
        root = np.linalg.qr(np.concatenate([root, rows]), mode="r")
    return root, count, widths


def covariance_root(cov: FloatArray) -> FloatArray:
    """A root of the correlations of a covariance that may be singular."""
    scale = np.sqrt(np.diag(cov))
    values, vectors = np.linalg.eigh(cov / scale / scale[:, None])
    return np.asarray(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T, dtype=np.float64)


def bases(root: FloatArray, widths: Sequence[int], tolerance: float) -> Bases:
    """Bases of the blocks (y, t, s), where singular values up to ``tolerance`` times the largest are dropped."""
    edges = np.cumsum([0, *widths])
    y, t, s = (_basis(root[:, start:stop], tolerance) for start, stop in pairwise(edges))
    return Bases(y, t, s, _basis(np.concatenate([t, s], axis=1), tolerance))


def residual(y: FloatArray, x: FloatArray) -> FloatArray:
    """A square factor of the covariance of a white Y given X, both as orthonormal bases."""
    left = y - x @ (x.T @ y)
    left = left - x @ (x.T @ left)  # once more, for what rounding left in the directions of X
    return np.asarray(np.linalg.qr(left, mode="r").T, dtype=np.float64)


def conditionals_of(found: Bases) -> Conditionals:
    """Factors of the covariance of a white Y given nothing, T, S and both."""
    return Conditionals(np.eye(found.y.shape[1]), *(residual(found.y, x) for x in (found.t, found.s, found.both)))


def _basis(columns: FloatArray, tolerance: float) -> FloatArray:
    vectors, values, _ = np.linalg.svd(columns, full_matrices=False)
    largest = values[0] if len(values) else 0.0
    return np.asarray(vectors[:, (values > tolerance * largest) & (values > 0)], dtype=np.float64)
