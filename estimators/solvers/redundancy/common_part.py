"""The common part of several sets of sources: what can be computed with certainty from each of them alone."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pidkd.antichains import members
from pidkd.arrays import FloatArray, IntArray
from pidkd.info import table_information


def common_part(p: FloatArray, antichain: tuple[int, ...] = (0b01, 0b10)) -> IntArray:
    """Value of the common part at each (x_1, ..., x_n); of no meaning where that has probability zero.

    Parameters
    ----------
    p : array, shape (n_y, n_1, ..., n_n)
    antichain : tuple of int
        Sets of sources as bit masks.

    Returns
    -------
    array, shape (n_1, ..., n_n)
        Connected component of the graph that joins values of two sets where they occur together.

    Examples
    --------
    >>> import numpy as np
    >>> common_part(np.eye(2)[None] / 2)[[0, 1], [0, 1]].tolist()
    [0, 1]
    """
    sizes = p.shape[1:]
    grid = np.indices(sizes, sparse=True)
    first, *others = antichain
    own, n_nodes = _values(grid, sizes, first)
    occurs = p.sum(axis=0) > 0
    left, right = [], []
    for sources in others:
        values, n_values = _values(grid, sizes, sources)
        left.append(np.broadcast_to(own, sizes)[occurs])
        right.append(np.broadcast_to(values, sizes)[occurs] + n_nodes)
        n_nodes += n_values
    nothing: IntArray = np.zeros(0, dtype=np.int64)
    edges = np.concatenate([nothing, *left]), np.concatenate([nothing, *right])
    graph = coo_array((np.ones(len(edges[0])), edges), shape=(n_nodes, n_nodes))
    component: IntArray = connected_components(graph, directed=False)[1][np.broadcast_to(own, sizes)].astype(np.int64)
    return component


def common_information(p: FloatArray, antichain: tuple[int, ...] = (0b01, 0b10)) -> float:
    r""":math:`I(Y;C)` in nats, C the common part.

    Parameters
    ----------
    p : array, shape (n_y, n_1, ..., n_n)
    antichain : tuple of int
        Sets of sources as bit masks.

    Examples
    --------
    >>> import numpy as np
    >>> copies = np.zeros((2, 2, 2))
    >>> copies[[0, 1], [0, 1], [0, 1]] = 0.5
    >>> round(common_information(copies), 6)
    0.693147
    """
    return table_information(common_table(p, common_part(p, antichain)))


def common_table(p: FloatArray, component: IntArray) -> FloatArray:
    """Joint table (n_y, n_components) of the target and the common part."""
    joint = np.zeros((int(component.max()) + 1, len(p)))
    np.add.at(joint, component.ravel(), p.reshape(len(p), -1).T)
    return joint.T


def _values(grid: tuple[IntArray, ...], sizes: tuple[int, ...], sources: int) -> tuple[IntArray, int]:
    """Number of the value of a set of sources, broadcastable to the grid, and how many values it may take."""
    kept = members(sources)
    dims = tuple(sizes[i] for i in kept)
    number = sum(grid[i] * int(np.prod(dims[k + 1 :])) for k, i in enumerate(kept))
    return np.asarray(number), int(np.prod(dims))
