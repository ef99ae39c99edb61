"""Three sources and more: truths, hard systems, and the answers of general cone solvers."""

import itertools

import numpy as np
import pytest

from pidkd.estimators.solvers.union.certificate import pair_marginal, union_bounds
from pidkd.estimators.solvers.union.chain import needed_memory, solve_chain
from pidkd.estimators.solvers.union.iterate import Iterate, Marginals, Workspace, apply
from pidkd.estimators.solvers.union.merging import merged
from pidkd.estimators.solvers.union.newton_cells import CellSystem
from pidkd.estimators.solvers.union.newton_extended import ExtendedSystem
from pidkd.estimators.solvers.union.reduction import Reduction
from pidkd.estimators.solvers.union.solving import solve_unions
from pidkd.info import table_information
from pidkd.result import NATS_PER

TOL = 1e-9


def conditionals(rng: np.random.Generator, sizes: list[int], n_y: int, draw) -> list[np.ndarray]:
    p_y = rng.dirichlet(np.ones(n_y))
    margins = []
    for size in sizes:
        mass = draw(size)
        margins.append(mass / mass.sum(axis=1, keepdims=True) * p_y[:, None])
    return margins


def shape(rng: np.random.Generator) -> tuple[int, list[int]]:
    while True:
        n_y, sizes = int(rng.integers(2, 7)), [int(m) for m in rng.integers(2, 9, size=rng.integers(3, 6))]
        if n_y * np.prod(sizes) <= 20_000:
            return n_y, sizes


