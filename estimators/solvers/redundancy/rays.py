r"""Extreme rays of :math:`\{x \ge 0 : Bx = 0\}` by the double description method.

The equations are added one at a time. Each splits the rays found so far by the sign of :math:`b \cdot x`; those on the
plane stay, and every adjacent pair from its two sides meets it in a new ray. Rays are non-negative, so nothing cancels
when two are combined: only the sign of :math:`b \cdot x` is a matter of rounding.
"""

from __future__ import annotations

import math
import time

import numpy as np

from pidkd.arrays import Array, FloatArray

ZERO = 1e-11
"""A sum of products is zero when it is less than this share of the sum of their absolute values."""
PAIR_BLOCK = 2**22
"""Comparisons of a pair of rays with a third that are made at once."""


def extreme_rays(equations: FloatArray, max_rays: int, seconds: float = math.inf) -> FloatArray | None:
    r"""All extreme rays of :math:`\{x \ge 0 : Bx = 0\}`, each with largest entry 1.

    Parameters
    ----------
    equations : array, shape (n_equations, n)
    max_rays : int
        Rays, in the end or on the way, at which to give up.
    seconds : float, optional
        Time at which to give up.

    Returns
    -------
    array, shape (n_rays, n), or None
        None when there are more than ``max_rays``, or the time is over.

    Examples
    --------
    >>> import numpy as np
    >>> extreme_rays(np.array([[1.0, 1.0, -2.0]]), max_rays=10)
    array([[1. , 0. , 0.5],
           [0. , 1. , 0.5]])
    """
    ends = time.perf_counter() + seconds
    rays = np.eye(equations.shape[1])
    left = equations[np.abs(equations).max(axis=1, initial=0.0) > 0]
    rank = 0
    while len(left):
        value, scale = rays @ left.T, rays @ np.abs(left).T
        signs = np.where(np.abs(value) <= ZERO * scale, 0, np.sign(value)).astype(np.int8)
        # The cheapest cut first: the order decides how many rays there are on the way.
        cost = (signs > 0).sum(axis=0) * (signs < 0).sum(axis=0) + (signs != 0).any(axis=0)
        chosen = int(np.argmin(cost))
        sign, height = signs[:, chosen], value[:, chosen]
        left = np.delete(left, chosen, axis=0)
        if not sign.any():
            continue
        rank += 1
        above, below = _adjacent_pairs(rays > 0, sign, rank, most=max_rays - int((sign == 0).sum()))
        met = rays[above] * -height[below, None] + rays[below] * height[above, None]
        rays = np.vstack([rays[sign == 0], met])
        if len(rays) > max_rays or time.perf_counter() > ends:
            return None
        rays /= rays.max(axis=1, keepdims=True)
    return rays


def _adjacent_pairs(support: Array, sign: Array, rank: int, most: int) -> tuple[Array, Array]:
    """Pairs of rays on either side of a plane that span a face: no third ray lives on their common support.

    ``rank`` equations bound the support of an extreme ray by ``rank`` entries, and that of an edge by one more. Once
    there are more than ``most`` pairs the search ends.
    """
    above, below = np.flatnonzero(sign > 0), np.flatnonzero(sign < 0)
    as_float = support.astype(np.float32)
    size = as_float.sum(axis=1)
    words = _packed(support)
    i, j = np.zeros((2, 0), dtype=np.int64)
    rows, pairs = max(1, PAIR_BLOCK // max(1, len(below))), max(1, PAIR_BLOCK // len(support))
    for start in range(0, len(above), rows):
        some = above[start : start + rows]
        union_size = size[some, None] + size[below] - as_float[some] @ as_float[below].T
        near, far = np.nonzero(union_size <= rank + 1)
        near, far = some[near], below[far]
        for first in range(0, len(near), pairs):
            if len(i) > most:
                return i, j
            one, other = near[first : first + pairs], far[first : first + pairs]
            face = _is_face(words, words[:, one] | words[:, other])
            i, j = np.concatenate([i, one[face]]), np.concatenate([j, other[face]])
    return i, j


def _is_face(words: Array, unions: Array) -> Array:
    """Whether just two rays have their support inside each union."""
    outside = np.zeros((words.shape[1], unions.shape[1]), dtype=bool)
    for word, union in zip(words, unions, strict=True):
        outside |= (word[:, None] & ~union) != 0
    two: Array = words.shape[1] - outside.sum(axis=0) == 2
    return two


def _packed(support: Array) -> Array:
    """Supports as bits, shape (n_words, n_rays)."""
    padded = np.zeros((len(support), -(-support.shape[1] // 64) * 64), dtype=np.uint8)
    padded[:, : support.shape[1]] = support
    return np.ascontiguousarray(np.packbits(padded, axis=1).view(np.uint64).T)
