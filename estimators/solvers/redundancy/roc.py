r"""Information of two sources about a binary target, by their ROC curves.

A source of a binary target is known, as far as decisions about the target go, by its ROC curve: the concave curve from
(0, 0) to (1, 1) whose edges are :math:`(p(x|y_0), p(x|y_1))`, the x in order of their likelihood ratio. One source is a
garbling of another exactly when its curve lies nowhere above. So the best source below both has the pointwise minimum
of their curves: :math:`I_\prec`. The least source above both has the concave hull, BROJA's union information
(``union.two_classes``). Neither holds for more than two classes, where there is no such lattice.
"""

from __future__ import annotations

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.redundancy.cone import information_of


def intersection_information(p_yt: FloatArray, p_ys: FloatArray) -> float:
    r"""The information of the best garbling of both sources, :math:`I_\prec`, in nats.

    Parameters
    ----------
    p_yt, p_ys : arrays, shapes (2, n_t) and (2, n_s)
        Both with the same p(y), both classes with positive mass.
    """
    p_y = p_yt.sum(axis=1)
    return _information(_minimum(_curve(p_yt), _curve(p_ys)), p_y)


def _curve(joint: FloatArray) -> FloatArray:
    """Corners of the ROC curve of a table of shape (2, n), from (0, 0) to (1, 1)."""
    edges = joint[:, joint.sum(axis=0) > 0] / joint.sum(axis=1, keepdims=True)
    steepest_first = np.argsort(-edges[1] / edges.sum(axis=0), kind="stable")
    corners = np.zeros((edges.shape[1] + 1, 2))
    np.cumsum(edges[:, steepest_first].T, axis=0, out=corners[1:])
    corners[-1] = 1.0
    return np.minimum(corners, 1.0)


def _minimum(one: FloatArray, other: FloatArray) -> FloatArray:
    """Corners of the pointwise minimum of two concave curves."""
    x = np.unique(np.concatenate([one[:, 0], other[:, 0]]))
    above = _height(one, x) - _height(other, x)
    crosses = np.flatnonzero(above[:-1] * above[1:] < 0)
    share = above[crosses] / (above[crosses] - above[crosses + 1])
    x = np.sort(np.concatenate([x, x[crosses] + share * (x[crosses + 1] - x[crosses])]))
    corners = np.column_stack([x, np.minimum(_height(one, x), _height(other, x))])
    return np.vstack([np.zeros((1, 2)), corners])


def _height(curve: FloatArray, x: FloatArray) -> FloatArray:
    """The curve's height, where it is vertical (at 0) its upper end."""
    _, last = np.unique(curve[::-1, 0], return_index=True)
    top = curve[::-1][last]
    height: FloatArray = np.interp(x, top[:, 0], top[:, 1])
    return height


def _information(corners: FloatArray, p_y: FloatArray) -> float:
    """The mutual information of the source with this ROC curve."""
    edges = np.maximum(np.diff(corners, axis=0), 0.0)
    return float(information_of(edges * p_y, p_y).sum())
