"""Several classes: feasible for posteriors that were never seen, and near the certified optimum."""

import numpy as np
import pytest

import pidkd
from pidkd.estimators.solvers.posterior.cells import Anchors, best_response


@pytest.mark.parametrize("n_classes", [3, 6])
def test_feasible_for_posteriors_that_were_never_seen(n_classes):
    rng = np.random.default_rng(n_classes)
    p_t, p_s = rng.dirichlet(np.full(n_classes, 0.4), size=(2, 600))
    fitted = Anchors.fit(p_t, p_s, np.full(n_classes, 1 / n_classes), 8)
    new_t, new_s = rng.dirichlet(np.full(n_classes, 0.2), size=(2, 3000))
    assert np.exp(fitted.potentials(new_t, new_s)).sum(axis=1).max() <= 1 + 1e-9


def test_a_best_response_is_optimal_where_the_answer_is_known():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(4), size=50)
    # Where the other side says nothing, the best there is is the posterior's own logarithm.
    assert best_response(p, np.zeros((4, 1))) == pytest.approx(np.log(p), abs=1e-12)


def test_its_value_is_brojas_on_posteriors_that_are_cells():
    rng = np.random.default_rng(2)
    p_y = np.full(3, 1 / 3)
    t, s = (p_y[:, None] * rng.dirichlet(np.ones(5), size=3) for _ in range(2))
    exact = pidkd.decompose(pidkd.Pmf(t[:, :, None] * s[:, None, :] / p_y[:, None, None]), units="nats")
    counts_t, counts_s = (np.round(m.sum(axis=0) * 20_000).astype(int) for m in (t, s))
    drawn_t, drawn_s = (
        rng.permutation(np.repeat((m / m.sum(axis=0)).T, counts, axis=0))
        for m, counts in ((t, counts_t), (s, counts_s))
    )
    fitted = Anchors.fit(drawn_t, drawn_s, p_y, 5)
    p_t, p_s = (t / t.sum(axis=0)).T, (s / s.sum(axis=0)).T
    a = best_response(p_t, fitted.b)
    b = fitted.b[:, np.argmax(p_s @ fitted.b, axis=1)].T
    value = (t.T * a).sum() + (s.T * b).sum() + np.log(3)
    assert value <= exact.union + 1e-9
    assert value == pytest.approx(exact.union, abs=0.003)
