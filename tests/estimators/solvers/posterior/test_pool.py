import numpy as np
import pytest

from pidkd.estimators.solvers.posterior.pool import fit_weights, pooled, smoothed


def test_temperature_and_prior_are_found():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(40_000, 3)) * 2
    prior = np.array([0.5, 0.3, 0.2])
    truth = np.exp(0.5 * z + np.log(prior))
    truth /= truth.sum(axis=1, keepdims=True)
    y = (truth.cumsum(axis=1) < rng.random((len(z), 1))).sum(axis=1)
    logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))  # twice too sure, and of even classes
    weights = fit_weights([logs[None]], y, prior)
    assert weights == pytest.approx([0.5, 1.0], abs=0.03)
    assert pooled([logs[None]], weights, prior) == pytest.approx(truth, abs=0.02)


def test_where_nothing_is_said_the_pool_is_the_prior():
    rng = np.random.default_rng(1)
    prior = np.array([0.7, 0.2, 0.1])
    logs = np.log(rng.dirichlet(np.ones(3), size=(2, 20_000)))
    y = rng.choice(3, size=20_000, p=prior)
    assert pooled([logs], fit_weights([logs], y, prior), prior) == pytest.approx(
        np.broadcast_to(prior, (20_000, 3)), abs=0.05
    )


def test_what_was_ruled_out_stays_possible():
    p = smoothed(np.array([[1.0, 0.0]]), np.array([0.5, 0.5]), 9)
    assert p == pytest.approx(np.array([[0.95, 0.05]]))
