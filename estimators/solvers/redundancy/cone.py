r"""Redundancies that ask for the most informative :math:`Q` of a convex family, as one program over a cone.

A symbol q of Q is a vector :math:`x_q` of the cone :math:`K = \{x \ge 0 : Bx = 0\}`, all symbols together are
:math:`\sum_q x_q = 1`, and :math:`G x_q = P(q, \cdot)` says how it varies with Y. What is sought is

.. math:: \max \sum_q \phi(G x_q), \qquad \phi(g) = \sum_y g_y \log \frac{g_y}{|g|\, p(y)},

and :math:`\phi` is convex and homogeneous, so nothing is lost when each symbol is split into extreme rays of K.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from pidkd.arrays import FloatArray

Channel: TypeAlias = Literal["joint", "sources", "target"]


class Cone(NamedTuple):
    """A family of channels to Q.

    Parameters
    ----------
    equations : array, shape (n_equations, n)
        B; the vector of ones solves Bx = 0.
    to_target : array, shape (n_y, n)
        G.
    p_y : array, shape (n_y,)
        All positive.
    """

    equations: FloatArray
    to_target: FloatArray
    p_y: FloatArray


class Bracket(NamedTuple):
    """Proven ``lower <= redundancy <= upper`` in nats, and how it was found."""

    lower: float
    upper: float
    route: str


def information_of(g: FloatArray, p_y: FloatArray) -> FloatArray:
    r""":math:`\phi(g) = \sum_y g_y \log(g_y / (|g| p_y))` over the last axis, in nats."""
    total = g.sum(axis=-1, keepdims=True)
    ratio = np.divide(g, total * p_y, out=np.ones_like(g), where=g > 0)
    phi: FloatArray = (g * np.log(ratio)).sum(axis=-1)
    return np.maximum(phi, 0.0)


def griffith_ho_cone(p: FloatArray, channel: Channel) -> Cone:
    r"""The channels to Q with :math:`I(Q;Y|T) = I(Q;Y|S) = 0` on the support of ``p``.

    Parameters
    ----------
    p : array, shape (n_y, n_t, n_s)
    channel : {"joint", "sources", "target"}
        What Q may be made from: x is P(q|y,t,s), P(q|t,s) or P(q|y).
    """
    p = p[p.sum(axis=(1, 2)) > 0]
    y, t, s = np.nonzero(p)
    mass = p[y, t, s]
    rows: list[FloatArray] = []
    for source in (t, s):
        for value in np.unique(source):
            classes = np.unique(y[source == value])
            inside = (source == value) * (y == classes[:, None]) * mass
            conditional = inside / inside.sum(axis=1, keepdims=True)
            rows.extend(conditional[1:] - conditional[0])
    equations = np.array(rows).reshape(-1, len(mass))
    to_target = np.equal.outer(np.arange(len(p)), y) * mass
    merged = {"joint": np.arange(len(mass)), "sources": t * p.shape[2] + s, "target": y}[channel]
    groups = np.unique(merged, return_inverse=True)[1]
    embed = np.equal.outer(groups, np.arange(groups.max() + 1)).astype(np.float64)
    return Cone(_independent(equations @ embed, np.abs(equations) @ embed), to_target @ embed, p.sum(axis=(1, 2)))


def blackwell_cone(p_yt: FloatArray, p_ys: FloatArray) -> Cone:
    r"""The pairs of garblings :math:`k_1(q|t)`, :math:`k_2(q|s)` that look alike from Y.

    Parameters
    ----------
    p_yt, p_ys : arrays, shapes (n_y, n_t) and (n_y, n_s)
        Without cells or classes of zero mass.
    """
    p_y = p_yt.sum(axis=1)
    equations = np.hstack([p_yt, -p_ys]) / p_y[:, None]
    return Cone(equations, np.hstack([p_yt, np.zeros_like(p_ys)]), p_y)


def _independent(rows: FloatArray, scale: FloatArray) -> FloatArray:
    """Rows without entries that are rounding errors, and without rows of zeros or that occur twice."""
    rows = np.where(np.abs(rows) <= 1e-14 * scale, 0.0, rows)
    largest = np.abs(rows).max(axis=1, initial=0.0)
    rows, largest = rows[largest > 0], largest[largest > 0]
    first = np.unique(np.round(rows / largest[:, None], 13), axis=0, return_index=True)[1]
    distinct: FloatArray = rows[np.sort(first)]
    return distinct
