"""Roots and residuals against the covariances that they stand for."""

import numpy as np
import pytest

from pidkd.estimators.solvers.gaussian import factor


def test_the_root_is_that_of_the_correlations_however_it_is_chunked(monkeypatch):
    rng = np.random.default_rng(0)
    blocks = [5 + rng.normal(size=200), rng.normal(size=(200, 3)) * 1e6, rng.normal(size=(200, 2)).astype(np.float32)]
    joined = np.concatenate([block.reshape(200, -1) for block in blocks], axis=1)
    known = np.corrcoef(joined.T)
    for size in (factor.CHUNK_BYTES, 8 * 6 * 7):
        monkeypatch.setattr(factor, "CHUNK_BYTES", size)
        root = factor.scatter_root(blocks)
        assert root.T @ root == pytest.approx(known, abs=1e-13)


def test_the_residual_is_the_conditional_covariance_to_small_values():
    rng = np.random.default_rng(0)
    x = np.linalg.qr(rng.normal(size=(50, 3)))[0]
    noise = np.linalg.qr(np.concatenate([x, rng.normal(size=(50, 1))], axis=1))[0][:, 3:]
    for size in (1.0, 1e-6, 1e-12):
        y = np.sqrt(1 - size**2) * x[:, :1] + size * noise
        assert abs(factor.residual(y, x)[0, 0]) == pytest.approx(size, rel=1e-3)


def test_collinear_and_zero_columns_are_dropped():
    columns = np.random.default_rng(0).normal(size=(20, 2))
    more = np.concatenate([columns, columns.sum(axis=1, keepdims=True), np.zeros((20, 1))], axis=1)
    found = factor.basis(more, 1e-12)
    assert found.shape == (20, 2)
    assert found @ (found.T @ columns) == pytest.approx(columns, abs=1e-13)
    assert factor.basis(np.zeros((20, 3)), 1e-12).shape == (20, 0)
