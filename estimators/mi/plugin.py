"""Mutual information of labels, from their counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.errors import SmallSampleWarning
from pidkd.estimator import Context
from pidkd.groups import standard_error
from pidkd.info import biased
from pidkd.mi import DiscretePairs, MIEstimator, RawMI
from pidkd.result import NATS_PER

Correction = Literal["none", "miller_madow", "jackknife", "grassberger"]


@dataclass(frozen=True)
class PlugIn(MIEstimator):
    r""":math:`I(X;Y) = H(X) + H(Y) - H(X,Y)`, each entropy from the counts of the labels.

    Without a correction it is the mutual information of the empirical table, which is biased upward from samples by
    about (n_x - 1)(n_y - 1) / (2 n_samples) nats.

    Parameters
    ----------
    correction : {"none", "miller_madow", "jackknife", "grassberger"}
        How each entropy is corrected for the samples. ``miller_madow`` adds (values seen - 1) / (2 n) nats;
        ``jackknife`` leaves out one sample a time; ``grassberger`` replaces the logarithms of the counts.

    References
    ----------
    miller1955, grassberger2003

    Examples
    --------
    >>> import pidkd
    >>> x = [0, 0, 1, 1] * 25
    >>> print(pidkd.mutual_information(x, x))
    I(X;Y) 1.000000 bits
    plugin: of the table itself, n=100
    """

    correction: Correction = "none"

    name = "plugin"
    measure = "entropies of counts"
    reference = "miller1955"
    accepts = (DiscretePairs,)
    bound = "exact"
    respects_groups = True

    def _estimate(self, data: DiscretePairs, ctx: Context) -> RawMI:
        x, y = _numbered(data.x), _numbered(data.y)
        joint = _numbered(x.astype(np.int64) * (int(y.max()) + 1) + y)
        entropy = ENTROPIES[self.correction]
        h_x, h_y, h_xy = (entropy(np.bincount(values).astype(np.float64)) for values in (x, y, joint))
        value = h_x + h_y - h_xy
        n_x, n_y = len(np.unique(x)), len(np.unique(y))
        n, what = (len(x), "samples") if data.groups is None else (int(data.groups.max()) + 1, "groups")
        cells = f"{n_x} and {n_y} labels"
        few = biased("I(X;Y)", value / NATS_PER["bits"], (n_x - 1) * (n_y - 1), n, cells, what)
        concerns = [(SmallSampleWarning, f"plugin: {few}")] if few else []
        return RawMI(value, se=standard_error(self._local(x, y, joint), data.groups), concerns=concerns)

    def _local(self, x: Array, y: Array, joint: Array) -> FloatArray:
        """Of each sample; its spread gives the standard error."""
        n = len(x)
        log_x, log_y, log_xy = (np.log(np.bincount(values)[values] / n) for values in (x, y, joint))
        return np.asarray(log_xy - log_x - log_y, dtype=np.float64)


def _numbered(labels: Array) -> Array:
    return np.unique(labels, return_inverse=True)[1]


def _counted(counts: FloatArray) -> float:
    n = counts.sum()
    return float(np.log(n) - (counts * np.log(counts)).sum() / n)


def _miller_madow(counts: FloatArray) -> float:
    return _counted(counts) + (len(counts) - 1) / (2 * float(counts.sum()))


def _jackknife(counts: FloatArray) -> float:
    n = float(counts.sum())
    if n < 2:
        return 0.0
    terms = counts * np.log(counts)
    less = np.where(counts > 1, (counts - 1) * np.log(np.maximum(counts - 1, 1)), 0.0)
    left_out = np.log(n - 1) - (terms.sum() - terms + less) / (n - 1)
    return n * _counted(counts) - (n - 1) * float((counts * left_out).sum()) / n


def _grassberger(counts: FloatArray) -> float:
    from scipy.special import digamma

    n = float(counts.sum())
    sign = np.where(counts % 2 == 0, 1.0, -1.0)
    logs = digamma(counts) + sign / 2 * (digamma((counts + 1) / 2) - digamma(counts / 2))
    return float(np.log(n) - (counts * logs).sum() / n)


ENTROPIES: dict[str, Callable[[FloatArray], float]] = {
    "none": _counted,
    "miller_madow": _miller_madow,
    "jackknife": _jackknife,
    "grassberger": _grassberger,
}
"""Entropy in nats from positive counts, by the name of the correction."""
