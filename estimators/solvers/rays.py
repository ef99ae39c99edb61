r"""Extreme rays of :math:`\{x \ge 0 : Bx = 0\}` by the double description method.

The equations are added one at a time. Each splits the rays found so far by the sign of :math:`b \cdot x`; those on the
plane stay, and every adjacent pair from its two sides meets it in a new ray. Rays are non-negative, so nothing cancels
when two are combined: only the sign of :math:`b \cdot x` is a matter of rounding.
"""

from __future__ import annotations

import numpy as np

from pidkd.inputs import Array, FloatArray

ZERO = 1e-11
"""A sum of products is zero when it is less than this share of the sum of their absolute values."""
PAIR_BLOCK = 2**22
"""Comparisons of a pair of rays with a third that are made at once."""


def extreme_rays(equations: FloatArray, max_rays: int) -> FloatArray | None:
    r"""All extreme rays of :math:`\{x \ge 0 : Bx = 0\}`, each with largest entry 1.

    Parameters
    ----------
    equations : array, shape (n_equations, n)
    max_rays : int
        Rays, in the end or on the way, at which to give up.

    Returns
    -------
    array, shape (n_rays, n), or None
        None when there are more than ``max_rays``.

    Examples
    --------
    >>> import numpy as np
    >>> extreme_rays(np.array([[1.0, 1.0, -2.0]]), max_rays=10)
    array([[1. , 0. , 0.5],
           [0. , 1. , 0.5]])
    """
    rays = np.eye(equations.shape[1])
    rows = [row for row in equations if np.abs(row).max(initial=0.0) > 0]
    rank = 0
    while rows:
        signs = [_signs(rays, row) for row in rows]
        # The cheapest cut first: the order decides how many rays there are on the way.
        costs = [int((sign > 0).sum()) * int((sign < 0).sum()) + int((sign != 0).any()) for sign in signs]
        chosen = int(np.argmin(costs))
        row, sign = rows.pop(chosen), signs[chosen]
        if not sign.any():
            continue
        rank += 1
        value = rays @ row
        above, below = _adjacent_pairs(rays > 0, sign, rank)
        met = rays[above] * -value[below, None] + rays[below] * value[above, None]
        rays = np.vstack([rays[sign == 0], met])
        if len(rays) > max_rays:
            return None
        rays /= rays.max(axis=1, keepdims=True)
    return rays


def _signs(rays: FloatArray, row: FloatArray) -> Array:
    value, scale = rays @ row, rays @ np.abs(row)
    return np.where(np.abs(value) <= ZERO * scale, 0, np.sign(value)).astype(np.int8)


def _adjacent_pairs(support: Array, sign: Array, rank: int) -> tuple[Array, Array]:
    """Pairs of rays on either side of a plane that span a face: no third ray lives on their common support.

    ``rank`` equations bound the support of an extreme ray by ``rank`` entries, and that of an edge by one more.
    """
    above, below = np.flatnonzero(sign > 0), np.flatnonzero(sign < 0)
    as_float = support.astype(np.float32)
    size = as_float.sum(axis=1)
    words = _packed(support)
    found_above, found_below = [], []
    for start in range(0, len(above), max(1, PAIR_BLOCK // max(1, len(below)))):
        some = above[start : start + max(1, PAIR_BLOCK // max(1, len(below)))]
        union_size = size[some, None] + size[below] - as_float[some] @ as_float[below].T
        i, j = np.nonzero(union_size <= rank + 1)
        i, j = some[i], below[j]
        kept = _spans_a_face(words, words[:, i] | words[:, j])
        found_above.append(i[kept])
        found_below.append(j[kept])
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *found_above]), np.concatenate([none, *found_below])


def _spans_a_face(words: Array, unions: Array) -> Array:
    """Whether just two rays have their support inside each union."""
    n_rays, n_unions = words.shape[1], unions.shape[1]
    step = max(1, PAIR_BLOCK // max(1, n_rays))
    kept = np.zeros(n_unions, dtype=bool)
    for start in range(0, n_unions, step):
        outside = np.zeros((n_rays, len(kept[start : start + step])), dtype=bool)
        for word, union in zip(words, unions[:, start : start + step], strict=True):
            outside |= (word[:, None] & ~union) != 0
        kept[start : start + step] = n_rays - outside.sum(axis=0) == 2
    return kept


def _packed(support: Array) -> Array:
    """Supports as bits, shape (n_words, n_rays)."""
    padded = np.zeros((len(support), -(-support.shape[1] // 64) * 64), dtype=np.uint8)
    padded[:, : support.shape[1]] = support
    return np.ascontiguousarray(np.packbits(padded, axis=1).view(np.uint64).T)
