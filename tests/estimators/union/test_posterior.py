"""Held-out unions of posteriors and activations, against tables whose union is certified."""

import numpy as np
import pytest

import pidkd
from pidkd.errors import InputError
from pidkd.estimators.solvers.posterior.nested import Nested
from pidkd.estimators.solvers.union.solving import solve_unions
from pidkd.groups import deviations


def drawn(n_y: int, n: int, seed: int = 0, size: int = 12, n_sources: int = 3):
    """Labels, posteriors of each source, and the certified union in nats."""
    rng = np.random.default_rng(seed)
    tables = [rng.dirichlet(np.full(size, 0.4), size=n_y) / n_y for _ in range(n_sources)]
    (solved,) = solve_unions([tables], 1e-9, 2**31)
    y = rng.integers(n_y, size=n)
    named = {}
    for i, table in enumerate(tables):
        x = (table.cumsum(axis=1)[y] * n_y < rng.random((n, 1))).sum(axis=1).clip(max=size - 1)
        named[f"s{i}"] = (table / table.sum(axis=0)).T[x]
    return y, named, solved.certificate.upper


@pytest.mark.parametrize("n_y", [2, 4])
def test_the_union_of_true_posteriors(n_y):
    y, named, union = drawn(n_y, 6000)
    result = pidkd.union_information(y, named, kind="posteriors", units="nats")
    assert result.value == pytest.approx(union, abs=0.02 + 2 * result.se)
    assert result.value <= union + 3 * result.se
    assert result.certificate.status == "bound"


@pytest.mark.slow
@pytest.mark.parametrize("n_y", [2, 4])
def test_twenty_thousand_samples_come_within_two_hundredths_on_average(n_y):
    """Single draws have a standard error of .005 nats for four classes, which the mean of five halves."""
    errors = []
    for seed in range(5):
        y, named, union = drawn(n_y, 20_000, seed=seed)
        result = pidkd.union_information(y, named, kind="posteriors", units="nats")
        errors.append(result.value - union)
    assert abs(np.mean(errors)) < 0.02


def test_two_sources_are_those_of_decompose():
    y, named, _ = drawn(3, 4000, n_sources=2)
    result = pidkd.union_information(y, named, kind="posteriors")
    pair = pidkd.decompose(pidkd.Posteriors(y, *named.values()))
    assert result.value == pytest.approx(pair.union, abs=0.02)
    assert result.information["s0"] == pytest.approx(pair.mi_t, abs=1e-9)


def test_a_copy_adds_nothing_and_unions_grow():
    y, named, _ = drawn(2, 3000)
    named["copy"] = named["s0"]
    result = pidkd.contributions(y, named, kind="posteriors")
    assert result.unique["copy"].value == pytest.approx(0.0, abs=0.01)
    assert all(step.gain.value > -3 * step.gain.se - 1e-9 for step in result.order)
    assert result.unique["s1"].se is not None
    assert result.synergy is None
    low, high = result.union.interval
    assert low < result.union.value < high


def test_activations_learn_their_posteriors():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=1500)
    named = {f"layer{i}": np.eye(3)[y][:, [i]] * 3 + rng.normal(size=(1500, 1)) for i in range(3)}
    result = pidkd.contributions(y, named)
    assert result.union.value > max(quantity.value for quantity in result.information.values()) + 0.1
    assert all(quantity.value > -3 * quantity.se for quantity in result.unique.values())


@pytest.mark.parametrize("n_sources", [3, 4])
def test_nested_mixtures_are_feasible_for_posteriors_that_were_never_seen(n_sources):
    rng = np.random.default_rng(0)
    posteriors = rng.dirichlet(np.full(4, 0.4), size=(n_sources, 300))
    fitted = Nested.fit(list(posteriors), np.full(4, 0.25))
    new = rng.dirichlet(np.full(4, 0.2), size=(n_sources, 500)) + 1e-300
    for shift in range(6):
        rolled = [np.roll(p, i * shift, axis=0) for i, p in enumerate(new)]
        assert np.exp(fitted.potentials(rolled)).sum(axis=1).max() <= 1 + 1e-9


def test_rare_labels_and_wrong_rows_are_refused():
    y, named, _ = drawn(3, 60)
    with pytest.raises(InputError, match="n_folds=5"):
        pidkd.union_information(np.r_[y, 3], {name: np.ones((61, 4)) / 4 for name in named}, kind="posteriors")
    with pytest.raises(InputError, match=r"union_information\(s1\)"):
        pidkd.union_information(y, named | {"s1": named["s1"] * 2}, kind="posteriors")
    with pytest.raises(InputError, match="predict_proba"):
        pidkd.union_information(y, named, kind="posteriors", classifier=3)


def test_groups_have_the_error_of_their_sums():
    """Copies of rows as groups have the error of the rows that they copy, by one group less than there are."""
    local = np.random.default_rng(0).normal(size=300)
    alone = deviations(local, None).std()
    assert deviations(np.repeat(local, 4), np.repeat(np.arange(300), 4)).std() == pytest.approx(
        alone * np.sqrt(300 / 299)
    )
    assert deviations(np.repeat(local, 4), None).std() == pytest.approx(alone / 2)
