import numpy as np
import pytest

from pidkd.benchmarks.contract import check_family
from pidkd.benchmarks.problems.posteriors import FAMILY, KNOWN, Question


def test_problems_are_the_same_at_each_call() -> None:
    check_family(FAMILY)


def test_a_question_says_nothing_without_its_picture() -> None:
    atoms = {name: value / np.log(2) for name, value in Question().atoms.items()}
    # Two things of one colour, a quarter of the pictures, say both bits of the answer, and two colours say one.
    assert atoms == pytest.approx({"redundant": 0, "unique_t": 1.25, "unique_s": 0, "synergistic": 0.75}, abs=1e-9)
    data = KNOWN["k4-question"].posteriors(200)
    assert (data.p_s == 0.25).all()
    assert (data.p_t[np.arange(200), data.y] >= 0.5).all()
    assert data.p_ts is not None
    assert (data.p_ts[np.arange(200), data.y] == 1).all()
