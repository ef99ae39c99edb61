r"""Alternating minimisation for BROJA: little memory, slow and sure, for tables too large for Newton's method.

The plan has the form :math:`q = \alpha_{yt} \beta_{ys} r_{ts}`. One sweep fits alpha and beta to the pair marginals
(iterative proportional fitting), then moves r towards :math:`\sum_y q`. Only matrices of shape (n_y, n_t), (n_y, n_s)
and (n_t, n_s) are held while it runs. Logarithms of alpha and beta are potentials at every moment.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.union.certificate import (
    Potentials,
    dual_value,
    feasible_potentials,
)

RELAXATION = 1.8
"""Exponent of the update of r; the plain update is 1, larger ones overshoot."""
CHECK_EVERY = 25


def alternate(
    yt: FloatArray, ys: FloatArray, tol: float, sweeps: int, progress: Callable[[float], None] | None = None
) -> tuple[FloatArray, FloatArray, FloatArray, int]:
    """Sweep until primal and dual value differ by less than ``tol`` (nats), or ``sweeps`` are done.

    Parameters
    ----------
    yt : array, shape (n_t, n_y)
    ys : array, shape (n_y, n_s)
        Pair marginals in the layout of ``Reduction``.

    Returns
    -------
    q : array, shape (n_t, n_y, n_s)
    a : array, shape (n_t, n_y)
    b : array, shape (n_y, n_s)
    done : int
        Sweeps made.
    """
    p_yt = yt.T
    p_y = ys.sum(axis=1)
    r = yt.sum(axis=1)[:, None] * ys.sum(axis=0)[None, :]
    alpha, beta = p_yt / p_y[:, None], np.ones_like(ys)
    done = 0
    for done in range(1, sweeps + 1):
        beta = _divide(ys, alpha @ r)
        alpha = _divide(p_yt, beta @ r.T)
        g = alpha.T @ beta
        if done % CHECK_EVERY == 0 or done == sweeps:
            with np.errstate(divide="ignore"):
                potentials = Potentials(np.log(alpha), np.log(beta))
            lower = dual_value((p_yt, ys), feasible_potentials((p_yt, ys), potentials))
            upper = dual_value((p_yt, ys), potentials) - float(_xlogy(r * g, g).sum())
            if progress is not None:
                progress(done / sweeps)
            if upper - lower <= tol:
                break
        r = r * g**RELAXATION
        r /= r.sum()
    with np.errstate(divide="ignore"):
        a, b = np.log(alpha).T, np.log(beta)
    return alpha.T[:, :, None] * beta[None, :, :] * r[:, None, :], a, b, done


def _divide(wanted: FloatArray, found: FloatArray) -> FloatArray:
    return np.divide(wanted, found, out=np.zeros_like(wanted), where=(wanted > 0) & (found > 0))


def _xlogy(x: FloatArray, y: FloatArray) -> FloatArray:
    return x * np.log(np.where(x > 0, y, 1.0))
