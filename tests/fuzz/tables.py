"""Tables that are hard to decompose: tiny and huge ratios, zeros, ties, single rows, and every size up to some."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

import pidkd


def attempt(rng: random.Random, folder: Path) -> str:
    """Decompose a table by ``broja``, and ask its certificate and the identities."""
    generator = np.random.default_rng(rng.randrange(2**32))
    shape = tuple(rng.choice((1, 2, 2, 3, 4, 6)) for _ in range(3))
    p = generator.dirichlet(np.full(int(np.prod(shape)), rng.choice((0.01, 0.1, 1.0, 10.0)))).reshape(shape)
    for _ in range(rng.randrange(3)):
        p = rng.choice((_sparse, _scaled, _tied, _rounded, _dominated))(p, generator)
    if not p.sum() > 0:
        p = np.ones(shape)
    result = pidkd.decompose(pidkd.Pmf(p / p.sum()))
    assert result.certificate.status in ("exact", "optimal"), f"status {result.certificate.status}"
    assert result.certificate.gap <= 1.01e-9, "certified gap"
    assert abs(result.residual) < 1e-9, "identities"
    assert min(result.atoms.values()) > -1e-8, "negative atom"
    return "certified"


def _sparse(p: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return p * (generator.random(p.shape) < generator.random())


def _scaled(p: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return p * 10.0 ** generator.uniform(-generator.choice([3, 12, 100]), 0, p.shape)


def _tied(p: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    axis = int(generator.integers(3))
    return np.take(p, np.zeros(p.shape[axis], int), axis=axis) * generator.choice([1.0, 1 + 1e-12])


def _rounded(p: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.round(p * 10.0 ** generator.integers(1, 4))


def _dominated(p: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    cell = tuple(int(generator.integers(n)) for n in p.shape)
    p = p * 10.0 ** -float(generator.integers(1, 16))
    p[cell] = 1.0
    return p
