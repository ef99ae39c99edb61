"""Two classes: against the hull of the ROC curves, and feasible whatever it was fitted to."""

import numpy as np
import pytest

from pidkd.estimators.solvers.posterior.thresholds import Thresholds
from pidkd.estimators.solvers.union.two_classes import Hull


def sources(seed, n_t=6, n_s=5):
    rng = np.random.default_rng(seed)
    prior = rng.dirichlet([3, 3])
    return prior, *(prior[:, None] * rng.dirichlet(np.ones(n), size=2) for n in (n_t, n_s))


def rows(table, n=20_000):
    """Posteriors of a table, each as often as its cell, so that a mean over rows is one over cells."""
    mass = table.sum(axis=0)
    return np.repeat((table / mass).T, np.round(mass * n).astype(int), axis=0)


@pytest.mark.parametrize("seed", range(5))
def test_its_value_is_the_information_of_the_common_hull(seed):
    prior, t, s = sources(seed)
    fitted = Thresholds.fit([rows(t), rows(s)], prior)
    # a and b apart: the other source at a posterior that says nothing new.
    p_t, p_s = (t / t.sum(axis=0)).T, (s / s.sum(axis=0)).T
    fixed_t, fixed_s = np.repeat(p_t[:1], len(p_s), axis=0), np.repeat(p_s[:1], len(p_t), axis=0)
    a, b = fitted.potentials([p_t, fixed_s]), fitted.potentials([fixed_t, p_s])
    corner = fitted.potentials([p_t[:1], p_s[:1]])
    value = (t.T * a).sum() + (s.T * b).sum() - (prior * corner).sum() - (prior * np.log(prior)).sum()
    assert value == pytest.approx(Hull.of((t, s)).information, abs=1e-4)  # cells are counted in whole rows


@pytest.mark.parametrize("seed", range(5))
def test_feasible_for_posteriors_that_were_never_seen(seed):
    rng = np.random.default_rng(seed)
    prior, t, s = sources(seed)
    fitted = Thresholds.fit([rows(t, 200), rows(s, 200)], prior)
    p_t, p_s = rng.dirichlet([0.3, 0.3], size=(2, 3000))
    assert np.exp(fitted.potentials([p_t, p_s])).sum(axis=1).max() <= 1 + 1e-9


def test_a_copy_earns_its_own_posterior():
    p = np.random.default_rng(0).dirichlet([1, 1], size=500)
    fitted = Thresholds.fit([p, p], p.mean(axis=0))
    assert fitted.potentials([p, p]) == pytest.approx(np.log(p), abs=1e-9)
