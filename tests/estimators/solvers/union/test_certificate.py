import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pidkd.estimators.solvers.union.certificate import (
    BLOCK_ENTRIES,
    bounds,
    feasible_plan,
    feasible_potentials,
    log_sum_exp,
    primal_value,
)
from pidkd.info import entropy, information
from pidkd.synthetic import gate, random_pmf

seeds = st.integers(0, 2**32 - 1)


def draw(seed: int) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """A table, and a plan and potentials that have nothing to do with it."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 6, size=3))
    p = random_pmf(shape, float(rng.choice([0.1, 1.0])), float(rng.uniform(0.3, 1.0)), rng).p
    plan = rng.gamma(0.5, size=shape) * (rng.random(shape) < 0.7)
    return p, plan, (rng.normal(0, 5, shape[:2]), rng.normal(0, 5, (shape[0], shape[2])))


@given(seeds)
def test_any_plan_and_any_potentials_give_bounds_in_order(seed):
    p, plan, potentials = draw(seed)
    proven = bounds(p, plan, potentials)
    known = information(p)
    assert max(0.0, known.t - known.s) - 1e-12 <= proven.lower <= proven.upper + 1e-12
    assert proven.upper <= entropy(p.sum(axis=1)) - entropy(p.sum(axis=(0, 1))) + 1e-12  # I_Q(Y;T|S) <= H(Y|S)


@given(seeds)
def test_a_rounded_plan_has_the_marginals_and_no_negative_mass(seed):
    p, plan, _ = draw(seed)
    q = feasible_plan((p.sum(axis=2), p.sum(axis=1)), plan)
    assert (q >= 0).all()
    np.testing.assert_allclose(q.sum(axis=2), p.sum(axis=2), atol=1e-15)
    np.testing.assert_allclose(q.sum(axis=1), p.sum(axis=1), atol=1e-15)


@given(seeds)
def test_shifted_potentials_obey_every_constraint(seed):
    p, _, potentials = draw(seed)
    a, b = feasible_potentials((p.sum(axis=2), p.sum(axis=1)), potentials)
    assert log_sum_exp(a[:, :, None] + b[:, None, :]).max() <= 1e-12


def test_a_batch_is_rounded_member_by_member():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(24), size=5).reshape(5, 2, 3, 4)
    plan = rng.random(p.shape)
    together = feasible_plan((p.sum(axis=3), p.sum(axis=2)), plan)
    for member in range(5):
        alone = feasible_plan((p[member].sum(axis=2), p[member].sum(axis=1)), plan[member])
        np.testing.assert_array_equal(together[member], alone)
    np.testing.assert_allclose(primal_value(together), [primal_value(q) for q in together], rtol=1e-14)


def test_the_objective_is_minus_a_conditional_entropy():
    p = random_pmf((3, 4, 5), 1.0, rng=np.random.default_rng(1)).p
    assert float(primal_value(p)) == pytest.approx(entropy(p.sum(axis=0)) - entropy(p), abs=1e-14)


def test_a_table_larger_than_a_block_has_the_same_value():
    rng = np.random.default_rng(2)
    n = int(np.sqrt(BLOCK_ENTRIES)) + 1
    marginal = rng.dirichlet(np.ones(n))
    table = np.outer(marginal, marginal)[:, :, None] * np.array([0.25, 0.75])[None, None, :]
    expected = 0.25 * np.log(0.25) + 0.75 * np.log(0.75)
    assert float(primal_value(table.transpose(2, 0, 1))) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf])
def test_potentials_that_are_not_finite_prove_only_what_is_trivial(unknown):
    p = gate("and").pmf.p
    nothing = np.full(p.shape[:2], unknown)
    proven = bounds(p, p, (nothing, nothing))
    assert proven.lower == pytest.approx(0.0, abs=1e-15)
    assert proven.upper == pytest.approx(information(p).both - information(p).s, abs=1e-15)


def test_the_optimal_pair_of_the_and_gate_closes_the_gap():
    # T = S given Y = 0 wherever the marginals allow, and b = log p(y|s) with a = 0: Uni(Y:T\S) = 0
    p = gate("and").pmf.p
    plan = np.zeros_like(p)
    plan[0, 0, 0], plan[0, 1, 1], plan[1, 1, 1] = 0.5, 0.25, 0.25
    proven = bounds(p, plan, (np.full((2, 2), np.nan), np.full((2, 2), np.nan)))
    assert proven.lower == pytest.approx(0.0, abs=1e-15)
    assert proven.upper == pytest.approx(0.0, abs=1e-15)
