import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pidkd.estimators.solvers.union.certificate import bounds, feasible_plan
from pidkd.estimators.solvers.union.reduction import NEGLIGIBLE, Reduction
from pidkd.synthetic import random_pmf


def reduce(p: np.ndarray) -> Reduction:
    return Reduction((p.sum(axis=2), p.sum(axis=1)))


def conditionally_independent(reduction: Reduction) -> np.ndarray:
    p_y = reduction.ys.sum(axis=1)
    return reduction.yt[:, :, None] * reduction.ys[None, :, :] / p_y[None, :, None]


@given(st.integers(0, 2**32 - 1))
def test_a_lifted_plan_keeps_the_marginals(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 7, size=3))
    p = random_pmf(shape, 0.3, float(rng.uniform(0.2, 1.0)), rng).p
    reduction = reduce(p)
    q = conditionally_independent(reduction)
    plan, potentials = reduction.lift(q, np.log(reduction.yt + 1e-300), np.log(reduction.ys + 1e-300))
    np.testing.assert_allclose(plan.sum(axis=2), p.sum(axis=2), atol=1e-11)
    np.testing.assert_allclose(plan.sum(axis=1), p.sum(axis=1), atol=1e-11)
    assert np.isfinite(potentials[0][p.sum(axis=2) > 0]).all()
    assert np.isfinite(potentials[1][p.sum(axis=1) > 0]).all()


def test_split_cells_are_merged_again_and_lifting_splits_the_plan():
    p = random_pmf((3, 4, 5), 1.0, rng=np.random.default_rng(0)).p
    share = np.array([0.2, 0.8])
    split = (p[:, :, None, :] * share[None, None, :, None]).reshape(3, 8, 5)
    whole, parted = reduce(p), reduce(split)
    assert parted.shape == whole.shape == (3, 5, 4)
    plan, _ = parted.lift(conditionally_independent(parted), np.zeros((5, 3)), np.zeros((3, 4)))
    halves = plan.reshape(3, 4, 2, 5)
    np.testing.assert_allclose(halves[:, :, 0] * 4, halves[:, :, 1], rtol=1e-12)


def test_cells_without_mass_are_dropped():
    p = np.zeros((4, 5, 6))
    p[:2, 1:3, 2:5] = random_pmf((2, 2, 3), 1.0, rng=np.random.default_rng(1)).p
    assert reduce(p).shape == (2, 3, 2)


def test_the_larger_source_is_eliminated():
    rng = np.random.default_rng(2)
    assert reduce(random_pmf((2, 3, 7), 1.0, rng=rng).p).shape == (2, 7, 3)
    assert reduce(random_pmf((2, 7, 3), 1.0, rng=rng).p).shape == (2, 7, 3)


def test_both_sides_of_what_is_solved_share_the_class_masses():
    rng = np.random.default_rng(3)
    p = random_pmf((3, 6, 6), 0.5, rng=rng).p * 10.0 ** rng.uniform(-16, 0, (3, 6, 1))
    reduction = reduce(p / p.sum())
    np.testing.assert_allclose(reduction.yt.sum(axis=0), reduction.ys.sum(axis=1), rtol=1e-14)
    assert reduction.yt[reduction.yt > 0].min() >= NEGLIGIBLE[0] * (1 - 1e-6)


@pytest.mark.parametrize("mass", [1e-14, 1e-16, 1e-30, 1e-200])
def test_a_pair_set_aside_costs_the_bounds_about_its_mass(mass):
    # a cell of tiny mass with a posterior of its own: charged to the other source it would cost far more
    p = random_pmf((3, 4, 4), 1.0, rng=np.random.default_rng(4)).p
    tiny = np.zeros((3, 5, 4))
    tiny[:, :4] = p
    tiny[0, 4, 0] = mass
    base, with_tiny = reduce(p), reduce(tiny / tiny.sum())
    assert base.shape == with_tiny.shape
    q = conditionally_independent(base)
    potentials = np.log(base.yt), np.log(base.ys)
    known = bounds(p, *base.lift(q, *potentials))
    proven = bounds(tiny / tiny.sum(), *with_tiny.lift(q, *potentials))
    assert proven.lower == pytest.approx(known.lower, abs=100 * mass * abs(np.log(mass)) + 1e-14)
    assert proven.upper == pytest.approx(known.upper, abs=100 * mass * abs(np.log(mass)) + 1e-14)


def test_a_class_set_aside_still_gets_finite_potentials():
    p = random_pmf((3, 4, 4), 1.0, rng=np.random.default_rng(5)).p * np.array([1.0, 1.0, 1e-16])[:, None, None]
    p[2, :, 1] = p[0, :, 1] = p[1, :, 1] = 0.0  # and a cell without mass beside it
    p /= p.sum()
    reduction = reduce(p)
    assert reduction.shape[0] == 2
    plan, potentials = reduction.lift(conditionally_independent(reduction), np.log(reduction.yt), np.log(reduction.ys))
    assert np.isfinite(potentials[0][p.sum(axis=2) > 0]).all()
    assert np.isfinite(potentials[1][p.sum(axis=1) > 0]).all()
    np.testing.assert_allclose(
        feasible_plan((p.sum(axis=2), p.sum(axis=1)), plan).sum(axis=2), p.sum(axis=2), atol=1e-18
    )
