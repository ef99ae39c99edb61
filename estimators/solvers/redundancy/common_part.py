"""The common part of two sources: what can be computed with certainty from either alone."""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components

from pidkd.arrays import FloatArray
from pidkd.info import table_information


def common_information(p: FloatArray) -> float:
    r""":math:`I(Y;C)` in nats, C the connected component of the graph that joins t and s where :math:`p(t,s) > 0`.

    Parameters
    ----------
    p : array, shape (n_y, n_t, n_s)

    Examples
    --------
    >>> import numpy as np
    >>> copies = np.zeros((2, 2, 2))
    >>> copies[[0, 1], [0, 1], [0, 1]] = 0.5
    >>> round(common_information(copies), 6)
    0.693147
    """
    n_y, n_t, n_s = p.shape
    graph = np.zeros((n_t + n_s, n_t + n_s))
    graph[:n_t, n_t:] = p.sum(axis=0) > 0
    n_components, component = connected_components(graph, directed=False)
    joint = np.zeros((n_components, n_y))
    np.add.at(joint, component[:n_t], p.sum(axis=2).T)
    return table_information(joint)
