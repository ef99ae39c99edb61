r"""Two classes: the union information of any number of sources in closed form, with plan and potentials.

A source of a binary target is known by the decisions that it allows. To say 1 where :math:`\pi = p(1|x) > c` gains
:math:`V(c) = \mathbb{E}(\pi - c)_+` for an observer to whom a wrong 1 costs c and a right one brings 1 - c, and
information is the sum of these gains over all observers, :math:`I = \int_0^1 [V(c) - (p(1) - c)_+] / (c (1 - c))\, dc`.
The least source above all gives each observer the best of them; its ROC curve is the concave hull of all ROC curves, so

.. math::

    I_\cup = \int_0^1 \frac{\max_i V_i(c) - (p(1) - c)_+}{c (1 - c)}\, dc,

and with :math:`C_i` the thresholds at which source i leads, the optimal potentials are

.. math::

    a_i(1, x) = -\int_{C_i \cap [\pi_x, 1]} \frac{dc}{c}, \qquad
    a_i(0, x) = -\int_{C_i \cap [0, \pi_x]} \frac{dc}{1 - c}.

They are feasible however the thresholds are divided: of all sets of thresholds at which 1 is said, those of a single
posterior, from 0 up to it, have the largest sum of :math:`e^{\sum_i a_i}`, and that is one. So thresholds may be fitted
to any rows. The plan draws every source from the edge of the hull, independently of the others: each is a garbling of
the hull, since its curve lies nowhere above, and no joint with these pair marginals can know less than the hull.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.estimators.solvers.union.certificate import PerSource, dual_value


@dataclass(frozen=True)
class Hull:
    """The concave hull of the ROC curves of some sources.

    Parameters
    ----------
    edges : array, shape (n_edges, 2)
        p(y, z) of the source that has this curve, the z in falling order of p(1|z).
    leaders : array of int, shape (n_intervals,)
        The source that leads at the thresholds of each interval, from 1 down to 0.
    cuts : array, shape (2, n_intervals + 1)
        log(1 - c) and log c of the ends of the intervals.
    """

    edges: FloatArray
    leaders: Array
    cuts: FloatArray

    @classmethod
    def of(cls, margins: PerSource) -> Hull:
        """From pair marginals (2, m_i) of the sources, both classes with positive mass."""
        curves = [_curve(margin) for margin in margins]
        corners = np.concatenate([corners for corners, _ in curves])
        source = np.repeat(np.arange(len(curves)), [len(corners) for corners, _ in curves])
        kept = _upper_hull(corners / margins[0].sum(axis=1))
        edges = np.maximum(np.diff(corners[kept], axis=0), 0.0)
        # A corner leads at the thresholds between the posteriors of the cells before and after it. Those are known
        # exactly, while an edge that is a small difference of sums may be rounding only.
        before, after = (
            np.concatenate([cells[:, first : first + cells.shape[1] - 1] for _, cells in curves], axis=1)[:, kept]
            for first in (0, 1)
        )
        cuts = _clipped(_log_shares(edges.T), after[:, :-1], before[:, 1:])
        return cls(edges[edges.sum(axis=1) > 0], source[kept], np.concatenate([_ONE, cuts, _ZERO], axis=1))

    @property
    def information(self) -> float:
        """Mutual information of target and hull, in nats."""
        p_y = self.edges.sum(axis=0)
        ratio = self.edges / (self.edges.sum(axis=1, keepdims=True) * p_y)
        return max(0.0, float((self.edges * np.log(np.where(ratio > 0, ratio, 1.0))).sum()))

    def potentials(self, i: int, mass: FloatArray) -> FloatArray:
        """a_i(y, x), shape (2, n), of cells with these masses p(y, x), or any multiples of them.

        A class that a cell rules out may get minus infinity, and a cell without mass does for both.
        """
        mine, cut = self.leaders == i, self.cuts
        with np.errstate(divide="ignore", invalid="ignore"):
            own, odds = _log_shares(mass), cut[1] - cut[0]
            at = np.searchsorted(-odds, own[0] - own[1], side="right") - 1
            at = np.minimum(at, len(mine) - 1)
            whole = np.diff(cut, axis=1) * np.array([[1.0], [-1.0]])  # of dc / (1 - c) and dc / c
            whole = np.where(mine & (odds[:-1] > odds[1:]), whole, 0.0)
            below = np.concatenate([np.cumsum(whole[0, :0:-1])[::-1], [0.0]])[at]
            above = np.concatenate([[0.0], np.cumsum(whole[1, :-1])])[at]
            part_below, part_above = cut[0, at + 1] - own[0], cut[1, at] - own[1]
        below += np.where(mine[at] & (part_below > 0), part_below, 0.0)
        above += np.where(mine[at] & (part_above > 0), part_above, 0.0)
        return np.where(mass.sum(axis=0) > 0, -np.stack([below, above]), -np.inf)

    def plan(self, margins: PerSource) -> FloatArray:
        """The joint q(y, x_1, .., x_n) in which the sources are independent given the edge; up to rounding."""
        first, *others = (_channel(self.edges, margin) for margin in margins)
        joint = self.edges.T[:, :, None] * first
        for channel in others[:-1]:
            joint = (joint[:, :, :, None] * channel[:, None, :]).reshape(2, len(channel), -1)
        plan: FloatArray = np.matmul(joint.transpose(0, 2, 1), others[-1])
        return plan.reshape(2, *(margin.shape[1] for margin in margins))


def solve_two_classes(margins: PerSource) -> tuple[float, float, Hull, list[FloatArray]]:
    """Lower and upper bound of the union information in nats, equal up to rounding, the hull and the potentials.

    The lower bound is the value of the potentials, the upper that of the hull.

    Parameters
    ----------
    margins : sequence of arrays, shape (2, m_i)
        Both classes with positive mass.
    """
    hull = Hull.of(margins)
    potentials = [hull.potentials(i, margin) for i, margin in enumerate(margins)]
    p_y = margins[0].sum(axis=1)
    entropy = -float((p_y * np.log(p_y)).sum())
    return float(dual_value(margins, potentials)) + entropy, hull.information, hull, potentials


_ONE, _ZERO = np.array([[-np.inf], [0.0]]), np.array([[0.0], [-np.inf]])
"""log(1 - c) and log c of the thresholds 1 and 0."""


def _curve(margin: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The ROC curve of pair marginals (2, m): its corners in masses, from (0, 0) to p(y), and its cells' log shares.

    The log shares, shape (2, m + 2), have the thresholds 1 and 0 at their ends.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = margin[1] / margin[0]
    occurs = np.flatnonzero(ratio >= 0)  # nan where there is no mass
    cells = margin[:, occurs[np.argsort(-ratio[occurs], kind="stable")]]
    corners = np.zeros((len(occurs) + 1, 2))
    np.cumsum(cells.T, axis=0, out=corners[1:])
    return corners, np.concatenate([_ONE, _log_shares(cells), _ZERO], axis=1)


def _log_shares(mass: FloatArray) -> FloatArray:
    """Logarithms of p(0|x) and p(1|x), shape (2, n); nan where there is no mass."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares: FloatArray = np.log(mass / mass.sum(axis=0))
    return shares


