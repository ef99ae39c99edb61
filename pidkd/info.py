"""Entropy and mutual information of probability tables, in nats."""

from __future__ import annotations

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.result import Information


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
    a, b = np.nonzero(p)
    joint = p[a, b]
    ratio = np.log(joint) - np.log(p.sum(axis=1)[a]) - np.log(p.sum(axis=0)[b])
    return float((joint * ratio).sum())


def information(p: FloatArray) -> Information:
    """I(Y;T), I(Y;S) and I(Y;T,S) of a joint table of shape (n_y, n_t, n_s), in nats."""
    return Information(
        t=table_information(p.sum(axis=2)),
        s=table_information(p.sum(axis=1)),
        both=table_information(p.reshape(len(p), -1)),
    )


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
