import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pidkd
from pidkd.benchmarks.problems.robust import nasty_set, random_set
from pidkd.errors import ConvergenceWarning, InputError, SmallSampleWarning
from pidkd.estimators.pid.broja import BROJA
from pidkd.info import entropy, information
from pidkd.inputs import Pmf
from pidkd.result import ATOMS
from pidkd.synthetic import gate, list_gates, random_pmf

TOL = 1e-9


def broja(p, **params):
    return pidkd.decompose(p if isinstance(p, Pmf) else Pmf(p), estimator="broja", **params)


def seeded(seed: int, largest: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(2, largest + 1, size=3))
    return random_pmf(shape, float(rng.choice([0.1, 1.0, 5.0])), float(rng.uniform(0.3, 1.0)), rng).p


@pytest.mark.parametrize("name", list_gates())
def test_gates_have_their_closed_forms(name):
    known = gate(name)
    result = broja(known.pmf)
    assert result.certificate.status == "optimal"
    for atom in ATOMS:
        assert getattr(result, atom) == pytest.approx(getattr(known, atom), abs=TOL)
        low, high = result.bounds(atom)
        assert low - 1e-12 <= getattr(known, atom) <= high + 1e-12


@given(st.integers(0, 2**32 - 1))
def test_random_tables_are_certified(seed):
    result = broja(seeded(seed))
    assert result.certificate.status == "optimal"
    assert -1e-12 <= result.certificate.gap <= TOL
    assert all(value >= -result.certificate.gap - 1e-12 for value in result.atoms.values())


@given(st.integers(0, 2**32 - 1))
def test_plan_and_potentials_meet_the_optimality_conditions(seed):
    p = seeded(seed)
    result = broja(p, keep=("plan", "potentials"), units="nats")
    q, (a, b) = result.plan, result.potentials
    np.testing.assert_allclose(q.sum(axis=2), p.sum(axis=2), atol=1e-14)
    np.testing.assert_allclose(q.sum(axis=1), p.sum(axis=1), atol=1e-14)
    with np.errstate(divide="ignore"):
        excess = np.log(np.exp(a[:, :, None] + b[:, None, :]).sum(axis=0))
    assert excess.max() <= 1e-12
    dual = (p.sum(axis=2) * np.where(p.sum(axis=2) > 0, a, 0)).sum() + (
        p.sum(axis=1) * np.where(p.sum(axis=1) > 0, b, 0)
    ).sum()
    primal = information(q).both - entropy(p.sum(axis=(1, 2)))
    assert dual <= primal + 1e-12
    assert primal - dual <= TOL * math.log(2)
    # complementary slackness: what the plan loses to the constraints is the gap
    slack = -(q.sum(axis=0) * np.where(q.sum(axis=0) > 0, excess, 0)).sum()
    assert slack <= 2 * TOL


@given(st.integers(0, 2**16), st.integers(0, 2**16))
@settings(max_examples=30)
def test_independent_components_add(first, second):
    one, two = seeded(first, largest=3), seeded(second, largest=3)
    n_y, n_t, n_s = (a * b for a, b in zip(one.shape, two.shape, strict=True))
    product = np.einsum("yts,uvw->yutvsw", one, two).reshape(n_y, n_t, n_s)
    for atom in ATOMS:
        together = getattr(broja(product), atom)
        apart = getattr(broja(one), atom) + getattr(broja(two), atom)
        assert together == pytest.approx(apart, abs=3 * TOL)


@given(st.integers(0, 2**32 - 1))
def test_only_the_pair_marginals_matter_to_the_unique_atoms(seed):
    p = seeded(seed)
    p_y = p.sum(axis=(1, 2), keepdims=True)
    product = np.divide(p.sum(axis=2, keepdims=True) * p.sum(axis=1, keepdims=True), p_y, where=p_y > 0, out=p * 0)
    assert broja(p).unique_t == pytest.approx(broja(product).unique_t, abs=2 * TOL)


