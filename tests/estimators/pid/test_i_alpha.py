import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pidkd import Pmf, decompose
from pidkd.errors import InputError
from pidkd.info import entropy
from pidkd.synthetic import gate, list_gates, random_pmf

# Synergy is I(Y;T,S) less what the other atoms hold, and this redundancy leaves them much.
pytestmark = pytest.mark.filterwarnings("ignore::pidkd.errors.NegativeAtomWarning")

DIGITS = 1e-9
GAPS = 4e-9

PUBLISHED = {
    "rdn": 1,
    "unq": 0,
    "unq1": 0,
    "xor": 0,
    "and": 0.122556249,
    "sum": 0,
    "rdnxor": 1,
    "rdnunqxor": 1,
    "imperfect_rdn": 0.989590079,
    "bsc": 0.341031099,
    "pwunq": 0,
    "xorand": 0,
    "copy": 0,
    "example2_signal": gate("example2_signal").redundant,
    "example3": 0,
}
"""Bits."""

TEACHER = {"rdn": 1, "unq": 0, "xor": 0, "and": 0, "rdnxor": 1, "imperfect_rdn": 0, "example2_nuisance": 0}


def red(pmf: Pmf, estimator: str = "i_alpha", **params: object) -> float:
    return decompose(pmf, estimator=estimator, **params).redundant


@pytest.mark.parametrize(("name", "value"), PUBLISHED.items())
def test_gates(name: str, value: float) -> None:
    result = decompose(gate(name).pmf, estimator="i_alpha")
    assert result.redundant == pytest.approx(value, abs=DIGITS)
    assert result.certificate.gap <= 1e-9
    assert result.certificate.status == "optimal"


def test_and_in_closed_form() -> None:
    # T = 1 occurs with both values of Y, so P(q|1,0) = P(q|1,1), and so for S: Q can only tell T = S = 0 from the rest.
    value = entropy(np.array([1 / 4, 3 / 4])) - 3 / 4 * entropy(np.array([1 / 3, 2 / 3]))
    assert red(gate("and").pmf) == pytest.approx(value / np.log(2), abs=DIGITS)


def test_markov_chain_gives_the_information_of_the_further_source() -> None:
    rng = np.random.default_rng(0)
    p_yt, s_of_t = rng.dirichlet(np.ones(6)).reshape(2, 3), rng.dirichlet(np.ones(3), size=3)
    result = decompose(Pmf(p_yt[:, :, None] * s_of_t), estimator="i_alpha")
    assert result.redundant == pytest.approx(result.mi_s, abs=1e-9)
    assert result.redundant < result.mi_t


@pytest.mark.parametrize(("name", "value"), TEACHER.items())
def test_what_rid_restricts_itself_to(name: str, value: float) -> None:
    assert red(gate(name).pmf, channel="teacher") == pytest.approx(value, abs=DIGITS)


def test_the_restriction_depends_on_which_source_is_the_teacher() -> None:
    swapped = Pmf(gate("imperfect_rdn").pmf.p.transpose(0, 2, 1))
    assert red(swapped, channel="teacher") == pytest.approx(0.989590079, abs=DIGITS)


def test_the_restriction_can_exceed_i_alpha_since_the_student_may_forget() -> None:
    # S = (S1, S2), T = S1 xor N, Y = S1 xor M, S2 = N xor M. Given S1 alone, T and Y are independent; given S they are
    # not. With f_s(S) = S1 all of T counts for RID, and little of it for Griffith and Ho.
    p = np.zeros((2, 2, 4))
    for s1, n, m in itertools.product((0, 1), repeat=3):
        p[s1 ^ m, s1 ^ n, 2 * s1 + (n ^ m)] += 0.5 * (0.2 if n else 0.8) * (0.1 if m else 0.9)
    pmf = Pmf(p)
    assert red(pmf, channel="teacher") == pytest.approx(decompose(pmf).mi_t, abs=DIGITS)
    assert red(pmf) < 0.2 * red(pmf, channel="teacher")
    assert red(pmf, "blackwell") == pytest.approx(decompose(pmf).mi_t, abs=DIGITS)


