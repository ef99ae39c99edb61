"""Errors, and what intervals are worth, of answers that are made up."""

import numpy as np
import pytest

from pidkd.benchmarks.scoring import judged
from pidkd.decomposition import decompose
from pidkd.inputs import Gaussian
from pidkd.mi import MIResult


def said(value: float, low: float, high: float) -> MIResult:
    return MIResult(value, "lower", "bits", "made up", {}, (low, high), se=0.1 * value, n_samples=10, seconds=0.0)


def test_intervals_hold_the_truth_or_lie_above_or_below_it():
    found = judged(
        [said(1.0, 0.5, 1.5), said(2.0, 1.5, 2.5), said(0.2, 0.1, 0.3), said(1.2, 1.1, 1.3)], [{"mi": 1.0}] * 4
    )
    assert found["covered"] == {"mi": 0.25}
    assert found["above"] == {"mi": 0.5}


def test_a_bias_is_a_mean_and_the_spread_is_around_it():
    found = judged([said(1.0, 0, 2), said(3.0, 0, 4)], [{"mi": 1.0}, {"mi": 1.0}])
    assert found["bias"]["mi"] == pytest.approx(1.0)
    assert found["spread"]["mi"] == pytest.approx(2**0.5)
    assert found["se"]["mi"] == pytest.approx(0.2)
    assert (found["error"], found["worst"]) == (pytest.approx(1.0), pytest.approx(2.0))


def test_a_fault_is_no_estimate():
    found = judged([said(1.0, 0, 2), ValueError("no\nluck"), said(np.nan, 0, 1)], None)
    assert (found["status"], found["failed"], found["message"]) == ("failed", 2, "ValueError: no")
    assert found["estimate"] == {"mi": 1.0}
    assert "estimate" not in judged([ValueError("no")], None)


def test_without_intervals_nothing_is_covered():
    data = Gaussian(np.eye(3) + 1.0, (1, 1, 1))
    found = judged([decompose(data)], [decompose(data).atoms])
    assert (found["error"], found["certified"], found["covered"]) == (0.0, 1, {})
    assert "se" not in found
