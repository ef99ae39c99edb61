"""Entropy and mutual information of probability tables, in nats."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.inputs import Codes, Input, Pmf
from pidkd.result import Information

TOLERATED_BIAS, TOLERATED_SHARE = 0.01, 0.1
"""Bias of I(Y;T,S), in bits and as a share of it, up to which samples are enough for a table."""


def entropy(p: FloatArray) -> float:
    r""":math:`H = -\sum p \log p` over all entries of ``p``, in nats.

    Examples
    --------
    >>> import numpy as np
    >>> round(entropy(np.array([0.5, 0.5])), 6)
    0.693147
    """
    positive = p[p > 0]
    return float(0.0 - (positive * np.log(positive)).sum())


def table_information(p: FloatArray) -> float:
    r""":math:`I(A;B) = \sum p(a,b) \log \frac{p(a,b)}{p(a) p(b)}` of a table of shape (n_a, n_b), in nats."""
    p_a, p_b = p.sum(axis=1), p.sum(axis=0)
    if p.all():
        return float((p * (np.log(p) - np.log(p_a)[:, None] - np.log(p_b))).sum())
    a, b = np.nonzero(p)
    joint = p[a, b]
    return float((joint * (np.log(joint) - np.log(p_a[a]) - np.log(p_b[b]))).sum())


def information(p: FloatArray, pairs: Sequence[FloatArray] | None = None) -> Information:
    """I(Y;T), I(Y;S) and I(Y;T,S) of a joint table of shape (n_y, n_t, n_s), in nats.

    Parameters
    ----------
    p : array, shape (n_y, n_t, n_s)
    pairs : arrays p(y, t) and p(y, s), optional
        Its pair tables, where they are at hand.
    """
    p_yt, p_ys = pairs or (p.sum(axis=2), p.sum(axis=1))
    return Information(table_information(p_yt), table_information(p_ys), table_information(p.reshape(len(p), -1)))


def informations(p: FloatArray) -> list[Information]:
    """The same for many tables, of shape (n, n_y, n_t, n_s)."""

    def entropies(joint: FloatArray) -> FloatArray:
        entropy: FloatArray = -(joint * np.log(np.where(joint > 0, joint, 1.0))).reshape(len(p), -1).sum(axis=1)
        return entropy

    y_t, y_s, t_s = p.sum(axis=3), p.sum(axis=2), p.sum(axis=1)
    h_y = entropies(y_t.sum(axis=2))
    mi_t = h_y + entropies(y_t.sum(axis=1)) - entropies(y_t)
    mi_s = h_y + entropies(y_s.sum(axis=1)) - entropies(y_s)
    mi = h_y + entropies(t_s) - entropies(p)
    return [Information(*each) for each in zip(mi_t.tolist(), mi_s.tolist(), mi.tolist(), strict=True)]


def too_few_samples(data: Input, mi: float) -> str | None:
    r"""Warning about too few samples for the table, with the number that would suffice; None where they do.

    Under independence the plug-in estimate of :math:`I(Y;T,S)` is biased upward by about
    :math:`(K_Y - 1)(K_{TS} - 1) / (2 n \ln 2)` bits, for :math:`K_Y` classes and :math:`K_{TS}`
    occupied pairs of cells. Samples are too few where that exceeds both ``TOLERATED_BIAS`` bits and ``TOLERATED_SHARE``
    of the estimate that is left without it. Of samples in groups only the groups count.

    Parameters
    ----------
    data : Input
        Samples without a table, such as activations, are never too few by this rule.
    mi : float
        The plug-in estimate of I(Y;T,S), in bits.
    """
    table = data.pmf() if isinstance(data, Codes) else data
    if not isinstance(table, Pmf) or table.n_samples is None:
        return None
    groups = data.groups if isinstance(data, Codes) else None
    return too_few_for("I(Y;T,S)", mi, table.p.reshape(len(table.p), -1), table.n_samples, groups, "pairs of cells")


def too_few_for(
    quantity: str, mi: float, table: FloatArray, n_samples: int, groups: Array | None, cells: str
) -> str | None:
    """Warning about too few samples, or groups of them, for a table p(y, x) that has ``mi`` bits; None for enough."""
    n_y, n_x = int(table.any(axis=1).sum()), int(table.any(axis=0).sum())
    n, what = (n_samples, "samples") if groups is None else (int(groups.max()) + 1, "groups")
    words = f"{n_y} classes and {n_x} occupied {cells}"
    return biased(quantity, mi, (n_y - 1) * (n_x - 1), n, words, what)


def biased(quantity: str, value: float, freedom: int, n: int, cells: str, what: str = "samples") -> str | None:
    r"""Warning about a plug-in estimate whose bias under independence, ``freedom`` / 2n nats, is too large for it."""
    bias = freedom / (2 * n * math.log(2))
    tolerated = max(TOLERATED_BIAS, TOLERATED_SHARE * (value - bias))
    if bias <= tolerated:
        return None
    enough = math.ceil(n * bias / tolerated)
    digits = 10 ** max(0, len(str(enough)) - 2)
    return (
        f"{n} {what} for {cells}: of the {value:.3g} bits of {quantity} up to {bias:.2g} may be bias; "
        f"about {math.ceil(enough / digits) * digits} {what} would do, or fewer cells"
    )


def set_tables(p: FloatArray) -> dict[int, FloatArray]:
    """Joint table (n_y, n_x) of the target with every nonempty set of sources, by the set as a bit mask.

    Parameters
    ----------
    p : array, shape (n_y, n_1, ..., n_n)
    """
    n = p.ndim - 1
    tables = {}
    for sources in range(1, 2**n):
        dropped = tuple(axis + 1 for axis in range(n) if not sources >> axis & 1)
        tables[sources] = (p.sum(axis=dropped) if dropped else p).reshape(len(p), -1)
    return tables


def local_of_set(p: FloatArray, sources: int) -> FloatArray:
    """Pointwise information i(y;x_A) of a set A of sources, in nats, of a shape that broadcasts to that of ``p``.

    Parameters
    ----------
    p : array, shape (n_y, n_1, ..., n_n)
    sources : int
        The set as a bit mask.
    """
    axes = tuple(range(1, p.ndim))
    dropped = tuple(axis for axis in axes if not sources >> (axis - 1) & 1)
    margin = p.sum(axis=dropped, keepdims=True) if dropped else p
    with np.errstate(divide="ignore", invalid="ignore"):
        pointwise: FloatArray = np.log(margin / margin.sum(axis=0)) - np.log(p.sum(axis=axes, keepdims=True))
    return pointwise
