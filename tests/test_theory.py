"""The theorems and examples of the RID paper, as properties of random distributions.

The numbers are those of the paper: examples 1 to 3 and Theorem 3.1 (a teacher with nuisance), Theorem 3.2 (what unique
and redundant information promise), Theorem 4.1 (the intersection information that RID maximises is a lower bound).
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pidkd import Pmf, decompose
from pidkd.info import entropy, table_information
from pidkd.synthetic import gate, random_pmf

pytestmark = pytest.mark.filterwarnings("ignore::pidkd.errors.NegativeAtomWarning")

GAPS = 4e-9
"""Bits by which two certified values may differ."""
SEEDS = st.integers(0, 10**6)


def red(pmf: Pmf, estimator: str = "broja", **params: object) -> float:
    return decompose(pmf, estimator=estimator, **params).redundant


def teacher_with_nuisance(seed: int, n_g: int) -> np.ndarray:
    """p(y, z, g): Z random, G independent of both."""
    rng = np.random.default_rng(seed)
    p_yz, p_g = rng.dirichlet(np.ones(6)).reshape(2, 3), rng.dirichlet(np.ones(n_g))
    return p_yz[:, :, None] * p_g


def of_student(p_yzg: np.ndarray, student: np.ndarray) -> Pmf:
    """T = (Z, G), and S the function of it given for every (z, g)."""
    n_y = len(p_yzg)
    p = np.zeros((n_y, student.size, int(student.max()) + 1))
    p[:, np.arange(student.size), student.ravel()] = p_yzg.reshape(n_y, -1)
    return Pmf(p)


@settings(max_examples=20)
@given(seed=SEEDS, n_g=st.integers(2, 5))
def test_theorem_3_1_redundancy_prefers_the_signal_and_mutual_information_the_larger_part(seed: int, n_g: int) -> None:
    p_yzg = teacher_with_nuisance(seed, n_g)
    signal, nuisance = np.indices((3, n_g))
    h_z, h_g = entropy(p_yzg.sum(axis=(0, 2))), entropy(p_yzg.sum(axis=(0, 1)))
    kept_z, kept_g = of_student(p_yzg, signal), of_student(p_yzg, nuisance)
    # (i) I(T;S) is the entropy of what the student keeps, and so is largest for the larger part.
    assert table_information(kept_z.p.sum(axis=0)) == pytest.approx(h_z)
    assert table_information(kept_g.p.sum(axis=0)) == pytest.approx(h_g)
    # (ii) Red(Y:T,S) is largest for the signal, whichever part is larger.
    result = decompose(kept_z)
    assert result.redundant == pytest.approx(result.mi_t, abs=GAPS)
    assert red(kept_g) == pytest.approx(0, abs=GAPS)
    rng = np.random.default_rng(seed)
    other = of_student(p_yzg, rng.integers(0, 3, size=(3, n_g)))
    assert red(other) <= result.redundant + GAPS


@settings(max_examples=20)
@given(seed=SEEDS, sparse=st.booleans())
def test_theorem_3_2_i_no_atom_of_broja_is_negative(seed: int, sparse: bool) -> None:
    result = decompose(random_pmf((3, 3, 4), support=0.4 if sparse else 1, rng=seed))
    assert min(result.atoms.values()) >= -GAPS


@settings(max_examples=20)
@given(seed=SEEDS)
def test_theorem_3_2_ii_nothing_left_to_distill_means_that_the_student_knows_no_less(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p_ys, garbling = rng.dirichlet(np.ones(9)).reshape(3, 3), rng.dirichlet(np.ones(4), size=3)
    result = decompose(Pmf(np.einsum("ys,st->yts", p_ys, garbling)))
    assert result.unique_t == pytest.approx(0, abs=GAPS)
    assert result.mi_s >= result.mi_t - GAPS


@settings(max_examples=20)
@given(seed=SEEDS)
def test_theorem_3_2_iii_a_function_of_the_teacher_has_no_more_unique_information(seed: int) -> None:
    p = random_pmf((3, 5, 3), rng=seed).p
    function = np.random.default_rng(seed).integers(0, 3, size=5)
    coarse = np.stack([p[:, function == value].sum(axis=1) for value in range(3)], axis=1)
    assert decompose(Pmf(coarse)).unique_t <= decompose(Pmf(p)).unique_t + GAPS


@settings(max_examples=10)
@given(seed=SEEDS, shape=st.sampled_from([(2, 2, 2), (2, 3, 3), (3, 2, 3)]), support=st.sampled_from([0.5, 1.0]))
def test_theorem_4_1_and_the_order_of_redundancies(seed: int, shape: tuple[int, int, int], support: float) -> None:
    pmf = random_pmf(shape, support=support, rng=seed)
    chain = [red(pmf, name) for name in ("gk", "i_alpha", "blackwell", "broja", "mmi")]
    assert all(low <= high + GAPS for low, high in itertools.pairwise(chain)), chain
    for channel in ("target", "sources"):
        assert red(pmf, "i_alpha", channel=channel) <= chain[1] + GAPS
    assert chain[0] - GAPS <= red(pmf, "i_alpha", channel="teacher") <= chain[2] + GAPS


def test_example_1_an_uninformative_teacher_shares_nothing_with_any_student() -> None:
    bits = np.zeros((2, 2))
    for student in itertools.product((0, 1), repeat=4):  # every function of (U1, U2)
        p = np.zeros((2, 2, 2))
        for u1, u2 in np.ndindex(bits.shape):
            p[u1, u2, student[2 * u1 + u2]] += 1 / 4
        result = decompose(Pmf(p))
        assert result.redundant == pytest.approx(0, abs=GAPS)
        assert result.unique_t == pytest.approx(0, abs=GAPS)


def test_example_2_a_one_bit_student_shares_most_when_it_keeps_the_signal() -> None:
    signal, nuisance = gate("example2_signal"), gate("example2_nuisance")
    assert table_information(signal.pmf.p.sum(axis=0)) < table_information(nuisance.pmf.p.sum(axis=0))
    assert red(signal.pmf) == pytest.approx(signal.redundant, abs=GAPS)
    assert red(nuisance.pmf) == pytest.approx(0, abs=GAPS)


def test_example_3_conditional_mutual_information_is_not_what_is_left_to_distill() -> None:
    result = decompose(gate("example3").pmf)
    assert result.mi - result.mi_s == pytest.approx(1)  # I(Y;T|S)
    assert result.unique_t == pytest.approx(0, abs=GAPS)
    assert result.redundant == pytest.approx(0, abs=GAPS)