def ordinary(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng((seed, 0))
    n_y, sizes = shape(rng)
    if seed % 3 == 0:  # counts of samples
        n = int(rng.integers(20, 2000))
        y = rng.choice(n_y, size=n, p=rng.dirichlet(np.ones(n_y)))
        tables = []
        for size in sizes:
            channel = rng.dirichlet(np.full(size, 0.3), size=n_y)
            x = (channel.cumsum(axis=1)[y] < rng.random((n, 1))).sum(axis=1).clip(max=size - 1)
            counts = np.zeros((n_y, size))
            np.add.at(counts, (y, x), 1 / n)
            tables.append(counts)
        return tables
    shape_of_gamma, support = float(rng.choice([0.05, 0.3, 1.0, 5.0])), float(rng.uniform(0.25, 1.0))

    def draw(size: int) -> np.ndarray:
        mass = rng.gamma(shape_of_gamma, size=(n_y, size)) * (rng.random((n_y, size)) < support)
        mass[np.arange(n_y), rng.integers(size, size=n_y)] += 1e-2
        return mass

    return conditionals(rng, sizes, n_y, draw)


def nasty(seed: int) -> list[np.ndarray]:
    """Twelve decades, posteriors 1e-8 apart, near-deterministic sources, and classes of twelve decades, in turn."""
    rng = np.random.default_rng((seed, 1))
    n_y, sizes = shape(rng)

    def draw(size: int) -> np.ndarray:
        if seed % 4 == 0:
            return 10.0 ** rng.uniform(-12, 0, (n_y, size))
        if seed % 4 == 1:
            return 1 + 1e-8 * rng.normal(size=(n_y, size))
        if seed % 4 == 2:
            mass = np.full((n_y, size), 1e-12)
            mass[np.arange(n_y), rng.integers(size, size=n_y)] = 1
            return mass
        return rng.gamma(0.05, size=(n_y, size)) + 1e-300

    margins = conditionals(rng, sizes, n_y, draw)
    if seed % 4 == 3:
        scale = 10.0 ** rng.uniform(-12, 0, n_y)
        total = sum((margins[0] * scale[:, None]).sum(axis=1))
        margins = [margin * scale[:, None] / total for margin in margins]
    return margins


def certify(margins: list[np.ndarray], label: object) -> None:
    (solved,) = solve_unions([margins], TOL, 2**31)
    certificate = solved.certificate
    gap = (certificate.upper - certificate.lower) / NATS_PER["bits"]
    assert -1e-12 <= gap <= TOL, (label, certificate)
    assert certificate.status == "optimal", (label, certificate)
    informations = [table_information(margin) for margin in margins]
    assert max(informations) - 1e-9 <= certificate.upper <= sum(informations) + 1e-9, label
    if solved.plan is not None:
        for i, margin in enumerate(margins):
            np.testing.assert_allclose(pair_marginal(solved.plan, i, len(margins)), margin, atol=1e-14)


@pytest.mark.parametrize(("make", "n"), [(ordinary, 60), (nasty, 12)])
def test_hard_systems_are_certified(make, n):
    for seed in range(n):
        certify(make(seed), seed)


@pytest.mark.slow
@pytest.mark.parametrize(("make", "n"), [(ordinary, 2000), (nasty, 1000)])
def test_thousands_of_hard_systems_are_certified(make, n):
    for seed in range(n):
        certify(make(seed), seed)


@pytest.mark.parametrize("seed", [2, 6, 406, 682])
def test_with_masses_set_aside_bounds_are_those_of_the_table_as_given(seed):
    margins = nasty(seed)
    table, fewer = Reduction(margins), Reduction(margins, negligible=1e-12)
    assert (fewer.yt > 0).sum() + (fewer.ys > 0).sum() < (table.yt > 0).sum() + (table.ys > 0).sum()
    (solution,) = solve_chain([fewer], TOL * NATS_PER["bits"] / 2, 2**31)
    proven = union_bounds(margins, *fewer.lift(solution.q, solution.a, solution.b))
    assert 0 <= (proven.upper - proven.lower) / NATS_PER["bits"] <= TOL


@pytest.mark.slow
@pytest.mark.parametrize("seed", [406, 682])
def test_masses_that_double_precision_cannot_resolve_are_certified(seed):
    certify(nasty(seed), seed)


def test_one_batch_holds_problems_of_many_shapes():
    problems = [ordinary(seed) for seed in range(12)]
    for together, margins in zip(solve_unions(problems, TOL, 2**31), problems, strict=True):
        (alone,) = solve_unions([margins], TOL, 2**31)
        assert together.certificate.upper == pytest.approx(alone.certificate.upper, abs=1e-9)


@pytest.mark.parametrize("system", [CellSystem, ExtendedSystem])
@pytest.mark.parametrize("masked", [False, True])
def test_newton_systems_of_three_sources_solve_their_equations(system, masked):
    rng = np.random.default_rng(0)
    n_y, sizes = 3, [4, 3, 2]
    p = rng.gamma(1.0, size=(2, n_y, *sizes))
    if masked:
        p[:, 0, 0] = 0.0
        p[:, 1, :, -1] = 0.0
    p /= p.sum(axis=(1, 2, 3, 4), keepdims=True)
    pairs = [p.sum(axis=tuple(j + 2 for j in range(3) if j != i)) for i in range(3)]
    marginals = Marginals(pairs[0].transpose(0, 2, 1).copy(), np.concatenate(pairs[1:], axis=2), (3, 2))
    mass = np.exp(marginals.a[:, :, :, None] + marginals.over_cells(marginals.b)[:, None])
    total = mass.sum(axis=2)
    softmax = np.divide(mass, total[:, :, None, :], out=np.zeros_like(mass), where=mass > 0)
    w, sigma = total * rng.uniform(0.5, 2.0, total.shape), rng.uniform(0.01, 2.0, total.shape)
    at = Iterate(marginals, np.log(np.where(total > 0, total, 1.0)), softmax, w, sigma)
    wanted = apply(at, rng.normal(size=marginals.yt.shape), rng.normal(size=marginals.ys.shape))
    reached = apply(at, *system(at, Workspace()).solve(*wanted))
    for one, other in zip(reached, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-8 * np.abs(wanted[0]).max())


def test_merged_cells_bound_the_union_from_both_sides():
    rng = np.random.default_rng(1)
    margins = conditionals(rng, [12, 10, 11], 3, lambda size: rng.gamma(0.5, size=(3, size)))
    coarse = [merged(margin, 6) for margin in margins]
    (exact,), (less,) = (solve_unions([each], TOL, 2**31) for each in (margins, coarse))
    lost = sum(table_information(m) - table_information(c) for m, c in zip(margins, coarse, strict=True))
    assert [each.shape for each in coarse] == [(3, 6)] * 3
    assert less.certificate.lower <= exact.certificate.upper <= less.certificate.upper + lost


def test_memory_grows_with_the_product_of_the_cells():
    small, large = (needed_memory((10, m, m, m))["cells"] for m in (10, 20))
    assert large > 6 * small


@pytest.mark.peer
def test_the_certificate_contains_the_answer_of_the_cone_solver():
    cp = pytest.importorskip("cvxpy")
    for seed in range(1, 40):
        margins = ordinary(seed)
        if len(margins[0]) * np.prod([m.shape[1] for m in margins]) > 600 or len(margins[0]) == 2:
            continue
        (solved,) = solve_unions([margins], TOL, 2**31)
        value = cone_value(cp, margins)
        assert solved.certificate.lower - 2e-6 <= value <= solved.certificate.upper + 2e-6, seed


def cone_value(cp, margins: list[np.ndarray]) -> float:
    """min sum_y,x q log(q / q_x) + H(Y), as cvxpy's relative entropies."""
    n_y, sizes = len(margins[0]), [m.shape[1] for m in margins]
    cells = list(itertools.product(*map(range, sizes)))
    q = cp.Variable((n_y, len(cells)), nonneg=True)
    constraints = []
    for i, margin in enumerate(margins):
        member = np.array([[cell[i] == x for x in range(sizes[i])] for cell in cells], dtype=float)
        constraints.append(q @ member == margin)
    blocks = cp.sum(q, axis=0, keepdims=True)
    objective = cp.sum(cp.rel_entr(q, np.ones((n_y, 1)) @ blocks))
    cp.Problem(cp.Minimize(objective), constraints).solve(solver=cp.CLARABEL)
    p_y = margins[0].sum(axis=1)
    proven = union_bounds(margins, q.value.reshape(n_y, *sizes), [np.full_like(m, np.nan) for m in margins])
    assert proven.upper >= objective.value - 1e-6 - float((p_y[p_y > 0] * np.log(p_y[p_y > 0])).sum()) - 1e-6
    return float(proven.upper)
