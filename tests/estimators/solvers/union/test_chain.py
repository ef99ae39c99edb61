import numpy as np
import pytest

from pidkd.estimators.solvers.union import chain
from pidkd.estimators.solvers.union.certificate import bounds
from pidkd.estimators.solvers.union.chain import solve_chain
from pidkd.estimators.solvers.union.interior_point import Attempt
from pidkd.estimators.solvers.union.newton_cells import CellSystem
from pidkd.estimators.solvers.union.newton_classes import ClassSystem
from pidkd.estimators.solvers.union.newton_extended import ExtendedSystem
from pidkd.estimators.solvers.union.reduction import Reduction
from pidkd.synthetic import random_pmf

TOL = 1e-10


def reduce(p: np.ndarray) -> Reduction:
    return Reduction((p.sum(axis=2), p.sum(axis=1)))


def gap(p: np.ndarray, solution: chain.Solution) -> float:
    proven = bounds(p, *reduce(p).lift(solution.q, solution.a, solution.b))
    return proven.upper - proven.lower


@pytest.mark.parametrize("shape", [(2, 4, 4), (5, 3, 6), (20, 4, 5), (1, 3, 3), (3, 1, 4), (4, 6, 1)])
@pytest.mark.parametrize(
    "attempt",
    [
        Attempt(CellSystem),
        Attempt(CellSystem, weights="root", clip=True, refine=True),
        Attempt(ClassSystem),
        Attempt(ExtendedSystem, clip=True),
    ],
    ids=["cells", "cells-root", "classes", "extended"],
)
def test_every_attempt_certifies_ordinary_tables(monkeypatch, attempt, shape):
    monkeypatch.setattr(chain, "_attempts", lambda shape, max_memory: [attempt])
    p = random_pmf(shape, 0.7, rng=np.random.default_rng(0)).p
    (solution,) = solve_chain([reduce(p)], TOL, 2**31)
    assert gap(p, solution) <= 2 * TOL


def test_tables_of_many_shapes_come_back_in_order():
    rng = np.random.default_rng(1)
    tables = [random_pmf(tuple(int(n) for n in rng.integers(2, 6, 3)), 1.0, rng=rng).p for _ in range(40)]
    solutions = solve_chain([reduce(p) for p in tables], TOL, 2**31)
    assert all(gap(p, solution) <= 2 * TOL for p, solution in zip(tables, solutions, strict=True))


def test_a_table_beyond_the_memory_budget_goes_by_alternation_and_still_bounds():
    p = random_pmf((3, 6, 6), 1.0, rng=np.random.default_rng(2)).p
    (newton,) = solve_chain([reduce(p)], TOL, 2**31)
    (little,) = solve_chain([reduce(p)], 1e-6, 1000)
    assert newton.route != little.route == "alternating"
    assert gap(p, little) <= 1e-3  # what the method is good for
    inner = bounds(p, *reduce(p).lift(newton.q, newton.a, newton.b))
    outer = bounds(p, *reduce(p).lift(little.q, little.a, little.b))
    assert outer.lower - 1e-12 <= inner.lower <= inner.upper <= outer.upper + 1e-12


def test_many_classes_take_their_own_route():
    rng = np.random.default_rng(3)
    wide = random_pmf((60, 6, 6), 1.0, rng=rng).p
    (solution,) = solve_chain([reduce(wide)], TOL, 2**31)
    assert solution.route == "classes"
    assert gap(wide, solution) <= 2 * TOL


def test_progress_ends_at_one():
    seen: list[float] = []
    tables = [reduce(random_pmf((2, 3, 3), 1.0, rng=np.random.default_rng(i)).p) for i in range(5)]
    solve_chain(tables, TOL, 2**31, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_the_first_attempt_does_not_run_in_circles(monkeypatch):
    # a histogram of 758 samples on which complementarity once ran ahead of feasibility, for ever
    counts = np.array(
        [
            [[2, 0, 0, 0, 0, 0], [0, 1, 17, 0, 0, 0], [0, 17, 31, 0, 0, 0], [0, 14, 3, 0, 0, 0], [0, 0, 0, 0, 31, 0]],
            [[0, 44, 16, 0, 0, 12], [0, 75, 1, 0, 5, 0], [0, 11, 0, 32, 0, 0], [0, 0, 15, 4, 3, 2], [1, 0, 0, 0, 2, 6]],
            [[0, 0, 0, 19, 0, 0], [48, 12, 0, 0, 24, 0], [13, 1, 0, 7, 0, 2], [0, 0, 1, 4, 75, 1], [3, 12, 0, 2, 8, 0]],
            [[2, 0, 0, 0, 4, 0], [3, 0, 14, 2, 2, 0], [3, 1, 0, 1, 0, 2], [3, 0, 3, 0, 0, 34], [1, 0, 2, 80, 19, 5]],
        ]
    )
    monkeypatch.setattr(chain, "_attempts", lambda shape, max_memory: [Attempt(CellSystem)])
    p = counts / counts.sum()
    (solution,) = solve_chain([reduce(p)], TOL, 2**31)
    assert gap(p, solution) <= 2 * TOL
