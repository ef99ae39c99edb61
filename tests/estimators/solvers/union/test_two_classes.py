"""The closed form of two classes against the interior point, against its own witnesses, and against the definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pidkd.estimators.solvers.union.certificate import pair_marginal, union_bounds
from pidkd.estimators.solvers.union.chain import solve_chain
from pidkd.estimators.solvers.union.reduction import Reduction
from pidkd.estimators.solvers.union.two_classes import Hull, solve_two_classes

TOL = 1e-9


def system(seed: int, decades: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    p_y, margins = rng.dirichlet([1.0, 1.0]), []
    for _ in range(int(rng.integers(2, 5))):
        size = int(rng.integers(1, 7))
        mass = rng.gamma(float(rng.choice([0.2, 1.0, 5.0])), size=(2, size)) * 10.0 ** -rng.uniform(0, decades, size)
        mass *= rng.random((2, size)) < rng.uniform(0.3, 1.0)
        mass[[0, 1], rng.integers(size, size=2)] += 1e-3
        margins.append(mass / mass.sum(axis=1, keepdims=True) * p_y[:, None])
    return margins


@given(st.integers(0, 2**32 - 1))
def test_it_is_what_the_interior_point_certifies(seed):
    margins = system(seed)
    lower, upper, _, _ = solve_two_classes(margins)
    table = Reduction(margins)
    (solution,) = solve_chain([table], TOL / 2, 2**31)
    proven = union_bounds(margins, *table.lift(solution.q, solution.a, solution.b))
    assert proven.upper - proven.lower <= TOL
    assert proven.lower - 1e-12 <= upper <= proven.upper + 1e-12
    assert abs(upper - lower) <= 1e-12


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 12.0]))
def test_plan_and_potentials_prove_the_value(seed, decades):
    margins = system(seed, decades)
    _, value, hull, potentials = solve_two_classes(margins)
    plan = hull.plan(margins)
    for i, margin in enumerate(margins):
        np.testing.assert_allclose(pair_marginal(plan, i, len(margins)), margin, atol=1e-12)
    proven = union_bounds(margins, plan, potentials)
    assert proven.lower == pytest.approx(value, abs=1e-11)
    assert proven.upper == pytest.approx(value, abs=1e-11)
    assert largest_sum(potentials) <= 1 + 1e-12  # feasible as they are


def largest_sum(potentials: list[np.ndarray]) -> float:
    """The largest sum over y of exp(a_1 + .. + a_n), over all cells."""
    cells = potentials[0]
    for each in potentials[1:]:
        cells = (cells[:, :, None] + each[:, None, :]).reshape(2, -1)
    return float(np.exp(cells).sum(axis=0).max())


@given(st.integers(0, 2**32 - 1))
def test_thresholds_may_come_from_other_rows(seed):
    """Potentials of one system are feasible on the cells of another."""
    margins, others = system(seed), system(seed + 1)
    n = min(len(margins), len(others))
    _, _, hull, _ = solve_two_classes(margins[:n])
    moved = [hull.potentials(np.full(m.shape[1], i), m) for i, m in enumerate(others[:n])]
    assert largest_sum(moved) <= 1 + 1e-12


def test_one_hundred_thousand_cells_are_certified():
    rng = np.random.default_rng(0)
    margins = [rng.gamma(0.5, size=(2, 100_000)) for _ in range(3)]
    margins = [margin / margin.sum(axis=1, keepdims=True) / 2 for margin in margins]
    lower, upper, _, _ = solve_two_classes(margins)
    assert abs(upper - lower) <= TOL


def test_the_best_observer_at_each_threshold():
    # the first source tells class 1 for sure half of the time, the other class 0: the union knows both halves
    half = np.array([[0.5, 0.0], [0.25, 0.25]])
    _, value, _, _ = solve_two_classes([half, half[::-1, ::-1]])
    # Z in {surely 1, surely 0, undecided} with q(undecided|y) = 1/2: I = H(Y)/2
    assert value == pytest.approx(np.log(2) / 2, abs=1e-15)


def test_cells_whose_odds_overflow_are_in_the_order_of_their_odds():
    """p(1|x) / p(0|x) of the first two cells is beyond the largest float; the second has the larger one."""
    margin = np.array([[3e-320, 1e-322, 0.5, 0.0], [0.1, 0.1, 0.2, 0.1]])
    for order in ([0, 1, 2, 3], [1, 0, 3, 2]):
        edges = Hull.of([margin[:, order]]).edges
        assert edges[0, 0] == 0.0
        assert 0.0 < edges[1, 0] < 1e-321
        lower, upper, _, potentials = solve_two_classes([margin[:, order], margin])
        assert lower == pytest.approx(upper, abs=1e-14)
        assert not np.isnan(potentials[0]).any()


def test_masses_below_the_normal_numbers_keep_their_order():
    """Ratios of 1e308 and more, or less than 1e-308, are no infinite ones."""
    tiny = np.array([[1e-310, 2e-320, 0.4, 0.3], [0.1, 0.1, 5e-324, 0.1]])
    other = np.array([[3e-315, 0.3, 0.4], [0.2, 0.1, 4e-318]])
    margins = [each / each.sum(axis=1, keepdims=True) / 2 for each in (tiny, other)]
    lower, upper, hull, potentials = solve_two_classes(margins)
    assert abs(upper - lower) <= 1e-12
    assert np.isfinite(np.concatenate(potentials, axis=1)).all()
    odds = hull.cuts[1] - hull.cuts[0]
    assert (odds[:-1] >= odds[1:]).all()
    assert odds[1] == pytest.approx(max((np.log(m[1]) - np.log(m[0])).max() for m in margins), rel=1e-12)
    assert largest_sum(potentials) <= 1 + 1e-12
    mirrored = [margin[::-1] for margin in margins]
    assert solve_two_classes(mirrored)[1] == pytest.approx(upper, abs=1e-14)
