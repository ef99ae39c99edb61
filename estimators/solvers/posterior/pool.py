r"""Calibration: the log-linear pool :math:`q(y|x) \propto p(y)^{v} \prod_j p_j(y|x)^{w_j}`.

With one classifier, 1/w is its temperature. With several, those that say more weigh more, and where none says anything
the pool is the prior. The weights maximise the likelihood of rows that the classifiers have not seen: a convex problem
in a handful of unknowns.
"""

from __future__ import annotations

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray

ENTRIES = 2**24
"""Numbers that the weights are fitted to: more rows than these hold are not looked at."""


def fit_weights(logs: FloatArray, y: IntArray, prior: FloatArray) -> FloatArray:
    """Weights of the classifiers, none negative, and last that of the prior.

    Parameters
    ----------
    logs : array, shape (n_classifiers, n, n_classes)
    y : array of int, shape (n,)
    prior : array, shape (n_classes,)
    """
    from scipy.optimize import minimize

    n = min(len(y), max(1, ENTRIES // (logs.shape[0] * logs.shape[2])))
    logs, y = _with_prior(logs[:, :n], prior), y[:n]
    right = logs[:, np.arange(n), y].mean(axis=1)

    def loss(w: FloatArray) -> tuple[float, FloatArray]:
        z = np.tensordot(w, logs, 1)
        z -= (top := z.max(axis=1, keepdims=True))
        q = np.exp(z)
        total = q.sum(axis=1, keepdims=True)
        q /= total
        value = float((np.log(total) + top).mean() - w @ right)
        return value, np.einsum("nk,jnk->j", q, logs) / n - right

    size = len(logs) - 1
    start = np.r_[np.full(size, 1 / size), 0.0]
    bounds = [(0.0, None)] * size + [(None, None)]
    weights: FloatArray = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return weights


def pooled(logs: FloatArray, weights: FloatArray, prior: FloatArray) -> FloatArray:
    """The pool's probabilities, shape (n, n_classes)."""
    z = np.tensordot(weights, _with_prior(logs, prior), 1)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True), dtype=np.float64)


def smoothed(p: FloatArray, prior: FloatArray, n: int) -> FloatArray:
    """The rule of succession: what was never seen in ``n`` rows is still possible, once in n + 1.

    Without it one label that a classifier had ruled out would make every bound minus infinity.
    """
    q = n * p + prior
    return np.asarray(q / q.sum(axis=1, keepdims=True), dtype=np.float64)


def _with_prior(logs: FloatArray, prior: FloatArray) -> Array:
    return np.concatenate([logs, np.broadcast_to(np.log(prior), (1, *logs.shape[1:]))])
