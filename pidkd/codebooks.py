"""Codebooks that scikit-learn lacks: bins, and principal components of samples that come in pieces."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Self

import numpy as np

from pidkd.arrays import FloatArray, IntArray


class CovariancePCA:
    """The principal components of samples that come in pieces, exactly."""

    def __init__(self, n_components: int) -> None:
        self.n_components_ = n_components

    def fit(self, pieces: Iterator[FloatArray]) -> Self:
        """Add up the covariance; ``pieces`` holds at least one."""
        first = next(pieces)
        shift = first.mean(axis=0)
        n, total, squares = 0, np.zeros_like(shift), np.zeros((len(shift), len(shift)))
        for piece in itertools.chain([first], pieces):
            centred = piece - shift  # so that what is subtracted in the end is small
            n += len(piece)
            total += centred.sum(axis=0)
            squares += centred.T @ centred
        self.mean_ = shift + total / n
        covariance = (squares - np.outer(total, total) / n) / max(1, n - 1)
        values, vectors = np.linalg.eigh(covariance)
        self.components_ = vectors[:, ::-1][:, : self.n_components_]
        variance = max(float(np.trace(covariance)), np.finfo(float).tiny)
        self.explained_variance_ratio_ = values[::-1][: self.n_components_] / variance
        return self

    def transform(self, points: FloatArray) -> FloatArray:
        """The components of each point."""
        projected: FloatArray = (points - self.mean_) @ self.components_
        return projected


def batches(pieces: Iterator[FloatArray], at_least: int) -> Iterator[FloatArray]:
    """Pieces put together to enough rows; what is left over joins the last."""
    pending: list[FloatArray] = []
    ready: FloatArray | None = None
    for piece in pieces:
        pending.append(piece)
        if sum(map(len, pending)) >= at_least:
            if ready is not None:
                yield ready
            ready, pending = np.concatenate(pending), []
    rest = [*([] if ready is None else [ready]), *pending]
    if rest:
        yield np.concatenate(rest)


class Bins:
    """Bins of each component, of equal width or equal counts, counted through as one code."""

    def __init__(self, n_bins: int, method: str) -> None:
        self.n_bins = n_bins
        self.method = method

    def fit(self, points: FloatArray) -> Self:
        """Find the edges of the bins."""
        if self.method == "uniform":
            edges = np.linspace(points.min(axis=0), points.max(axis=0), self.n_bins + 1)
        else:
            edges = np.quantile(points, np.linspace(0, 1, self.n_bins + 1), axis=0)
        self.edges_ = edges[1:-1]
        self.labels_ = self.predict(points)
        return self

    def predict(self, points: FloatArray) -> IntArray:
        """The bin of each point."""
        codes = np.zeros(len(points), dtype=np.int64)
        for column, edges in zip(points.T, self.edges_.T, strict=True):
            codes = codes * self.n_bins + np.searchsorted(edges, column, side="right")
        return codes