@pytest.mark.parametrize("seed", range(20))
def test_no_function_of_the_teacher_exceeds_the_garblings(seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 3, size=(2, 3, 3)) + np.eye(3, dtype=int)
    pmf = Pmf(counts, normalise=True)
    assert red(pmf, "gk") - DIGITS <= red(pmf, channel="teacher") <= red(pmf, "blackwell") + DIGITS


@pytest.mark.parametrize("name", [name for name in list_gates() if gate(name).pmf.p.size <= 100])
def test_what_q_may_be_made_from(name: str) -> None:
    pmf = gate(name).pmf
    joint, sources, target = (red(pmf, channel=channel) for channel in ("joint", "sources", "target"))
    assert target <= joint + GAPS
    assert sources <= joint + GAPS


def test_noisy_copies_are_redundant_only_through_y() -> None:
    pmf = gate("bsc").pmf
    assert red(pmf, channel="sources") == pytest.approx(0, abs=DIGITS)
    assert red(pmf, channel="target") == pytest.approx(0, abs=DIGITS)
    assert red(pmf) == pytest.approx(0.341031099, abs=DIGITS)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), sparse=st.booleans())
def test_order_of_the_redundancies(seed: int, sparse: bool) -> None:
    pmf = random_pmf((2, 3, 3), support=0.5 if sparse else 1.0, rng=seed)
    values = [red(pmf, name) for name in ("gk", "i_alpha", "blackwell", "broja", "mmi")]
    assert all(low <= high + GAPS for low, high in itertools.pairwise(values)), values


@pytest.mark.parametrize("seed", range(3))
def test_refinement_agrees_with_rays(seed: int) -> None:
    pmf = random_pmf((2, 3, 3), rng=seed)
    by_rays = decompose(pmf, estimator="i_alpha")
    refined = decompose(pmf, estimator="i_alpha", max_rays=0)
    assert "refinement" in refined.certificate.message
    assert refined.certificate.status == by_rays.certificate.status == "optimal"
    assert refined.redundant == pytest.approx(by_rays.redundant, abs=GAPS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_three_by_three_by_three_is_exact(seed: int) -> None:
    pmf = random_pmf((3, 3, 3), rng=seed)
    refined = decompose(pmf, estimator="i_alpha", max_rays=0)
    by_rays = decompose(pmf, estimator="i_alpha")
    assert refined.certificate.gap <= 1e-9
    assert by_rays.certificate.gap <= 1e-9
    assert refined.redundant == pytest.approx(by_rays.redundant, abs=GAPS)


def test_a_large_table_gives_a_proven_interval_and_says_so() -> None:
    result = decompose(random_pmf((4, 5, 5), rng=0), estimator="i_alpha", max_rays=50, time_limit=1.0)
    assert result.certificate.status == "bound"
    low, high = result.bounds("redundant")
    assert 0 <= low < high <= min(result.mi_t, result.mi_s) + 1e-12
    assert result.redundant == pytest.approx(low, abs=1e-12)
    assert result.seconds < 3


def test_bad_parameters_are_named() -> None:
    pmf = gate("and").pmf
    for name, value in {"channel": "s", "max_rays": -1, "tol": 0, "time_limit": 0}.items():
        with pytest.raises(InputError, match=rf"i_alpha\({name}=...\): expected"):
            decompose(pmf, estimator="i_alpha", **{name: value})


def test_the_search_over_functions_is_for_small_alphabets() -> None:
    with pytest.raises(InputError, match="at most 8 values of T and 10 of S, got 9 and 2"):
        decompose(random_pmf((2, 9, 2), rng=0), estimator="i_alpha", channel="teacher")
