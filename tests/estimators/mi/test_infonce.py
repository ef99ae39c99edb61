"""The ceiling, and that it is said."""

import numpy as np
import pytest

import pidkd
from pidkd.errors import SmallSampleWarning
from pidkd.synthetic import staircase

pytest.importorskip("torch")


def test_no_value_is_above_the_logarithm_of_the_paired_samples():
    (step,) = staircase(d=20, values=(7.0,))
    x, y = step.sample(1000)
    with pytest.warns(SmallSampleWarning, match=r"infonce: no value is above ln 40 = 3.69 nats, and .* raise block"):
        found = pidkd.mutual_information(x, y, estimator="infonce", units="nats", steps=0, block=40)
    assert 3.0 < found.value < np.log(40)


def test_more_pairs_raise_the_value():
    (step,) = staircase(d=20, values=(3.0,))
    x, y = step.sample(4000)
    blocks = (160, 320, 800)
    found = [pidkd.mutual_information(x, y, estimator="infonce", units="nats", steps=0, block=n) for n in blocks]
    assert 2.0 < found[0].value < found[1].value < found[2].value < 3.0
