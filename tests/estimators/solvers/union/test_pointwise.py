"""Pointwise atoms of BROJA: means, identities of every cell, closed forms, and where they are not unique."""

import numpy as np
import pytest

import pidkd
from pidkd.estimators.solvers.union.pointwise import undetermined
from pidkd.info import local_of_set
from pidkd.synthetic import gate, list_gates, random_pmf

ROUNDING = 1e-12
TABLES = {f"random {seed}": random_pmf((3, 4, 5), support=0.5, rng=seed) for seed in range(5)}
TABLES |= {name: gate(name).pmf for name in list_gates()}


@pytest.mark.parametrize("name", TABLES)
def test_they_average_to_the_atoms_and_obey_the_identities(name: str) -> None:
    p = TABLES[name].p
    result = pidkd.decompose(TABLES[name], keep=("local",))
    for atom, values in result.local.items():
        assert np.nansum(p * values) == pytest.approx(result.atoms[atom], abs=ROUNDING)
        assert (np.isnan(values) == (p == 0)).all()
    local, inside = result.local, p > 0
    for sources, unique in ((0b01, "unique_t"), (0b10, "unique_s")):
        information = np.broadcast_to(local_of_set(p, sources) / np.log(2), p.shape)[inside]
        assert (local["redundant"] + local[unique])[inside] == pytest.approx(information, abs=1e-9)
    assert sum(local.values())[inside] == pytest.approx(local_of_set(p, 0b11)[inside] / np.log(2), abs=1e-9)


def test_copies_are_redundant_in_every_cell() -> None:
    x = [0, 1, 2, 2] * 100
    local = pidkd.decompose(x, x, x, keep=("local",)).local
    assert local["redundant"] == pytest.approx([2, 2, 1, 1] * 100, abs=1e-9)
    assert local["unique_t"] == pytest.approx(np.zeros(400), abs=1e-9)


def test_a_source_alone_is_unique_in_every_cell() -> None:
    p = gate("unq1").pmf
    local = pidkd.decompose(p, keep=("local",)).local
    assert local["unique_t"][p.p > 0] == pytest.approx(np.full(4, 1.0), abs=1e-9)


def test_tables_with_full_plans_have_one_answer() -> None:
    result = pidkd.decompose(random_pmf((2, 3, 3), rng=0), keep=("local",))
    assert result.stats["local_not_unique"] == 0.0


def test_a_plan_that_falls_apart_leaves_sums_free() -> None:
    """AND: the plan has no mass where just one input is one and the output is zero with the other's zero shared out."""
    p = gate("and").pmf.p
    plan = pidkd.decompose(gate("and").pmf, keep=("plan",)).plan
    free = undetermined(p, plan)
    assert (p[free] > 0).all()
    assert pidkd.decompose(gate("and").pmf, keep=("local",)).stats["local_not_unique"] == p[free].sum() == 0.5


@pytest.mark.parametrize("estimator", ["broja_cvx", "kmeans"])
def test_other_estimators_of_broja_have_them(estimator: str) -> None:
    if estimator == "broja_cvx":
        pytest.importorskip("cvxpy")
        result = pidkd.decompose(gate("and").pmf, estimator=estimator, keep=("local",))
        mean = {atom: np.nansum(gate("and").pmf.p * values) for atom, values in result.local.items()}
    else:
        y = np.arange(2000) % 2
        x = y[:, None] + np.random.default_rng(0).normal(size=(2000, 2))
        result = pidkd.decompose(y, x, x[:, :1], estimator=estimator, n_clusters=3, keep=("local",))
        mean = {atom: values.mean() for atom, values in result.local.items()}
    assert mean == pytest.approx(result.atoms, abs=ROUNDING)
