import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pidkd.info import entropy, information, table_information
from pidkd.synthetic import random_pmf

LOG2 = math.log(2)


def binary_entropy(p: float) -> float:
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


def test_entropy_of_a_uniform_law_is_the_logarithm_of_its_size() -> None:
    assert entropy(np.full(10, 0.1)) == pytest.approx(math.log(10), rel=1e-15)
    assert entropy(np.full((2, 5), 0.1)) == pytest.approx(math.log(10), rel=1e-15)


def test_entropy_of_a_certain_value_is_zero_without_a_sign() -> None:
    assert math.copysign(1.0, entropy(np.array([1.0, 0.0, -0.0]))) == 1.0


def test_information_of_a_binary_symmetric_channel() -> None:
    channel = np.array([[0.9, 0.1], [0.1, 0.9]]) / 2
    assert table_information(channel) == pytest.approx(LOG2 - binary_entropy(0.1), rel=1e-14)


def test_information_of_an_erasure_channel() -> None:
    channel = np.array([[0.75, 0.25, 0.0], [0.0, 0.25, 0.75]]) / 2
    assert table_information(channel) == pytest.approx(0.75 * LOG2, rel=1e-14)


def test_information_of_independent_variables_is_zero() -> None:
    assert table_information(np.outer([0.2, 0.8], [0.3, 0.3, 0.4])) == pytest.approx(0.0, abs=1e-15)


def test_information_of_an_xor_is_in_both_alone() -> None:
    p = np.zeros((2, 2, 2))
    p[[0, 1, 1, 0], [0, 0, 1, 1], [0, 1, 0, 1]] = 1 / 4
    assert information(p) == pytest.approx((0.0, 0.0, LOG2), abs=1e-15)


def test_empty_rows_change_nothing_and_warn_of_nothing() -> None:
    p = random_pmf((2, 3, 2)).p
    padded = np.pad(p, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert information(padded) == pytest.approx(information(p), rel=1e-14)


def test_masses_over_all_of_float64_keep_their_information() -> None:
    p = np.array([[1.0, 0.0], [0.0, 5e-324]])  # the information of a copy is its entropy
    assert table_information(p) == entropy(np.diag(p))


@given(arrays(np.float64, (3, 4), elements=st.floats(0, 1)).filter(lambda p: p.sum() > 0))
def test_information_lies_between_zero_and_the_entropies(p: np.ndarray) -> None:
    p = p / p.sum()
    value = table_information(p)
    assert -1e-14 <= value <= min(entropy(p.sum(axis=0)), entropy(p.sum(axis=1))) + 1e-14


@given(arrays(np.float64, (2, 3, 4), elements=st.floats(0, 1)).filter(lambda p: p.sum() > 0))
def test_the_chain_rule(p: np.ndarray) -> None:
    p = p / p.sum()
    known = information(p)
    conditional = sum(float(slab.sum()) * table_information(slab / slab.sum()) for slab in p.T if slab.sum() > 0)
    assert known.both == pytest.approx(known.s + conditional, abs=1e-13)
