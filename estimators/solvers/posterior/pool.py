r"""Calibration: the log-linear pool :math:`q(y|x) \propto p(y)^{v} \prod_j p_j(y|x)^{w_j}`.

With one classifier, 1/w is its temperature. With several, those that say more weigh more, and where none says anything
the pool is the prior. The weights maximise the likelihood of rows that the classifiers have not seen: a convex problem
in a handful of unknowns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray
from pidkd.mapping import release

ENTRIES = 2**24
"""Numbers that the weights are fitted to: more rows than these hold are not looked at."""

PIECE = 2**21
"""Numbers that are looked at together, whatever lies in memory, so that sums are the same."""


def fit_weights(logs: Sequence[Array], y: IntArray, prior: FloatArray) -> FloatArray:
    """Weights of the classifiers, none negative, and last that of the prior.

    Parameters
    ----------
    logs : sequence of array, shape (n_classifiers, n, n_classes) each
    y : array of int, shape (n,)
    prior : array, shape (n_classes,)
    """
    from scipy.optimize import minimize

    size, n_classes = sum(map(len, logs)), len(prior)
    n = min(len(y), max(1, ENTRIES // (size * n_classes)))
    step = max(1, PIECE // ((size + 1) * n_classes))
    parts = [slice(start, min(n, start + step)) for start in range(0, n, step)]
    whole = _with_prior(logs, parts[0], prior) if len(parts) == 1 else None

    def part(rows: slice) -> Array:
        return _with_prior(logs, rows, prior) if whole is None else whole

    right = sum(part(rows)[:, np.arange(len(y[:n][rows])), y[rows]].sum(axis=1) for rows in parts) / n

    def loss(w: FloatArray) -> tuple[float, FloatArray]:
        value, slope = 0.0, np.zeros(size + 1)
        for rows in parts:
            log_p = part(rows)
            z = np.tensordot(w, log_p, 1)
            z -= (top := z.max(axis=1, keepdims=True))
            q = np.exp(z)
            total = q.sum(axis=1, keepdims=True)
            q /= total
            value += float((np.log(total) + top).sum())
            slope += np.einsum("nk,jnk->j", q, log_p)
        return value / n - float(w @ right), slope / n - right

    start = np.r_[np.full(size, 1 / size), 0.0]
    bounds = [(0.0, None)] * size + [(None, None)]
    weights: FloatArray = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return weights


def pooled(logs: Sequence[Array], weights: FloatArray, prior: FloatArray) -> FloatArray:
    """The pool's probabilities, shape (n, n_classes)."""
    z = np.tensordot(weights, _with_prior(logs, slice(None), prior), 1)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True), dtype=np.float64)


def smoothed(p: FloatArray, prior: FloatArray, n: int) -> FloatArray:
    """The rule of succession: what was never seen in ``n`` rows is still possible, once in n + 1.

    Without it one label that a classifier had ruled out would make every bound minus infinity.
    """
    q = n * p + prior
    return np.asarray(q / q.sum(axis=1, keepdims=True), dtype=np.float64)


def _with_prior(logs: Sequence[Array], rows: slice, prior: FloatArray) -> Array:
    parts = [np.ascontiguousarray(part[:, rows], dtype=np.float64) for part in logs]
    release()
    return np.concatenate([*parts, np.broadcast_to(np.log(prior), (1, *parts[0].shape[1:]))])
