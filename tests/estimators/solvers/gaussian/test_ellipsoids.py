"""The largest ellipsoid below several: against closed forms, and by its own dual."""

import numpy as np
import pytest

import pidkd
from pidkd.estimators.solvers.gaussian.ellipsoids import gaussian_union

TOL = 1e-9


def conditionals(seed: int, d: int, n: int) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(d * (n + 1), 2 * d * (n + 1)))
    cov = root @ root.T
    white = np.linalg.inv(np.linalg.cholesky(cov[:d, :d]))
    known = []
    for i in range(1, n + 1):
        block = slice(d * i, d * (i + 1))
        left = cov[:d, :d] - cov[:d, block] @ np.linalg.solve(cov[block, block], cov[block, :d])
        known.append(white @ left @ white.T)
    return cov, known


@pytest.mark.parametrize("d", [2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_two_sources_have_the_closed_form(d, seed):
    cov, known = conditionals(seed, d, 2)
    closed = pidkd.decompose(pidkd.Gaussian(cov, dims=(d, d, d)), units="nats").union
    found = gaussian_union(known, TOL)
    assert found.upper - found.lower <= TOL
    assert found.lower - 1e-12 <= closed <= found.upper + 1e-12


@pytest.mark.parametrize(("d", "n"), [(2, 3), (4, 5)])
def test_the_ellipsoid_lies_below_all_and_the_dual_proves_it_largest(d, n):
    _, known = conditionals(0, d, n)
    found = gaussian_union(known, TOL)
    for each in known:
        assert np.linalg.eigvalsh(each - found.largest).min() >= -1e-12
    assert found.upper == pytest.approx(-np.linalg.slogdet(found.largest)[1] / 2, abs=1e-10)
    assert found.upper - found.lower <= TOL


def test_one_column_is_the_best_source():
    found = gaussian_union([np.array([[0.5]]), np.array([[0.2]]), np.array([[0.9]])], TOL)
    assert found.lower == found.upper == pytest.approx(-np.log(0.2) / 2)


def test_sources_that_see_different_directions_add():
    known = [np.diag([0.25, 1.0, 1.0]), np.diag([1.0, 0.5, 1.0]), np.diag([1.0, 1.0, 0.1])]
    assert gaussian_union(known, TOL).upper == pytest.approx(-np.log(0.25 * 0.5 * 0.1) / 2, abs=TOL)


@pytest.mark.peer
def test_the_bounds_contain_the_answer_of_cvxpy():
    cp = pytest.importorskip("cvxpy")
    _, known = conditionals(3, 3, 4)
    c = cp.Variable((3, 3), symmetric=True)
    problem = cp.Problem(cp.Maximize(cp.log_det(c)), [each - c >> 0 for each in known])
    problem.solve(solver=cp.SCS, eps=1e-8)
    found = gaussian_union(known, TOL)
    assert found.lower - 1e-5 <= -problem.value / 2 <= found.upper + 1e-5
