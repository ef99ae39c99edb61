"""Clipping: between no bound and the bound."""

import numpy as np
import pytest

import pidkd
from pidkd.errors import InputError
from pidkd.synthetic import staircase, task

pytest.importorskip("torch")


def run(of, **params):
    return pidkd.mutual_information(*of.sample(1500), units="nats", steps=0, **params).value


def test_is_donsker_varadhan_where_nothing_is_clipped():
    of = task("multinormal-sparse-5-5")
    assert run(of, estimator="smile", tau=1e3) == pytest.approx(run(of, estimator="mine"), abs=1e-9)


def test_is_no_bound():
    (step,) = staircase(values=(6.0,))
    assert run(step, estimator="smile", tau=2.0) > step.mi + 0.5
    assert run(step, estimator="smile", tau=np.inf) < step.mi + 0.3


def test_a_bad_clip_is_refused():
    with pytest.raises(InputError, match=r"smile\(tau=...\): expected a number > 0, got -1"):
        run(task("1v1-normal-0.75"), estimator="smile", tau=-1)
