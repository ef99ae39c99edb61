r"""The largest ellipsoid below several: the union information of jointly Gaussian sources.

With :math:`C_i = \mathrm{Cov}(Y|X_i)` relative to a white Y,

.. math::

    I_\cup = -\tfrac12 \max \{ \log\det C : C \preceq C_i \;\forall i \}.

Every coupling of the sources has a Cov(Y|X_1..X_n) below each :math:`C_i`, and every such C belongs to one: draw each
source from a channel of that precision, independently of the others. A logarithmic barrier with Newton steps solves
it; :math:`Z_i = \mu (C_i - C)^{-1}` is dual, and proves
:math:`\log\det C \le \sum_i \mathrm{tr}(Z_i C_i) - \log\det \sum_i Z_i - d_y`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pidkd.arrays import FloatArray

SHRINK = 0.15
"""Factor of the barrier's weight from one centre to the next."""
CENTRES = 25
STEPS = 20
"""Newton steps to a centre, at most."""
CENTRED = 1e-9
"""Half the squared Newton decrement at which a point counts as central."""


class UnionOfGaussians(NamedTuple):
    """Proven bounds of the union information in nats, and the largest C."""

    lower: float
    upper: float
    largest: FloatArray


def gaussian_union(conditionals: Sequence[FloatArray], tol: float) -> UnionOfGaussians:
    """The union information from Cov(Y|X_i), shape (d_y, d_y) each, positive definite and relative to a white Y.

    Parameters
    ----------
    conditionals : sequence of arrays
    tol : float
        Gap in nats to aim for.
    """
    if len(conditionals) == 1 or conditionals[0].shape == (1, 1):
        least = min(conditionals, key=lambda c: float(np.linalg.slogdet(c)[1]))
        value = -float(np.linalg.slogdet(least)[1]) / 2
        return UnionOfGaussians(value, value, least)
    # In the frame of their harmonic mean all of them are of order one.
    frame = np.linalg.cholesky(np.linalg.inv(sum(np.linalg.inv(c) for c in conditionals) / len(conditionals)))
    inverse = np.linalg.inv(frame)
    scaled = [inverse @ c @ inverse.T for c in conditionals]
    offset = -float(np.log(np.diag(frame)).sum())
    c = np.eye(len(frame)) * (0.9 / len(scaled))
    lower, upper, best, mu = -np.inf, np.inf, c, 1.0
    for _ in range(CENTRES):
        c = _centred(c, scaled, mu)
        value = -float(np.linalg.slogdet(c)[1]) / 2
        if value < upper:
            upper, best = value, c
        lower = max(lower, _dual(c, scaled, mu))
        if upper - lower <= tol:
            break
        mu *= SHRINK
    return UnionOfGaussians(lower + offset, upper + offset, frame @ best @ frame.T)


def _centred(c: FloatArray, conditionals: Sequence[FloatArray], mu: float) -> FloatArray:
    """The C that maximises log det C + mu sum_i log det(C_i - C), by Newton's method from a feasible one."""
    d = len(c)
    for _ in range(STEPS):
        inverse = np.linalg.inv(c)
        slack = [np.linalg.inv(each - c) for each in conditionals]
        gradient = inverse - mu * sum(slack)
        hessian = np.kron(inverse, inverse) + mu * sum(np.kron(s, s) for s in slack)
        step = np.linalg.solve(hessian, gradient.ravel()).reshape(d, d)
        step = (step + step.T) / 2
        decrement = float((gradient * step).sum())
        length = 1.0 if decrement < 0.25 else 1.0 / (1.0 + np.sqrt(decrement / min(mu, 1.0)))
        while not _inside(c + length * step, conditionals):
            length /= 2
            if length < 1e-12:
                return c
        c = c + length * step
        if decrement / 2 <= CENTRED * mu:
            break
    return c


def _inside(c: FloatArray, conditionals: Sequence[FloatArray]) -> bool:
    try:
        np.linalg.cholesky(np.stack([c, *(each - c for each in conditionals)]))
    except np.linalg.LinAlgError:
        return False
    return True


def _dual(c: FloatArray, conditionals: Sequence[FloatArray], mu: float) -> float:
    """The lower bound of the union information that the barrier's multipliers prove."""
    z = [mu * np.linalg.inv(each - c) for each in conditionals]
    z = [(each + each.T) / 2 for each in z]
    trace = sum(float((one * each).sum()) for one, each in zip(z, conditionals, strict=True))
    return (float(np.linalg.slogdet(sum(z))[1]) + len(c) - trace) / 2
