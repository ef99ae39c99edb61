"""Large information: the target that no bound can reach."""

import numpy as np
import pytest

import pidkd
from pidkd.errors import SmallSampleWarning
from pidkd.synthetic import staircase

pytest.importorskip("torch")


@pytest.mark.parametrize("cubic", [False, True])
def test_ten_nats_of_a_staircase(cubic):
    (step,) = staircase(values=(10.0,), cubic=cubic)
    with pytest.warns(SmallSampleWarning, match="js: 10000 samples prove no more than about ln n"):
        found = [
            pidkd.mutual_information(
                *step.sample(10_000, seed), estimator="js", units="nats", steps=20, n_folds=1
            ).value
            for seed in range(2)
        ]
    assert np.mean(found) == pytest.approx(10.0, abs=0.3)
    assert np.ptp(found) < 0.3
