import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pidkd import Pmf, decompose
from pidkd.errors import InputError
from pidkd.synthetic import gate, random_pmf

# Synergy is I(Y;T,S) less what the other atoms hold, and this redundancy leaves them much.
pytestmark = pytest.mark.filterwarnings("ignore::pidkd.errors.NegativeAtomWarning")

DIGITS = 1e-9

PUBLISHED = {
    "rdn": 1,
    "unq": 0,
    "xor": 0,
    "and": gate("and").redundant,
    "sum": 0.5,
    "rdnxor": 1,
    "rdnunqxor": 1,
    "imperfect_rdn": gate("imperfect_rdn").redundant,
    "bsc": gate("bsc").redundant,
    "pwunq": 0.5,
    "copy": 0,
}
"""Bits."""


@pytest.mark.parametrize(("name", "value"), PUBLISHED.items())
def test_gates(name: str, value: float) -> None:
    result = decompose(gate(name).pmf, estimator="blackwell")
    assert result.redundant == pytest.approx(value, abs=DIGITS)
    assert result.certificate.gap <= 1e-9


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), n_t=st.integers(1, 12), n_s=st.integers(1, 12), support=st.sampled_from([0.3, 1.0]))
def test_closed_form_for_two_classes_equals_the_linear_program(seed: int, n_t: int, n_s: int, support: float) -> None:
    pmf = random_pmf((2, n_t, n_s), concentration=0.5, support=support, rng=seed)
    closed, program = (decompose(pmf, estimator="blackwell", solver=solver) for solver in ("auto", "rays"))
    assert closed.redundant == pytest.approx(program.redundant, abs=1e-8)
    assert program.certificate.status == "optimal"


@pytest.mark.parametrize("shape", [(3, 3, 3), (3, 8, 8), (5, 4, 6)])
def test_below_broja_and_certified(shape: tuple[int, int, int]) -> None:
    pmf = random_pmf(shape, rng=0)
    result = decompose(pmf, estimator="blackwell")
    assert result.certificate.gap <= 1e-9
    assert -DIGITS <= result.redundant <= decompose(pmf).redundant + DIGITS


def test_only_the_pair_marginals_matter() -> None:
    p = random_pmf((3, 3, 3), rng=0).p
    product = p.sum(axis=2)[:, :, None] * p.sum(axis=1)[:, None, :] / p.sum(axis=(1, 2))[:, None, None]
    true, independent = (decompose(Pmf(table), estimator="blackwell").redundant for table in (p, product))
    assert true == pytest.approx(independent, abs=DIGITS)


def test_a_garbling_shares_all_it_has() -> None:
    rng = np.random.default_rng(0)
    p_yt, garbling = rng.dirichlet(np.ones(12)).reshape(3, 4), rng.dirichlet(np.ones(3), size=4)
    result = decompose(Pmf(p_yt[:, :, None] * garbling), estimator="blackwell")
    assert result.unique_s == pytest.approx(0, abs=DIGITS)
    assert result.redundant == pytest.approx(result.mi_s, abs=DIGITS)


def test_an_interval_where_rays_are_too_many_and_time_is_short() -> None:
    result = decompose(random_pmf((4, 9, 9), rng=0), estimator="blackwell", max_rays=20, time_limit=0.5)
    exact = decompose(random_pmf((4, 9, 9), rng=0), estimator="blackwell")
    assert result.certificate.status == "bound"
    low, high = result.bounds("redundant")
    assert low - DIGITS <= exact.redundant <= high + DIGITS


def test_bad_parameters_are_named() -> None:
    for name, value in {"solver": "lp", "max_rays": -1, "tol": 0, "time_limit": 0}.items():
        with pytest.raises(InputError, match=rf"blackwell\({name}=...\): expected"):
            decompose(gate("and").pmf, estimator="blackwell", **{name: value})
