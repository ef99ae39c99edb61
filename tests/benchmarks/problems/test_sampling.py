"""The sampling family: its truths are what they say, and its page holds every method."""

import numpy as np
import pytest

from pidkd import decompose
from pidkd.benchmarks.problems.sampling import METHODS, QUANTITIES, TRUTHS, Truth, looks, page, repeat
from pidkd.synthetic import random_pmf
from pidkd.uncertainty import Bootstrap

SMALL = Truth("small", random_pmf((2, 2, 2)), 200, 2)


def test_looks_are_right_as_often_as_they_say() -> None:
    p = looks(3, 0.9, 0.6).p
    assert np.einsum("yys->", p) == pytest.approx(0.9)
    assert np.einsum("yty->", p) == pytest.approx(0.6)
    assert p.sum(axis=(1, 2)) == pytest.approx(1 / 3)


def test_independence_has_no_information() -> None:
    assert decompose(TRUTHS["independent (10,10,10)"].pmf).mi == pytest.approx(0.0, abs=1e-12)


def test_shared_resamples_change_nothing() -> None:
    """Alone or after another method, a method finds the same."""
    methods = {"basic": Bootstrap(n=10), "corrected": Bootstrap(n=10, bias="extrapolation", repeats=2)}
    both, alone = repeat(SMALL, methods, 0), repeat(SMALL, {"corrected": methods["corrected"]}, 0)
    assert both[1] == pytest.approx(alone[0], abs=1e-8)


def test_a_page_holds_every_method() -> None:
    lines = list(page(SMALL))
    assert lines[0].startswith("### small, 200 samples, 2 times")
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {len(QUANTITIES) + 2}
    for name in METHODS:
        assert any(name in line and "covers" in line for line in table)