@given(st.integers(0, 2**32 - 1))
def test_garbling_the_teacher_never_adds_to_what_is_unique(seed):
    p = seeded(seed)
    rng = np.random.default_rng(seed)
    channel = rng.dirichlet(np.ones(3), size=p.shape[1])
    garbled = np.einsum("yts,tg->ygs", p, channel)
    assert broja(garbled).unique_t <= broja(p).unique_t + 2 * TOL


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 3), (3, 1, 1), (3, 4, 1), (3, 1, 4)])
def test_one_symbol_alphabets(shape):
    p = random_pmf(shape, 1.0, rng=np.random.default_rng(0)).p
    result = broja(p)
    assert result.certificate.status == "optimal"
    assert result.mi == pytest.approx(information(p).both / math.log(2), abs=1e-12)


def test_a_tolerance_that_cannot_be_met_is_never_called_optimal():
    p = random_pmf((5, 6, 6), 0.2, rng=np.random.default_rng(0))
    with pytest.warns(ConvergenceWarning, match="not certified"):
        result = broja(p, tol=1e-18)
    assert result.certificate.status == "max_iter"
    assert result.certificate.gap > 1e-18
    assert "tol" in result.certificate.message


def test_beyond_the_memory_budget_the_status_says_what_was_reached():
    p = random_pmf((4, 8, 8), 1.0, rng=np.random.default_rng(1))
    with pytest.warns(ConvergenceWarning, match="max_memory"):
        result = broja(p, max_memory=1000)
    exact = broja(p)
    assert result.certificate.status == "max_iter"
    assert result.certificate.lower - 1e-12 <= exact.unique_t <= result.certificate.upper + 1e-12


def test_a_batch_is_what_its_members_are_alone():
    rng = np.random.default_rng(2)
    tables = [random_pmf((3, 4, 4), 0.5, 0.6, rng) for _ in range(30)]
    batch = pidkd.decompose_batch(tables, estimator="broja")
    for together, p in zip(batch, tables, strict=True):
        alone = broja(p)
        assert together.unique_t == pytest.approx(alone.unique_t, abs=TOL)
        assert together.certificate.status == "optimal"


@pytest.mark.parametrize(("name", "value"), [("tol", 0.0), ("tol", -1.0), ("tol", math.nan), ("max_memory", 0)])
def test_parameters_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(InputError, match=name):
        broja(gate("and").pmf, **{name: value})


@pytest.mark.filterwarnings("ignore::pidkd.errors.SmallSampleWarning")
def test_an_empirical_histogram_of_few_samples():
    rng = np.random.default_rng(3)
    result = pidkd.decompose(rng.integers(10, size=50), rng.integers(8, size=50), rng.integers(9, size=50))
    assert result.certificate.status == "optimal"
    assert result.n_samples == 50


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore::pidkd.errors.SmallSampleWarning")
def test_the_certificate_contains_the_answer_of_the_cone_solvers():
    pytest.importorskip("cvxpy")
    for p in list(random_set(12, seed=1)):
        ours, theirs = broja(p), pidkd.decompose(p, estimator="broja_cvx")
        assert ours.certificate.status == "optimal"
        assert theirs.certificate.lower - 1e-12 <= ours.unique_t
        assert ours.certificate.lower <= theirs.unique_t + 1e-12


@pytest.mark.parametrize(("tables", "n"), [(random_set, 300), (nasty_set, 200)], ids=["random", "nasty"])
def test_hard_tables_are_certified(tables, n):
    certify(tables(n, seed=0))


@pytest.mark.slow
@pytest.mark.parametrize(("tables", "n"), [(random_set, 20_000), (nasty_set, 10_000)], ids=["random", "nasty"])
def test_thousands_of_hard_tables_are_certified(tables, n):
    certify(tables(n, seed=1))


def certify(tables):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", SmallSampleWarning)
        for member, p in enumerate(tables):
            result = BROJA().decompose(p)
            assert -1e-12 <= result.certificate.gap <= TOL, (member, result)
            assert result.certificate.status == "optimal", (member, result)
            assert all(value >= -result.certificate.gap - 1e-12 for value in result.atoms.values()), (member, result)
