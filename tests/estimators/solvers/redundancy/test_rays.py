import itertools

import numpy as np
import pytest

from pidkd.estimators.solvers.redundancy.rays import extreme_rays


def by_supports(equations: np.ndarray) -> set[tuple[float, ...]]:
    """Rays by definition: a support on which the equations have one solution up to a factor, and it is positive."""
    n = equations.shape[1]
    rays = set()
    for size in range(1, n + 1):
        for support in itertools.combinations(range(n), size):
            inside = equations[:, list(support)]
            _, singular, basis = np.linalg.svd(inside)
            rank = int((singular > 1e-10).sum())
            direction = basis[-1] * np.sign(basis[-1][0])
            if rank == size - 1 and (direction > 1e-10).all():
                ray = np.zeros(n)
                ray[list(support)] = direction / direction.max()
                rays.add(tuple(np.round(ray, 8)))
    return rays


@pytest.mark.parametrize("seed", range(10))
def test_rays_are_those_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_equations = int(rng.integers(1, 5))
    equations = (
        rng.integers(-2, 3, size=(n_equations, 8)).astype(float) if seed % 2 else rng.normal(size=(n_equations, 8))
    )
    found = extreme_rays(equations, 10_000)
    assert found is not None
    assert np.abs(found @ equations.T).max(initial=0) < 1e-10
    assert {tuple(np.round(ray, 8)) for ray in found} == by_supports(equations)
    assert len(found) == len(by_supports(equations))


def test_more_than_64_unknowns() -> None:
    found = extreme_rays(np.kron(np.eye(40), [[1.0, -1.0]]), 1000)
    assert found is not None
    assert np.array_equal(np.sort(found, axis=0), np.sort(np.kron(np.eye(40), [[1.0, 1.0]]), axis=0))


def test_no_equations_leave_the_axes_and_too_many_rays_are_none() -> None:
    assert np.array_equal(extreme_rays(np.zeros((0, 3)), 5), np.eye(3))
    assert extreme_rays(np.random.default_rng(0).normal(size=(6, 24)), 50) is None


def test_a_cone_that_is_only_zero_has_no_rays() -> None:
    found = extreme_rays(np.array([[1.0, 2.0, 3.0]]), 10)
    assert found is not None
    assert found.shape == (0, 3)