def _clipped(cuts: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Thresholds, as log shares, between ``low`` and ``high`` and none above the one before it."""
    odds, least, most = (each[1] - each[0] for each in (cuts, low, high))
    cuts = np.where(odds >= least, cuts, low)
    odds = np.fmax(odds, least)
    cuts = np.where(odds <= most, cuts, high)
    odds = np.minimum(odds, most)
    smallest = np.minimum.accumulate(odds)
    first = np.maximum.accumulate(np.where(odds == smallest, np.arange(len(odds)), 0))
    return cuts[:, first]


def _upper_hull(points: FloatArray) -> Array:
    """Which points are the corners of the concave hull, from (0, 0) to (1, 1), both of which are among them."""
    points = np.minimum(points, 1.0)
    order = np.lexsort(points.T[::-1])
    xs, ys = points[order].T.tolist()
    hull: list[int] = []
    for new, (x, y) in enumerate(zip(xs, ys, strict=True)):
        while len(hull) > 1:
            last, before = hull[-1], hull[-2]
            x0, y0 = xs[before], ys[before]
            if (xs[last] - x0) * (y - y0) < (ys[last] - y0) * (x - x0):
                break
            hull.pop()
        hull.append(new)
    return np.asarray(order)[hull]


def _channel(edges: FloatArray, margin: FloatArray) -> FloatArray:
    """p(x|z), shape (n_edges, m): a garbling of the hull's edges that has the pair marginals.

    From the lowest posterior up, each cell takes the interval of what is left of the edges, in the order of their
    posteriors, that has its mass and its mean; what remains can still serve the other cells.
    """
    mass = edges.sum(axis=1)[::-1]
    mean = (edges[:, 1] / edges.sum(axis=1))[::-1]
    left, taken = mass.copy(), np.zeros((len(mass), margin.shape[1]))
    total = margin.sum(axis=0)
    posterior = np.divide(margin[1], total, out=np.zeros_like(total), where=total > 0)
    for x in np.argsort(posterior, kind="stable").tolist():
        ends = np.concatenate([[0.0], np.cumsum(left)])
        moments = np.concatenate([[0.0], np.cumsum(left * mean)])
        starts = np.sort(np.clip(np.concatenate([ends, ends - total[x]]), 0.0, max(ends[-1] - total[x], 0.0)))
        within = np.interp(starts + total[x], ends, moments) - np.interp(starts, ends, moments)
        start = np.interp(margin[1, x], within, starts)
        taken[:, x] = np.diff(np.clip(ends, start, start + total[x]))
        left = np.maximum(left - taken[:, x], 0.0)
    return (taken / mass[:, None])[::-1]
