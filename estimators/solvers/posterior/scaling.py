r"""Scaling of posteriors: :math:`q(y|x) \propto \exp(\sum_{y'} W_{yy'} \log p(y'|x) + b_y)`.

A temperature leaves what is largest the largest. Classes that a network has never seen, and of which its other outputs
tell a lot, take a matrix: one for each fold, shrunk towards a temperature, and fitted to rows whose posteriors it does
not scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray

PENALTY = 0.3
"""Of the squared distance from a temperature, for columns of variance 1, as if so many rows had been seen."""

ENTRIES = 2**31
"""Products in a step of a fit: where a matrix takes more of them, each class is scaled by itself."""

LEAST = 1e-6
"""Standard deviation of a column that is as good as constant."""

OPTIONS: Any = {"maxiter": 200, "ftol": 1e-7, "gtol": 1e-5}


def scaled(logs: FloatArray, y: IntArray, fold: IntArray, others: FloatArray) -> tuple[Array, Array]:
    """Scaled logarithms of rows, each by what was fitted to the other folds, and of others by what was fitted to all.

    Parameters
    ----------
    logs : array, shape (n, n_classes)
        Logarithms of class probabilities.
    y, fold : array of int, shape (n,)
    others : array, shape (n_others, n_classes)

    Returns
    -------
    within : array, shape (n, n_classes)
    outside : array, shape (n_others, n_classes)
    """
    x, x_others = (one - one.mean(axis=1, keepdims=True) for one in (logs, others))
    middle, size = x.mean(axis=0), np.maximum(x.std(axis=0), LEAST)
    # Without the mean a column that is constant, as of a class that was never seen, would be as large as 1 / LEAST.
    x, x_others = (x - middle) / size, (x_others - middle) / size
    within = np.empty(x.shape)
    for held in np.unique(fold):
        rows, rest = fold == held, fold != held
        within[rows] = _log_softmax(_applied(x[rows], _fitted(x[rest], y[rest], size)))
    return within, _log_softmax(_applied(x_others, _fitted(x, y, size)))


def _fitted(x: FloatArray, y: IntArray, size: FloatArray) -> FloatArray:
    """Weights, shape (n_classes, n_classes) or (1, n_classes), and below them the shifts."""
    from scipy.optimize import minimize

    n, k = x.shape
    diagonal = n * k * k > ENTRIES
    target = np.zeros((n, k))
    target[np.arange(n), y] = 1 / n
    unit = size[None] if diagonal else np.diag(size)

    def loss(weights: FloatArray, start: FloatArray) -> tuple[float, FloatArray]:
        w = weights.reshape(-1, k)
        z = _applied(x, w)
        log_q = _log_softmax(z)
        slope = np.exp(log_q) / n - target
        in_w = (slope * x).sum(axis=0, keepdims=True) if diagonal else x.T @ slope
        off = w[:-1] - start
        value = -float((log_q * target).sum()) + PENALTY / 2 / n * float((off**2).sum())
        return value, np.vstack([in_w + PENALTY / n * off, slope.sum(axis=0)]).ravel()

    def of_temperature(t: FloatArray) -> tuple[float, FloatArray]:
        value, slope = loss(np.vstack([t[0] * unit, t[1:]]).ravel(), t[0] * unit)
        slope = slope.reshape(-1, k)
        return value, np.r_[(slope[:-1] * unit).sum(), slope[-1]]

    start = minimize(of_temperature, np.r_[1.0, np.zeros(k)], jac=True, method="L-BFGS-B", options=OPTIONS).x
    centre = max(start[0], 0.0) * unit
    fit = minimize(
        loss, np.vstack([centre, start[1:]]).ravel(), (centre,), jac=True, method="L-BFGS-B", options=OPTIONS
    )
    return np.asarray(fit.x.reshape(-1, k), dtype=np.float64)


def _applied(x: FloatArray, weights: FloatArray) -> FloatArray:
    scaled = x * weights[:-1] if len(weights) == 2 else x @ weights[:-1]
    return np.asarray(scaled + weights[-1])


def _log_softmax(z: FloatArray) -> FloatArray:
    z = z - z.max(axis=1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(axis=1, keepdims=True)))
