"""The bound itself is tested with the solvers; here, what a user must be told."""

import pytest

import pidkd
from pidkd.errors import SmallSampleWarning
from pidkd.synthetic import staircase

pytest.importorskip("torch")


def test_a_mean_of_exponentials_that_a_single_pair_makes_up_is_said():
    (step,) = staircase(d=20, values=(7.0,))
    with pytest.warns(
        SmallSampleWarning, match=r"nwj: a single pair of samples makes up \d+% of a mean of exponentials"
    ):
        found = pidkd.mutual_information(*step.sample(1500), estimator="nwj", steps=0)
    assert len(found.warnings) >= 1
