"""Fewer cells of a source: those of near-equal posteriors as one, which can only lose information."""

from __future__ import annotations

import numpy as np

from pidkd.arrays import FloatArray


def merged(margin: FloatArray, max_cells: int) -> FloatArray:
    """Pair marginals (n_y, at most max_cells) of the same source with cells grouped by k-means of their posteriors.

    The union information of merged sources is a lower bound, and merging X_i to X_i' loses at most
    I(Y;X_i) - I(Y;X_i'): draw each X_i given Y and its own X_i' alone.
    """
    mass = margin.sum(axis=0)
    occurs = np.flatnonzero(mass > 0)
    if len(occurs) <= max_cells:
        return margin
    from sklearn.cluster import KMeans

    # square roots, in which equal distances cost about equal information
    posterior = np.sqrt(margin[:, occurs] / mass[occurs]).T
    means = KMeans(max_cells, n_init=1, random_state=0).fit(posterior, sample_weight=mass[occurs])
    grouped = np.zeros((len(margin), max_cells))
    np.add.at(grouped.T, means.labels_, margin[:, occurs].T)
    return grouped
