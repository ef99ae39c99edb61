import numpy as np
import pytest

from pidkd.estimators.solvers.union.certificate import bounds
from pidkd.estimators.solvers.union.marginals import MarginalEquations
from pidkd.synthetic import random_pmf

TABLES = [
    random_pmf(shape, 0.3, support, rng=1).p for shape in [(2, 3, 4), (4, 5, 2), (3, 1, 3)] for support in (0.3, 1)
]


@pytest.mark.parametrize("p", TABLES)
def test_a_joint_obeys_its_own_equations_and_they_are_independent(p: np.ndarray) -> None:
    equations = MarginalEquations(p)
    product = p.sum(axis=2)[:, :, None] * p.sum(axis=1)[:, None, :]
    q = p[product > 0]
    assert equations.matrix @ q == pytest.approx(equations.rhs, abs=1e-16)
    assert np.linalg.matrix_rank(equations.matrix.toarray()) == len(equations.rhs)
    assert equations.plan(q) == pytest.approx(p)


@pytest.mark.parametrize("p", TABLES)
def test_whatever_obeys_the_equations_has_both_marginals(p: np.ndarray) -> None:
    equations = MarginalEquations(p)
    q = np.linalg.lstsq(equations.matrix.toarray(), equations.rhs, rcond=None)[0]
    plan = equations.plan(q)
    assert plan.sum(axis=2) == pytest.approx(p.sum(axis=2), abs=1e-14)
    assert plan.sum(axis=1) == pytest.approx(p.sum(axis=1), abs=1e-14)


@pytest.mark.parametrize("p", TABLES)
def test_sums_over_y_are_those_of_the_blocks_that_may_be_positive(p: np.ndarray) -> None:
    equations = MarginalEquations(p)
    q = np.random.default_rng(0).random(equations.sum_y.shape[1])
    blocks = equations.plan(q).sum(axis=0)
    assert equations.sum_y @ q == pytest.approx(blocks[blocks > 0])


def test_multipliers_at_the_optimum_become_potentials_that_close_the_gap() -> None:
    """T and S independent given Y = T xor S: the product plan is optimal, with q / q_ts = 1/2 everywhere."""
    p = np.zeros((2, 2, 2))
    for t, s in np.ndindex(2, 2):
        p[t ^ s, t, s] = 0.25
    equations = MarginalEquations(p)
    multipliers = np.zeros(len(equations.rhs))
    multipliers[:4] = np.log(2)
    proven = bounds(p, np.full((2, 2, 2), 1 / 8), equations.potentials(multipliers))
    assert proven.lower == pytest.approx(0, abs=1e-15)
    assert proven.upper == pytest.approx(0, abs=1e-15)
