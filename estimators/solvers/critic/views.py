"""Two variables as a critic sees them, fitted to training rows only.

Each column becomes the normal scores of its ranks among the training rows, so monotone maps of a column change nothing
and no row lies outside of what was trained. The base of a critic is the log density ratio of the Gaussian copula, from
the canonical correlations of the scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pidkd.arrays import FloatArray

SIGNIFICANCE = 0.05
"""Of Bartlett's test: how readily a canonical correlation of training rows counts as one of the variables."""
ROWS_PER_DIRECTION = 10
"""Of more directions than that the correlations are chance; the principal ones are taken."""


class NormalScores:
    """Normal quantiles of the ranks among the rows that it is made from; beyond their range, those of its ends."""

    def __init__(self, columns: FloatArray) -> None:
        from scipy.special import ndtri

        self.knots = []
        for column in columns.T:
            values, counts = np.unique(column, return_counts=True)
            mean_ranks = np.cumsum(counts) - (counts - 1) / 2
            self.knots.append((values, ndtri(mean_ranks / (len(column) + 1))))

    def __call__(self, columns: FloatArray) -> FloatArray:
        """Scores of other rows, linear between those known."""
        pairs = zip(columns.T, self.knots, strict=True)
        return np.stack([np.interp(column, *known) for column, known in pairs], axis=1)


class View:
    """One variable: the scores of its columns and, where it is asked for, of its norm.

    The norm is that of the columns less their medians, in units of their interquartile ranges.
    """

    def __init__(self, columns: FloatArray, with_norm: bool) -> None:
        self.scores = NormalScores(columns)
        low, self.centre, high = np.quantile(columns, [0.25, 0.5, 0.75], axis=0)
        self.spread = np.where(high > low, high - low, 1.0)
        self.of_norm = NormalScores(self._norm(columns)) if with_norm else None
        self.directions = np.zeros((columns.shape[1], 0))

    def _norm(self, columns: FloatArray) -> FloatArray:
        norm: FloatArray = np.linalg.norm((columns - self.centre) / self.spread, axis=1, keepdims=True)
        return norm

    def __call__(self, columns: FloatArray) -> FloatArray:
        """Canonical variates, scores and norm side by side, in single precision."""
        scores = self.scores(columns)
        norm = [] if self.of_norm is None else [self.of_norm(self._norm(columns))]
        return np.concatenate([scores @ self.directions, scores, *norm], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Views:
    """Both variables, and the canonical correlations of their scores that are told from chance."""

    x: View
    y: View
    correlations: FloatArray

    @classmethod
    def fit(cls, x: FloatArray, y: FloatArray, with_base: bool, with_norms: bool) -> Views:
        """From training rows, shapes (n, d_x) and (n, d_y)."""
        of_x, of_y = View(x, with_norms), View(y, with_norms)
        if not with_base:
            return cls(of_x, of_y, np.zeros(0))
        directions_x, directions_y, correlations = _canonical(of_x.scores(x), of_y.scores(y))
        kept = _significant(correlations, len(x), directions_x.shape[1], directions_y.shape[1])
        of_x.directions, of_y.directions = directions_x[:, :kept], directions_y[:, :kept]
        # From n rows a correlation is told from 1 up to about this.
        return cls(of_x, of_y, np.minimum(correlations[:kept], np.sqrt(1 - 1 / len(x))))


def _canonical(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Directions with variates of variance one, and the correlations, in descending order."""
    to_x, to_y = _whitening(x), _whitening(y)
    left, correlations, right = np.linalg.svd(to_x.T @ (x.T @ y / len(x)) @ to_y)
    return to_x @ left, to_y @ right.T, correlations


def _whitening(scores: FloatArray) -> FloatArray:
    """Principal directions, scaled to variance one; those of collinear columns are left out."""
    variances, directions = np.linalg.eigh(scores.T @ scores / len(scores))
    kept = variances > 1e-9 * max(variances[-1], 1e-9)
    kept[: -max(1, len(scores) // ROWS_PER_DIRECTION)] = False  # in ascending order
    return np.asarray(directions[:, kept] / np.sqrt(variances[kept]), dtype=np.float64)


def _significant(correlations: FloatArray, n: int, d_x: int, d_y: int) -> int:
    """Number of non-zero canonical correlations, by Bartlett's test of those that are left."""
    from scipy.stats import chi2

    below_one = np.minimum(correlations**2, 1 - 1 / n)
    for kept in range(len(correlations)):
        statistic = -(n - 1 - (d_x + d_y + 1) / 2) * np.log1p(-below_one[kept:]).sum()
        if chi2.sf(statistic, (d_x - kept) * (d_y - kept)) > SIGNIFICANCE:
            return kept
    return len(correlations)
