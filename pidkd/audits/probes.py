"""Quantities beside the atoms: a linear probe of a layer, and the similarity of two layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray

MAX_ROWS = 4000
"""Samples that a probe sees."""

MAX_GRAM = 1000
"""Samples that the likeness of layers is computed from."""

COPIES = 8
"""Times that the samples of a probe are in memory at once, at the most, as float64."""

RIDGE = 1e-2
"""Weight of the penalty, as a share of the mean eigenvalue."""


def probe_rows(n_samples: int, widest: int, seed: int, max_memory: int = 2**31) -> Array:
    """The samples that are looked at, in rising order: the same ones for every layer, fewer where one is wide."""
    most = max(4, min(MAX_ROWS, max_memory // (8 * COPIES * max(1, widest))))
    return np.sort(np.random.default_rng([seed, 1]).permutation(n_samples)[:most])


def read_rows(values: Any, rows: Array) -> FloatArray:
    """Some rows of a layer as float64, on a scale on which squares are finite."""
    x = np.asarray(values[rows], dtype=np.float64)
    largest = float(np.abs(x).max(initial=0.0))
    if largest > 0:
        x /= largest
    return x


def linear_probe(x: FloatArray, y: Array, seed: int, groups: IntArray | None = None) -> float | None:
    """Share of held-out samples, a quarter, that ridge regression on one-hot labels classifies rightly.

    Samples, or groups of them, are held out. None where there are fewer than two samples per class to learn from.
    """
    unit = np.arange(len(x)) if groups is None else np.unique(groups, return_inverse=True)[1]
    order = np.random.default_rng([seed, 2]).permutation(int(unit.max()) + 1)
    learned = np.isin(unit, order[: 3 * len(order) // 4])
    fit, held_out = np.flatnonzero(learned), np.flatnonzero(~learned)
    classes, codes = np.unique(y, return_inverse=True)
    if len(fit) < 2 * len(classes) or len(held_out) == 0:
        return None
    centre = x[fit].mean(axis=0)
    targets = np.eye(len(classes))[codes[fit]]
    mean = targets.mean(axis=0)
    a = x[fit] - centre
    if a.shape[1] <= len(a):
        gram = a.T @ a
        weights = np.linalg.solve(_ridged(gram), a.T @ (targets - mean))
    else:
        weights = a.T @ np.linalg.solve(_ridged(a @ a.T), targets - mean)
    guessed = ((x[held_out] - centre) @ weights + mean).argmax(axis=1)
    return float((guessed == codes[held_out]).mean())


def _ridged(gram: FloatArray) -> FloatArray:
    scale = float(np.trace(gram)) / len(gram)
    return gram + np.eye(len(gram)) * (RIDGE * scale if scale > 0 else 1.0)


def centred_gram(x: FloatArray, seed: int) -> Array:
    r"""The U-centred Gram matrix of at most ``MAX_GRAM`` of the samples, with norm 1.

    The inner product of two of them estimates what two layers have in common without bias.

    Parameters
    ----------
    x : array, shape (n, d)

    Returns
    -------
    array of float32, shape (n, n)
    """
    x = x[np.random.default_rng([seed, 3]).permutation(len(x))[:MAX_GRAM]]
    n = len(x)
    x = x - x.mean(axis=0)
    gram = x @ x.T
    np.fill_diagonal(gram, 0.0)
    sums = gram.sum(axis=0) / (n - 2)
    centred = gram - sums - sums[:, None] + sums.sum() / (n - 1)
    np.fill_diagonal(centred, 0.0)
    norm = float(np.linalg.norm(centred))
    return np.asarray(centred / norm if norm > 0 else centred, dtype=np.float32)


def debiased_cka(k: Array, l: Array) -> float:  # noqa: E741
    r"""Linear CKA without bias, :math:`\langle\tilde K, \tilde L\rangle / (\lVert\tilde K\rVert \lVert\tilde L\rVert)`.

    Parameters
    ----------
    k, l : array, shape (n, n)
        U-centred Gram matrices of the same samples, as ``centred_gram`` gives them.

    Returns
    -------
    float
        1 for equal layers up to rotation and scale, about 0 for unrelated ones, where it may be slightly negative.
    """
    a, b = k.astype(np.float64), l.astype(np.float64)
    # Sums by numpy itself: those of a product depend on the number of threads in the last digits.
    norms = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norms if norms > 0 else 0.0
