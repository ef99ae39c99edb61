r"""Bias and variance of information computed from a sample covariance of Gaussian variables.

The bias of a mutual information is known exactly: with :math:`\nu = n - 1` and
:math:`g(d) = \sum_{k<d} \psi((\nu - k)/2)` it is :math:`\tfrac12 [g(d_x) + g(d_y) - g(d_x + d_y)]` nats, whatever the
covariance. How it falls on the atoms is found by drawing sample covariances, which are Wishart, by Bartlett's factors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.gaussian.closed_form import Conditionals, Split, conditionals, decomposed

DRAW_BYTES = 2**27
"""Memory for the sample covariances that are drawn at a time."""

MATCHING_DRAWS = 50
"""At most so many for each evaluation while a model is matched: a mean needs fewer than a quantile."""

ROOT_STEPS = 12
"""Evaluations of the expected plug-in value while it is matched."""


class Corrected(NamedTuple):
    """Atoms without their bias, in nats, and the sampling fluctuation of each, shape (n_draws, 4)."""

    split: Split
    fluctuation: FloatArray


def information_bias(n_samples: int, d_x: int, d_y: int) -> float:
    """Exact bias in nats of the plug-in mutual information of d_x and d_y Gaussian variables."""
    from scipy.special import digamma

    def g(d: int) -> float:
        return float(digamma((n_samples - 1 - np.arange(d)) / 2).sum())

    return (g(d_x) + g(d_y) - g(d_x + d_y)) / 2


def log_determinant_rule(n_samples: int, d_x: int, d_y: int) -> float:
    """The approximation of that bias which is made of sums of log(1 - k/n)."""

    def g(d: int) -> float:
        return float(np.log1p(-np.arange(1, d + 1) / n_samples).sum())

    return (g(d_x) + g(d_y) - g(d_x + d_y)) / 2


def sample_covariances(cov: FloatArray, n_samples: int, n_draws: int, seed: int) -> Iterator[FloatArray]:
    """Covariances of ``n_samples`` Gaussian samples, shape (n, d, d) a time; the same draws for the same seed."""
    factor = np.linalg.cholesky(cov)
    for drawn in _bartlett(len(cov), n_samples, n_draws, seed):
        root = factor @ drawn
        yield root @ root.swapaxes(1, 2)


def fluctuating(cov: FloatArray, dims: tuple[int, int, int], n_samples: int, n_draws: int, seed: int) -> FloatArray:
    """Plug-in atoms of sample covariances, shape (n_draws, 4).

    Ordered (t, s, y), the product of two triangles is the Cholesky factor of a sample covariance. Its rows of s and y
    are all that is needed.
    """
    d_y, d_t, _ = dims
    factor = np.linalg.cholesky(np.roll(cov, (-d_y, -d_y), (0, 1)))[d_t:]
    atoms = []
    for drawn in _bartlett(len(cov), n_samples, n_draws, seed):
        rows = factor @ drawn
        of_y = rows[:, -d_y:]
        known = Conditionals(
            nothing=_factor(of_y),
            t=_factor(of_y[..., d_t:]),
            s=_factor(rows)[:, -d_y:, -d_y:],
            both=of_y[..., -d_y:],
        )
        atoms.append(decomposed(known).atoms)
    return np.concatenate(atoms)


def _bartlett(d: int, n_samples: int, n_draws: int, seed: int) -> Iterator[FloatArray]:
    """Triangular factors of sample covariances of d independent variables of variance one."""
    degrees = n_samples - 1
    rng = np.random.default_rng(seed)
    rows, columns = np.tril_indices(d, -1)
    step = max(1, DRAW_BYTES // (8 * d * d))
    for start in range(0, n_draws, step):
        n = min(step, n_draws - start)
        factors = np.zeros((n, d, d))
        factors[:, rows, columns] = rng.normal(size=(n, len(rows)))
        factors[:, range(d), range(d)] = np.sqrt(rng.chisquare(degrees - np.arange(d), size=(n, d)))
        yield factors / degrees**0.5


def _factor(root: FloatArray) -> FloatArray:
    """The triangular factor of root root^T."""
    return np.asarray(np.linalg.cholesky(root @ root.swapaxes(1, 2)), dtype=np.float64)


def shrunk(cov: FloatArray, dims: tuple[int, int, int], share: float) -> FloatArray:
    r"""The covariance whose channels from Y to T and S differ by less.

    :math:`\mathrm{Cov}(Y|T) = A A^\top` and :math:`\mathrm{Cov}(Y|S) = A V^2 A^\top` go towards their geometric mean
    :math:`A V A^\top`: their log-eigenvalues in this basis are multiplied by ``share``. The noise stays as it is.
    """
    d_y, d_t, _ = dims
    known, _ = conditionals(cov, dims)
    left, v, _ = np.linalg.svd(np.linalg.solve(known.t, known.s))
    inverse = np.linalg.solve(known.nothing, known.t @ left)  # relative to a white Y
    effect = np.linalg.solve(known.nothing, cov[:d_y, d_y:]).T
    noise = cov[d_y:, d_y:] - effect @ effect.T
    channels = []
    for part, own, power in ((slice(None, d_t), np.ones(d_y), 1 - share), (slice(d_t, None), v, 1 + share)):
        before = _signal(inverse * own)
        after = _signal(inverse * v ** (power / 2))
        channels.append(effect[part] @ _power(before, -0.5) @ _power(after, 0.5))
    again = np.concatenate(channels)
    return np.block([[np.eye(d_y), again.T], [again, again @ again.T + noise]])


def corrected(
    cov: FloatArray, dims: tuple[int, int, int], n_samples: int, rule: str, n_draws: int, seed: int
) -> Corrected:
    r"""Atoms of a sample covariance without their bias.

    The three informations lose their exact bias. :math:`V = \mathrm{Uni}_T + \mathrm{Uni}_S` loses the mean excess of
    draws from the fitted covariance (``bootstrap``), or becomes that of the covariance, shrunk towards equal
    channels, from which draws have the observed V on average (``matching``). Where noise leaves the three informations
    or V outside of what a decomposition with non-negative atoms can have, they are put on its border.
    """
    d_y, d_t, d_s = dims
    plain = decomposed(conditionals(cov, dims)[0])
    bias = information_bias if rule != "venkatesh" else log_determinant_rule
    mi_t = max(0.0, float(plain.mi_t) - bias(n_samples, d_y, d_t))
    mi_s = max(0.0, float(plain.mi_s) - bias(n_samples, d_y, d_s))
    mi = max(mi_t, mi_s, float(plain.mi) - bias(n_samples, d_y, d_t + d_s))
    observed = float(plain.unique_t + plain.unique_s)
    model = cov

    def expected(share: float) -> float:
        drawn = fluctuating(shrunk(cov, dims, share), dims, n_samples, min(n_draws, MATCHING_DRAWS), seed)
        return float(drawn[:, 1:3].sum(axis=1).mean())

    if rule == "venkatesh":
        union = float(plain.mi_t + plain.unique_s) * (mi / float(plain.mi) if plain.mi > 0 else 0.0)
        total = 2 * union - mi_t - mi_s
    elif rule == "bootstrap":
        total = 2 * observed - expected(1.0)
    else:
        model = shrunk(cov, dims, _root(lambda share: expected(share) - observed))
        matched = decomposed(conditionals(model, dims)[0])
        total = float(matched.unique_t + matched.unique_s)
    total = max(abs(mi_t - mi_s), min(total, mi_t + mi_s, 2 * mi - mi_t - mi_s))
    unique_t, unique_s = (total + mi_t - mi_s) / 2, (total - mi_t + mi_s) / 2
    values = (mi_t, mi_s, mi, mi_t - unique_t, unique_t, unique_s, mi - mi_s - unique_t)
    drawn = fluctuating(model, dims, n_samples, n_draws, seed)
    return Corrected(Split(*map(np.asarray, values)), drawn - drawn.mean(axis=0))


def _root(excess: Callable[[float], float]) -> float:
    """Root of an increasing function on [0, 1], or the nearer end; regula falsi, the variant named I"""
    low, high = 0.0, 1.0
    at_low, at_high = excess(low), excess(high)
    if at_low >= 0 or at_high <= 0:
        return low if at_low >= 0 else high
    side = 0
    for _ in range(ROOT_STEPS):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        value = excess(middle)
        if abs(value) <= 1e-3 * max(at_high - at_low, 1e-12) or high - low < 1e-3:
            return middle
        if value < 0:
            low, at_low, at_high, side = middle, value, at_high / 2 if side < 0 else at_high, -1
        else:
            high, at_high, at_low, side = middle, value, at_low / 2 if side > 0 else at_low, 1
    return (low + high) / 2


def _signal(factor: FloatArray) -> FloatArray:
    """Signal-to-noise matrix of a source about a white Y with this factor of its covariance."""
    inverse = np.linalg.inv(factor)
    return np.asarray(inverse.T @ inverse - np.eye(len(factor)), dtype=np.float64)


def _power(matrix: FloatArray, power: float) -> FloatArray:
    """A power of a positive semidefinite matrix on its numerical range."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    kept = values > 1e-10 * max(1.0, values[-1])
    return np.asarray((vectors[:, kept] * values[kept] ** power) @ vectors[:, kept].T, dtype=np.float64)
