"""Canonical correlations: the closed form, the exact bias, and degenerate data."""

import numpy as np
import pytest

import pidkd
from pidkd.errors import InputError

RNG = np.random.default_rng


def run(x, y, **params):
    return pidkd.mutual_information(x, y, estimator="gaussian", units="nats", **params)


def test_is_the_log_determinant_of_the_sample_covariance():
    x = RNG(0).normal(size=(200, 3))
    y = x[:, :2] + RNG(1).normal(size=(200, 2))
    cov = np.cov(np.concatenate([x, y], axis=1).T)
    known = -0.5 * (np.linalg.slogdet(cov)[1] - np.linalg.slogdet(cov[:3, :3])[1] - np.linalg.slogdet(cov[3:, 3:])[1])
    assert run(x, y, debias=False).value == pytest.approx(known, abs=1e-12)


@pytest.mark.parametrize(("d_x", "d_y", "rho"), [(1, 1, 0.0), (5, 3, 0.0), (4, 4, 0.6)])
def test_is_unbiased(d_x, d_y, rho):
    rng = RNG(0)
    values = []
    for _ in range(400):
        x = rng.normal(size=(30, d_x))
        y = rng.normal(size=(30, d_y))
        y[:, 0] = rho * x[:, 0] + np.sqrt(1 - rho**2) * y[:, 0]
        values.append(run(x, y).value)
    standard_error = np.std(values) / 20
    assert np.mean(values) == pytest.approx(-0.5 * np.log(1 - rho**2), abs=4 * standard_error)


def test_collinear_and_constant_columns_change_nothing():
    x = RNG(0).normal(size=(100, 2))
    y = x[:, 0] + RNG(1).normal(size=100)
    more = np.concatenate([x, x @ [[1.0], [2.0]], np.full((100, 1), 0.1)], axis=1)
    assert run(more, y).value == pytest.approx(run(x, y).value, abs=1e-10)
    assert run(np.full(100, 0.1), y).value == 0


def test_what_is_determined_is_infinite():
    x = RNG(0).normal(size=(100, 2))
    assert run(x, x.sum(axis=1)).value == np.inf
    assert run(x, x).to("bits").to_dict()["value"] == "inf"


def test_too_few_samples_are_refused():
    with pytest.raises(InputError, match="more samples than the 4 columns of x and y, got 4"):
        run(*RNG(0).normal(size=(2, 4, 2)))
