r"""Two classes: the union information and its potentials in closed form.

A posterior :math:`\pi` of the class 1 is of use by the decisions that it allows: to say 1 where :math:`\pi > c` gains
:math:`V(c) = \mathbb{E}(\pi - c)_+` for an observer to whom a wrong 1 costs c and a right one brings 1 - c. Information
is the sum of these gains over all observers, :math:`I = \int_0^1 [V(c) - (p(1) - c)_+] / (c (1 - c))\, dc`. The least
source above both gives each observer the better of the two (its ROC curve is the concave hull of both), so

.. math::

    I_\cup = \int_0^1 \frac{\max(V_T(c), V_S(c)) - (p(1) - c)_+}{c (1 - c)}\, dc,

and with C the thresholds at which T is better, the optimal potentials are

.. math::

    a(1, t) = -\int_{C \cap [\pi_t, 1]} \frac{dc}{c}, \qquad a(0, t) = -\int_{C \cap [0, \pi_t]} \frac{dc}{1 - c},

and b likewise on the other thresholds. They are feasible whatever C is: of all sets of thresholds at which 1 is said,
those of a single posterior, from 0 up to it, have the largest sum of :math:`e^{a+b}`, and that is one. So C may be
fitted to any rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pidkd.arrays import Array, FloatArray

MAX_EDGES = 512
"""Thresholds at which the two sources are compared."""


@dataclass(frozen=True)
class Thresholds:
    """The better source at each threshold.

    Parameters
    ----------
    edges : array, shape (n_edges,)
        From 0 to 1, rising.
    teacher : array of bool, shape (n_edges - 1,)
        Whether T decides between two edges.
    """

    edges: FloatArray
    teacher: Array

    @classmethod
    def fit(cls, p_t: FloatArray, p_s: FloatArray, prior: FloatArray) -> Thresholds:
        """From posteriors of some rows, shape (n, 2), both weighted to the same prior."""
        edges = np.unique(np.concatenate([p_t[:, 1], p_s[:, 1], [0.0, 1.0]]))
        if len(edges) > MAX_EDGES:
            edges = np.unique(np.r_[0.0, np.quantile(edges, np.linspace(0, 1, MAX_EDGES)), 1.0])
        ahead = _gain(p_t, prior, edges) - _gain(p_s, prior, edges)
        # Between two posteriors both gains are linear in the threshold, and so the crossing is known.
        cross = np.flatnonzero(ahead[:-1] * ahead[1:] < 0)
        share = ahead[cross] / (ahead[cross] - ahead[cross + 1])
        edges = np.sort(np.concatenate([edges, edges[cross] + share * (edges[cross + 1] - edges[cross])]))
        middle = (edges[:-1] + edges[1:]) / 2
        return cls(edges, _gain(p_t, prior, middle) >= _gain(p_s, prior, middle))

    def potentials(self, p_t: FloatArray, p_s: FloatArray) -> FloatArray:
        """The sum a(y,t) + b(y,s) of every row and class, shape (n, 2)."""
        return _earned(p_t[:, 1], self.edges, self.teacher) + _earned(p_s[:, 1], self.edges, ~self.teacher)


def _gain(p: FloatArray, prior: FloatArray, thresholds: FloatArray) -> FloatArray:
    """V at each threshold, of rows weighted so that the classes have their prior masses."""
    mass = p * (prior / p.mean(axis=0)) / len(p)
    order = np.argsort(-mass[:, 1] / mass.sum(axis=1), kind="stable")
    mass = mass[order]
    posterior = mass[:, 1] / mass.sum(axis=1)
    sums = np.vstack([np.zeros(2), np.cumsum(mass, axis=0)])[np.searchsorted(-posterior, -thresholds, side="left")]
    gain: FloatArray = sums[:, 1] * (1 - thresholds) - sums[:, 0] * thresholds
    return gain


def _earned(p: FloatArray, edges: FloatArray, mine: Array) -> FloatArray:
    """Minus the two integrals over those intervals between edges that are ``mine``."""
    low, high = edges[:-1][mine], edges[1:][mine]
    # Up to each edge, the integrals of 1/(1-c) from the left and of 1/c from the right; then the part interval.
    cut = np.clip(p[:, None], low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(cut > low, np.log1p(-low) - np.log1p(-cut), 0.0).sum(axis=1)
        right = np.where(cut < high, np.log(high) - np.log(cut), 0.0).sum(axis=1)
    return -np.column_stack([left, right])
