"""From samples or a singular covariance to conditional covariances, without squaring what is nearly collinear.

The joint columns are held as a square root, R with R^T R the scatter of the samples or the covariance. Orthonormal
bases of its blocks drop collinear and constant columns, and what a source leaves over of Y is the residual of a
projection, whose small singular values are accurate where one minus a squared correlation is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from pidkd.arrays import CHUNK_BYTES, FloatArray, as_array
from pidkd.estimators.solvers.gaussian.closed_form import Conditionals


class Bases(NamedTuple):
    """Orthonormal bases of the columns of Y, T, S and of T and S together, each of shape (k, rank)."""

    y: FloatArray
    t: FloatArray
    s: FloatArray
    both: FloatArray


def widths(blocks: Sequence[Any]) -> list[int]:
    """Numbers of columns; one axis is one column."""
    return [1 if len(block.shape) == 1 else int(block.shape[1]) for block in blocks]


def rows(blocks: Sequence[Any]) -> Iterator[FloatArray]:
    """The blocks side by side, in float64, a chunk of rows a time."""
    step = max(1, CHUNK_BYTES // (8 * sum(widths(blocks))))
    for start in range(0, len(blocks[0]), step):
        pieces = [as_array("activations", block[start : start + step]) for block in blocks]
        yield np.concatenate([piece.reshape(len(piece), -1).astype(np.float64) for piece in pieces], axis=1)


def rank_tolerance(blocks: Sequence[Any]) -> float:
    """Relative singular values that rounding alone can cause: of the data's types, and of the decomposition."""
    types = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23}
    rounding = [2 * eps for block in blocks for name, eps in types.items() if str(block.dtype).endswith(name)]
    return max([*rounding, 2.0**-49 * math.sqrt(sum(widths(blocks)))])


def normal_scores(columns: FloatArray) -> FloatArray:
    """Normal quantiles of the ranks of each column; equal values share the mean of their ranks."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    return np.asarray(ndtri(rankdata(columns, axis=0) / (len(columns) + 1)), dtype=np.float64)


def scatter_root(blocks: Sequence[Any]) -> FloatArray:
    """A triangular root of the scatter matrix of standardised columns, in two passes over chunks of rows.

    Shape (d, d), or (n_samples, d) where there are fewer samples.
    """
    count, mean, square = 0, np.zeros(sum(widths(blocks))), np.zeros(sum(widths(blocks)))
    for chunk in rows(blocks):
        here = chunk.mean(axis=0)
        share = len(chunk) / (count + len(chunk))
        square = square + ((chunk - here) ** 2).sum(axis=0) + (here - mean) ** 2 * count * share
        mean, count = mean + (here - mean) * share, count + len(chunk)
    scale = np.where(square > 0, np.sqrt(square), 1.0)
    # A column that is constant up to rounding holds no sample's information; standardising would make it noise.
    scale = np.where(scale <= 1e-14 * np.sqrt(count) * np.abs(mean), np.inf, scale)
    root = np.zeros((0, len(mean)))
    for chunk in rows(blocks):
        root = _triangle(np.concatenate([root, (chunk - mean) / scale]))
    return root


def covariance_root(cov: FloatArray) -> FloatArray:
    """A root of the correlations of a covariance that may be singular."""
    scale = np.sqrt(np.diag(cov))
    values, vectors = np.linalg.eigh(cov / scale / scale[:, None])
    return np.asarray(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T, dtype=np.float64)


def bases(root: FloatArray, dims: Sequence[int], tolerance: float) -> Bases:
    """Bases of the blocks (y, t, s), where singular values up to ``tolerance`` times the largest are dropped."""
    edges = np.cumsum([0, *dims])
    y, t, s = (basis(root[:, start:stop], tolerance) for start, stop in pairwise(edges))
    return Bases(y, t, s, basis(np.concatenate([t, s], axis=1), tolerance))


def residual(y: FloatArray, x: FloatArray) -> FloatArray:
    """A square factor of the covariance of a white Y given X, both as orthonormal bases."""
    left = y - x @ (x.T @ y)
    left = left - x @ (x.T @ left)  # once more, for what rounding left in the directions of X
    return _triangle(left).T


def conditionals_of(found: Bases) -> Conditionals:
    """Factors of the covariance of a white Y given nothing, T, S and both."""
    return Conditionals(np.eye(found.y.shape[1]), *(residual(found.y, x) for x in (found.t, found.s, found.both)))


def _triangle(columns: FloatArray) -> FloatArray:
    """The triangular factor of a QR decomposition."""
    triangle: Any = np.linalg.qr(columns, mode="r")
    return np.asarray(triangle, dtype=np.float64)


def basis(columns: FloatArray, tolerance: float) -> FloatArray:
    """An orthonormal basis of the columns, less what is up to ``tolerance`` times the largest singular value."""
    vectors, values, _ = np.linalg.svd(columns, full_matrices=False)
    largest = values[0] if len(values) else 0.0
    return np.asarray(vectors[:, (values > tolerance * largest) & (values > 0)], dtype=np.float64)
