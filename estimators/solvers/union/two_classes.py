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

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.estimators.solvers.union.certificate import PerSource


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
        return cls._of_cells(np.concatenate(margins, axis=1), [margin.shape[1] for margin in margins])

    @classmethod
    def _of_cells(cls, mass: FloatArray, sizes: Sequence[int]) -> Hull:
        """From the cells of the sources side by side, of each as many as ``sizes`` says."""
        starts, sources = np.array([0, *accumulate(sizes)]), np.arange(len(sizes))
        # in falling order of log odds, those without mass last
        cells = mass[:, np.lexsort((-_log_odds(mass), sources.repeat(sizes)))]
        # the corners of all curves: before the first cell of each source the origin, after each cell the sum so far
        corners = np.zeros((2, mass.shape[1] + len(sizes)))
        for i, (start, stop) in enumerate(pairwise(starts.tolist())):
            cells[:, start:stop].cumsum(axis=1, out=corners[:, start + i + 1 : stop + i + 1])
        owner = sources.repeat(starts[1:] - starts[:-1] + 1)
        kept = _upper_hull(corners / corners[:, starts[1], None])
        # all curves share their ends: these are taken from the source that leads beside them
        kept[0], kept[-1] = starts[owner[kept[1]]] + owner[kept[1]], starts[owner[kept[-2]] + 1] + owner[kept[-2]]
        chosen, leaders = corners[:, kept], owner[kept]
        edges = np.maximum(chosen[:, 1:] - chosen[:, :-1], 0.0)
        alone = (leaders[:-1] == leaders[1:]) & (kept[:-1] < kept[1:])
        runs = (np.array([kept[:-1], kept[1:]]) - leaders[:-1])[:, alone].T
        if len(runs):  # of one source: its own cells, for in a difference of sums tiny ones are lost
            padded = np.concatenate([cells, np.zeros((2, 1))], axis=1)
            edges[:, alone] = np.add.reduceat(padded, runs.ravel(), axis=1)[:, ::2]
        total = edges.sum(axis=0)
        cuts = _log_shares(_falling(_log_odds(edges), alone | (total >= NOISE * total.sum())))
        return cls(edges[:, total > 0].T, leaders, cuts)

    @property
    def information(self) -> float:
        """Mutual information of target and hull, in nats."""
        p_y = self.edges.sum(axis=0)
        posterior = self.edges / self.edges.sum(axis=1, keepdims=True)
        # The logarithms apart: products of rare masses and classes underflow.
        logs = np.log(np.where(posterior > 0, posterior, 1.0)) - np.where(posterior > 0, np.log(p_y), 0.0)
        return max(0.0, float((self.edges * logs).sum()))

    @np.errstate(divide="ignore", invalid="ignore")
    def potentials(self, source: Array, mass: FloatArray) -> FloatArray:
        """a_i(y, x), shape (2, n), of cells with these masses p(y, x), or any multiples of them.

        A class that a cell rules out may get minus infinity, and a cell without mass does for both.

        Parameters
        ----------
        source : array of int, shape (n,)
            The source i of each cell.
        mass : array, shape (2, n)
        """
        cut, own_odds = self.cuts, _log_odds(mass)
        own, odds = _log_shares(own_odds), cut[1] - cut[0]
        at = np.minimum(np.searchsorted(-odds, -own_odds, side="right") - 1, len(self.leaders) - 1)
        whole = cut[:, 1:] - cut[:, :-1]  # of dc / (1 - c), and less that of dc / c
        whole[:, ~(odds[:-1] > odds[1:])] = 0.0
        led = self.leaders == np.arange(int(source.max()) + 1)[:, None]
        sums = np.zeros((2, len(led), len(self.leaders)))
        np.cumsum(np.where(led, whole[0], 0.0)[:, :0:-1], axis=1, out=sums[0, :, -2::-1])
        np.cumsum(np.where(led, -whole[1], 0.0)[:, :-1], axis=1, out=sums[1, :, 1:])
        part = np.fmax(np.array([cut[0, at + 1] - own[0], cut[1, at] - own[1]]), 0.0)  # nan at the ends is none
        total = sums[:, source, at] + np.where(self.leaders[at] == source, part, 0.0)
        return np.where(np.isnan(own[0]), -np.inf, -total)

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
    sizes = [margin.shape[1] for margin in margins]
    mass = np.concatenate(margins, axis=1)
    hull = Hull._of_cells(mass, sizes)
    potentials = hull.potentials(np.arange(len(sizes)).repeat(sizes), mass)
    p_y = mass[:, : sizes[0]].sum(axis=1)
    value = float((mass * np.where(mass > 0, potentials, 0.0)).sum() - (p_y * np.log(p_y)).sum())
    ends = np.cumsum([0, *sizes]).tolist()
    return value, hull.information, hull, [potentials[:, start:stop] for start, stop in pairwise(ends)]


NOISE = 1e-14
"""Edges of less mass are differences of sums that may be rounding only."""


@np.errstate(divide="ignore", invalid="ignore")
def _log_odds(mass: FloatArray) -> FloatArray:
    """Logarithms of p(1|x) / p(0|x), of masses of any size; nan where there is no mass."""
    logs = np.log(mass)
    odds: FloatArray = logs[1] - logs[0]
    return odds


def _log_shares(odds: FloatArray) -> FloatArray:
    """Logarithms of p(0|x) and p(1|x) from the log odds, shape (2, n); nan where these are."""
    shares: FloatArray = -np.logaddexp(0.0, np.array([odds, -odds]))
    return shares


def _upper_hull(points: FloatArray) -> Array:
    """Mask of the points (2, n) that are corners of the concave hull, (0, 0) and (1, 1) among them."""
    points = np.minimum(points, 1.0)
    order = np.lexsort(points[::-1])
    xs, ys = points[:, order].tolist()
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


def _falling(odds: FloatArray, certain: Array) -> FloatArray:
    """Log odds of the thresholds between the leaders, none above the one before, from inf down to -inf.

    Those of edges that may be rounding only are kept between those of the edges beside them: whoever leads in between,
    what is lost is less than their mass.
    """
    most = np.minimum.accumulate(np.where(certain, odds, np.inf))
    least = np.maximum.accumulate(np.where(certain, most, -np.inf)[::-1])[::-1]
    between = np.fmin(np.fmax(np.where(certain, most, odds), least), most)
    return np.concatenate([[np.inf], np.minimum.accumulate(between), [-np.inf]])


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
    channel: FloatArray = (taken / mass[:, None])[::-1]
    return channel
