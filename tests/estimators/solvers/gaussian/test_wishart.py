"""Drawn sample covariances, the exact bias, and the family of models that is matched."""

import numpy as np
import pytest

from pidkd.estimators.solvers.gaussian.closed_form import conditionals, decomposed
from pidkd.estimators.solvers.gaussian.wishart import (
    corrected,
    fluctuating,
    information_bias,
    log_determinant_rule,
    sample_covariances,
    shrunk,
)

DIMS = (2, 3, 3)


def covariance(seed=0):
    mixing = np.random.default_rng(seed).normal(size=(8, 12))
    return mixing @ mixing.T


def test_draws_have_the_moments_of_sample_covariances():
    cov = covariance()
    drawn = np.concatenate(list(sample_covariances(cov, 21, 20_000, 0)))
    variance = (np.outer(np.diag(cov), np.diag(cov)) + cov**2) / 20
    assert np.abs(drawn.mean(axis=0) - cov).max() < 5 * np.sqrt(variance.max() / 20_000)
    assert drawn.var(axis=0) == pytest.approx(variance, rel=0.1)


def test_atoms_of_draws_have_the_law_of_those_of_sample_covariances():
    cov, n = covariance(), 4000
    drawn = fluctuating(cov, DIMS, 21, n, 0)
    known = np.concatenate(
        [decomposed(conditionals(each, DIMS)[0]).atoms for each in sample_covariances(cov, 21, n, 1)]
    )
    assert (np.abs(drawn.mean(axis=0) - known.mean(axis=0)) < 6 * known.std(axis=0) / np.sqrt(n)).all()
    assert drawn.std(axis=0) == pytest.approx(known.std(axis=0), rel=0.1)


@pytest.mark.parametrize("n", [12, 50])
def test_the_bias_of_each_information_is_exact(n):
    cov = covariance()
    truth = decomposed(conditionals(cov, DIMS)[0])
    drawn = next(decomposed(conditionals(each, DIMS)[0]) for each in sample_covariances(cov, n, 4000, 0))
    for name, d_x in (("mi_t", 3), ("mi_s", 3), ("mi", 6)):
        values = getattr(drawn, name)
        excess = values.mean() - getattr(truth, name)
        assert excess == pytest.approx(information_bias(n, d_x, 2), abs=4 * values.std() / np.sqrt(4000))


def test_the_rule_of_logarithms_approximates_it():
    assert log_determinant_rule(1000, 20, 5) == pytest.approx(information_bias(1000, 20, 5), rel=0.05)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_unique_information_shrinks_in_proportion_where_the_channels_have_full_rank(share):
    cov = covariance()
    before = decomposed(conditionals(cov, DIMS)[0])
    after = decomposed(conditionals(shrunk(cov, DIMS, share), DIMS)[0])
    assert after.unique_t == pytest.approx(share * before.unique_t, abs=1e-9)
    assert after.unique_s == pytest.approx(share * before.unique_s, abs=1e-9)
    if share == 1:
        assert after.atoms == pytest.approx(before.atoms, abs=1e-9)


def test_matching_finds_a_model_whose_samples_look_like_the_observed():
    truth = covariance()
    (observed,) = next(sample_covariances(truth, 40, 1, 3))
    total = decomposed(conditionals(observed, DIMS)[0]).atoms[1:3].sum()
    found = corrected(observed, DIMS, 40, "matching", 50, 0).split
    assert 0 <= found.unique_t + found.unique_s < total
    assert found.atoms.min() >= -1e-15
    assert fluctuating(observed, DIMS, 40, 50, 0)[:, 1:3].sum(axis=1).mean() > total
