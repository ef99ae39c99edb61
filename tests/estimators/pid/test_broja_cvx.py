import numpy as np
import pytest
from sklearn.base import clone

import pidkd
from pidkd.errors import ConvergenceWarning, InputError, SolverError, UnknownNameError
from pidkd.estimators.pid.broja_cvx import BROJACvx, ConicAnswer, exponential_cone_solvers
from pidkd.synthetic import gate, list_gates, random_pmf

pytest.importorskip("cvxpy")

SOLVERS = exponential_cone_solvers()
FORMULATIONS = ("aux", "inline")


@pytest.mark.parametrize("name", list_gates())
@pytest.mark.parametrize("solver", [name for name in SOLVERS if name in ("CLARABEL", "ECOS")])
def test_gates_have_their_closed_form(name: str, solver: str) -> None:
    g = gate(name)
    result = BROJACvx(solver=solver).decompose(g.pmf)
    assert result.certificate.status == "optimal"
    assert result.certificate.lower - 1e-12 <= g.unique_t <= result.certificate.upper + 1e-12
    assert result.atoms == pytest.approx(g.atoms, abs=result.certificate.gap + 1e-12)


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("shape", [(2, 6, 5), (5, 4, 6), (4, 3, 3)])
def test_solvers_and_formulations_prove_bounds_that_meet(shape: tuple[int, int, int], formulation: str) -> None:
    pmf = random_pmf(shape, support=0.7, rng=shape[0])
    reference = BROJACvx().decompose(pmf).certificate
    for solver in SOLVERS:
        certificate = BROJACvx(solver=solver, formulation=formulation, tol=1e-4).decompose(pmf).certificate
        assert certificate.status == "optimal", certificate.message
        assert certificate.lower <= reference.upper + 1e-14
        assert reference.lower <= certificate.upper + 1e-14


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 2), (3, 1, 1), (3, 1, 4), (3, 4, 1)])
def test_variables_of_one_value(shape: tuple[int, int, int], formulation: str) -> None:
    result = BROJACvx(formulation=formulation).decompose(random_pmf(shape))
    assert result.certificate.status == "optimal"
    assert result.unique_t == pytest.approx(result.mi_t if shape[2] == 1 else 0.0, abs=1e-6)


def test_the_plan_has_the_marginals_and_the_potentials_are_feasible() -> None:
    pmf = random_pmf((4, 5, 6), support=0.5, rng=3)
    result = pidkd.decompose(pmf, estimator="broja_cvx", keep=("plan", "potentials"))
    assert result.plan is not None
    assert result.potentials is not None
    assert result.plan.min() >= 0
    assert result.plan.sum(axis=2) == pytest.approx(pmf.p.sum(axis=2), abs=1e-15)
    assert result.plan.sum(axis=1) == pytest.approx(pmf.p.sum(axis=1), abs=1e-15)
    a, b = result.potentials
    assert np.exp(a[:, :, None] + b[:, None, :]).sum(axis=0).max() <= 1 + 1e-12


def test_options_reach_the_solver() -> None:
    pmf = random_pmf((3, 6, 6))
    exact = BROJACvx(options={"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12})
    assert exact.decompose(pmf).certificate.gap < BROJACvx().decompose(pmf).certificate.gap
    assert exact.solve(pmf).iterations > BROJACvx().solve(pmf).iterations
    with pytest.warns(ConvergenceWarning, match="user_limit, 2 iterations"):
        stopped = BROJACvx(options={"max_iter": 2}).decompose(pmf)
    assert stopped.certificate.status == "max_iter"
    assert stopped.certificate.lower <= exact.decompose(pmf).unique_t <= stopped.certificate.upper


def test_optimal_is_never_claimed_beyond_the_tolerance() -> None:
    with pytest.warns(ConvergenceWarning):
        result = BROJACvx(tol=1e-16).decompose(random_pmf((5, 6, 6)))
    assert result.certificate.status == "max_iter"


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_unknown_option_is_refused_in_the_words_of_the_solver(solver: str) -> None:
    with pytest.raises(InputError, match=r"broja_cvx\(options=...\): expected options that .*nonsense"):
        BROJACvx(solver=solver, options={"nonsense": 1}).decompose(random_pmf((2, 2, 2)))


@pytest.mark.parametrize("solver", ["GUROBY", "SCIPY"])
def test_a_solver_that_is_absent_or_has_no_exponential_cone_is_refused(solver: str) -> None:
    with pytest.raises(UnknownNameError, match="exponential cone, one of CLARABEL"):
        BROJACvx(solver=solver).decompose(random_pmf((2, 2, 2)))


@pytest.mark.parametrize("bad", [{"formulation": "outline"}, {"options": [1]}, {"tol": 0.0}, {"tol": float("nan")}])
def test_parameters_that_cannot_be_used_are_named(bad: dict[str, object]) -> None:
    with pytest.raises(InputError, match=rf"broja_cvx\({next(iter(bad))}=\.\.\.\)"):
        pidkd.decompose(random_pmf((2, 2, 2)), estimator="broja_cvx", **bad)


def test_a_solver_that_fails_is_an_error_for_one_table_and_a_status_in_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = ConicAnswer("Solver 'CLARABEL' failed.", None, None, None, None)
    monkeypatch.setattr(BROJACvx, "solve", lambda self, pmf: failure)
    with pytest.raises(SolverError, match=r"CLARABEL failed: Solver 'CLARABEL' failed\."):
        BROJACvx().decompose(random_pmf((2, 2, 2)))
    with pytest.warns(ConvergenceWarning, match="1 of 1 members"):
        batch = BROJACvx().decompose_batch([random_pmf((2, 2, 2))])
    assert batch[0].certificate.status == "uncertified"


def test_parameters_can_be_cloned_hashed_and_written() -> None:
    estimator = BROJACvx(options={"max_iter": 50})
    assert clone(estimator) == estimator
    assert hash(estimator.with_params(options={"max_iter": 50})) == hash(estimator)
    result = estimator.decompose(random_pmf((2, 3, 3)))
    assert pidkd.PIDResult.from_dict(result.to_dict()).params["options"] == {"max_iter": 50}
