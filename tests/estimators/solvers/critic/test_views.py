"""Scores by ranks of training rows, canonical correlations that are told from chance."""

import numpy as np
import pytest
from scipy.special import ndtri

from pidkd.estimators.solvers.critic.views import NormalScores, View, Views
from pidkd.synthetic import sparse_normal


def test_scores_are_normal_quantiles_of_mean_ranks():
    scores = NormalScores(np.array([[3.0], [1.0], [1.0], [7.0]]))
    found = scores(np.array([[1.0], [3.0], [7.0], [2.0]]))[:, 0]
    known = ndtri(np.array([1.5, 3, 4]) / 5)
    assert found == pytest.approx([*known, known[:2].mean()])


def test_rows_beyond_the_training_rows_have_the_scores_of_the_ends():
    rng = np.random.default_rng(0)
    trained = rng.normal(size=(50, 1))
    ends = NormalScores(trained)(np.array([[-1e9], [1e9]]))[:, 0]
    assert ends == pytest.approx(ndtri(np.array([1, 50]) / 51))


def test_monotone_maps_of_a_column_change_no_score():
    rng = np.random.default_rng(0)
    trained = rng.normal(size=(200, 2))
    assert NormalScores(np.exp(trained))(np.exp(trained)) == pytest.approx(NormalScores(trained)(trained))


def test_a_view_has_variates_scores_and_the_norm():
    x = np.random.default_rng(0).standard_t(2, size=(300, 3))
    view = View(x, with_norm=True)
    assert view(x).shape == (300, 4)
    assert View(x, with_norm=False)(x).shape == (300, 3)
    norm = np.linalg.norm((x - np.median(x, axis=0)) / (np.quantile(x, 0.75, 0) - np.quantile(x, 0.25, 0)), axis=1)
    assert (np.argsort(view(x)[:, 3]) == np.argsort(norm)).all()
    assert View(1e3 * x + 7, with_norm=True)(1e3 * x + 7) == pytest.approx(view(x), abs=1e-5)


def test_correlations_that_there_are_and_no_others():
    x, y = sparse_normal(8, 6, rho=0.8, n_pairs=2).sample(4000)
    views = Views.fit(x, y, with_base=True, with_norms=False)
    assert views.correlations == pytest.approx([0.8, 0.8], abs=0.03)
    u, v = views.x(x)[:, :2], views.y(y)[:, :2]
    across = np.diag(views.correlations)
    assert np.corrcoef(u.T, v.T) == pytest.approx(np.block([[np.eye(2), across], [across, np.eye(2)]]), abs=1e-3)


def test_independent_variables_rarely_have_one():
    drawn = (np.random.default_rng(seed).normal(size=(2, 200, 3)) for seed in range(200))
    found = [len(Views.fit(x, y, with_base=True, with_norms=False).correlations) > 0 for x, y in drawn]
    assert np.mean(found) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_collinear_and_constant_columns_are_no_directions():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 1))
    repeated = np.hstack([x, x, np.ones((500, 1))])
    views = Views.fit(repeated, x + rng.normal(size=(500, 1)), with_base=True, with_norms=True)
    assert views.correlations == pytest.approx([0.7], abs=0.05)
    assert np.isfinite(views.x(repeated)).all()
    assert not len(Views.fit(np.ones((500, 2)), x, with_base=True, with_norms=True).correlations)


def test_more_columns_than_rows_have_no_correlations_by_chance():
    x, y = np.random.default_rng(0).normal(size=(2, 100, 300))
    assert not len(Views.fit(x, y, with_base=True, with_norms=False).correlations)


def test_a_copy_has_a_correlation_below_one():
    x = np.random.default_rng(0).normal(size=(400, 2))
    assert Views.fit(x, x, with_base=True, with_norms=False).correlations == pytest.approx(np.sqrt(1 - 1 / 400))


def test_without_a_base_there_are_no_variates():
    x = np.random.default_rng(0).normal(size=(100, 2))
    views = Views.fit(x, x, with_base=False, with_norms=False)
    assert len(views.correlations) == 0
    assert views.x(x).shape == (100, 2)
