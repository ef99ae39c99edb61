"""The best source below both for two classes; the least above both is tested in ``union/test_two_classes``."""

import numpy as np
import pytest

from pidkd import decompose
from pidkd.estimators.solvers.redundancy.roc import intersection_information
from pidkd.estimators.solvers.union.two_classes import Hull
from pidkd.synthetic import gate, random_pmf

BIT = np.log(2)


def union_information(p_yt: np.ndarray, p_ys: np.ndarray) -> float:
    return Hull.of((p_yt, p_ys)).information


def test_the_minimum_lies_below_both_and_the_hull_above() -> None:
    for seed in range(20):
        pmf = random_pmf((2, 7, 5), rng=seed)
        pair = pmf.p.sum(axis=2), pmf.p.sum(axis=1)
        result = decompose(pmf, units="nats")
        least, most = intersection_information(*pair), union_information(*pair)
        assert -1e-12 <= least <= min(result.mi_t, result.mi_s) + 1e-12
        assert max(result.mi_t, result.mi_s) - 1e-12 <= most <= result.mi_t + result.mi_s + 1e-12
        # For a lattice meet and join add up at most to both: the redundancy of the meet is the smaller one.
        assert least <= result.mi_t + result.mi_s - most + 1e-12


def test_equal_when_one_curve_dominates() -> None:
    pmf = gate("imperfect_rdn").pmf
    result = decompose(pmf, units="nats")
    pair = pmf.p.sum(axis=2), pmf.p.sum(axis=1)
    assert intersection_information(*pair) == pytest.approx(result.mi_s, abs=1e-12)
    assert union_information(*pair) == pytest.approx(result.mi_t, abs=1e-12)


def test_certain_values_at_both_ends() -> None:
    # T tells Y = 1 apart half of the time, S tells Y = 0 apart half of the time: the curves cross in the middle.
    p_yt, p_ys = np.array([[0.0, 0.5], [0.25, 0.25]]), np.array([[0.25, 0.25], [0.0, 0.5]])
    # Their minimum runs through (0, 0), (1/3, 2/3), (1, 1): an asymmetric channel with error 1/3 on both sides.
    error = 1 / 3
    symmetric = BIT + error * np.log(error) + (1 - error) * np.log(1 - error)
    assert intersection_information(p_yt, p_ys) == pytest.approx(symmetric, abs=1e-12)
    # Their hull runs through (0, 1/2) and (1/2, 1): an erasure with probability 1/2.
    assert union_information(p_yt, p_ys) == pytest.approx(BIT / 2, abs=1e-12)
