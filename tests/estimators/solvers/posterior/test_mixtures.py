"""Several classes: feasible for posteriors that were never seen, and near the certified optimum."""

import numpy as np
import pytest

import pidkd
from pidkd.estimators.solvers.posterior.mixtures import Mixtures, mixed


@pytest.mark.parametrize("n_classes", [3, 12])
def test_feasible_for_posteriors_that_were_never_seen(n_classes):
    rng = np.random.default_rng(n_classes)
    p_t, p_s = rng.dirichlet(np.full(n_classes, 0.4), size=(2, 600))
    fitted = Mixtures.fit([p_t, p_s], np.full(n_classes, 1 / n_classes))
    new_t, new_s = rng.dirichlet(np.full(n_classes, 0.2), size=(2, 1000)) + 1e-300
    for shift in range(10):  # each t with several s
        assert np.exp(fitted.potentials([new_t, np.roll(new_s, shift, axis=0)])).sum(axis=1).max() <= 1 + 1e-9


def test_the_ends_are_what_one_source_says_alone():
    rng = np.random.default_rng(1)
    p_t, p_s = rng.dirichlet(np.ones(4), size=(2, 50))
    assert Mixtures(np.ones((4, 1))).potentials([p_t, p_s]) == pytest.approx(np.log(p_t), abs=1e-12)
    assert Mixtures(np.eye(4)).potentials([p_t, p_s]) == pytest.approx(np.log(p_s), abs=1e-12)


def test_the_best_mixture_is_best():
    """At the maximum of a concave function of the weights no column has a slope above the mixture's, which is 1."""
    rng = np.random.default_rng(2)
    p, columns = rng.dirichlet(np.full(5, 0.3), size=300), rng.dirichlet(np.ones(5), size=20).T
    mixture, weights = mixed(p, columns, cycles=200)
    assert weights.sum(axis=1) == pytest.approx(np.ones(300), abs=1e-12)
    assert mixture == pytest.approx(weights @ columns.T, abs=1e-12)
    assert ((p / mixture) @ columns).max() < 1.001


@pytest.mark.parametrize("seed", range(4))
def test_its_value_is_brojas_on_posteriors_that_are_cells(seed):
    rng = np.random.default_rng(seed)
    p_y = np.full(3, 1 / 3)
    t, s = (p_y[:, None] * rng.dirichlet(np.ones(5), size=3) for _ in range(2))
    exact = pidkd.decompose(pidkd.Pmf(t[:, :, None] * s[:, None, :] / p_y[:, None, None]), units="nats")
    counts_t, counts_s = (np.round(m.sum(axis=0) * 20_000).astype(int) for m in (t, s))
    drawn_t, drawn_s = (
        rng.permutation(np.repeat((m / m.sum(axis=0)).T, counts, axis=0))
        for m, counts in ((t, counts_t), (s, counts_s))
    )
    n = min(len(drawn_t), len(drawn_s))
    fitted = Mixtures.fit([drawn_t[:n], drawn_s[:n]], p_y)
    p_t, p_s = (t / t.sum(axis=0)).T, (s / s.sum(axis=0)).T
    # a and b apart: the other source at one and the same posterior.
    a, b = fitted.potentials([p_t, p_s[[0] * 5]]), fitted.potentials([p_t[[0] * 5], p_s])
    value = (t.T * a).sum() + (s.T * b).sum() - (p_y * fitted.potentials([p_t[:1], p_s[:1]])).sum() + np.log(3)
    assert value <= exact.union + 1e-9
    assert value == pytest.approx(exact.union, abs=0.003)
