import numpy as np
import pytest

import pidkd
from pidkd.errors import InputError


def covariance(gains: list[np.ndarray]) -> pidkd.Gaussian:
    """Y white, X_i = gain_i Y + white noise."""
    h = np.vstack(gains)
    d_y, d_x = h.shape[1], len(h)
    cov = np.block([[np.eye(d_y), h.T], [h, h @ h.T + np.eye(d_x)]])
    return pidkd.Gaussian(cov, dims=(d_y, *(len(gain) for gain in gains)))


GAINS = [np.random.default_rng(i).normal(size=(3, 3)) for i in range(3)]


def test_a_scalar_target_knows_what_its_best_source_does():
    data = covariance([np.array([[g]]) for g in (1.0, 2.0, 3.0)])
    result = pidkd.union_information(data, ["a", "b", "c"])
    assert result.value == pytest.approx(np.log2(10) / 2, abs=1e-12)
    assert result.information["a"] == pytest.approx(0.5, abs=1e-12)
    assert result.mi == pytest.approx(np.log2(15) / 2, abs=1e-12)


def test_two_sources_are_those_of_the_closed_form():
    data = covariance(GAINS[:2])
    result = pidkd.union_information(data)
    assert result.certificate.status == "optimal"
    assert result.value == pytest.approx(pidkd.decompose(data).union, abs=1e-9)


def test_laws():
    union = pidkd.union_information(covariance(GAINS)).value
    turned = pidkd.union_information(covariance(GAINS[::-1])).value
    again = pidkd.union_information(covariance([*GAINS, GAINS[0]])).value
    less = pidkd.union_information(covariance(GAINS[:2])).value
    assert turned == pytest.approx(union, abs=2e-9)
    assert again == pytest.approx(union, abs=2e-9)
    assert less <= union + 2e-9


def test_samples_lose_their_bias():
    data, n, runs = covariance(GAINS), 60, 12
    exact = pidkd.union_information(data).value
    plain, debiased, errors = [], [], []
    for seed in range(runs):
        x = np.random.default_rng(seed).multivariate_normal(np.zeros(12), data.cov, size=n)
        named = {"a": x[:, 3:6], "b": x[:, 6:9], "c": x[:, 9:]}
        result = pidkd.union_information(x[:, :3], named, n_draws=20)
        plain.append(result.value + result.bias)
        debiased.append(result.value)
        errors.append(result.se)
    error = np.std(debiased) / np.sqrt(runs)
    assert abs(np.mean(debiased) - exact) < 3 * error
    assert np.mean(plain) - exact > abs(np.mean(debiased) - exact)
    assert 0.4 < np.mean(errors) / np.std(debiased) < 2.5


def test_a_covariance_of_samples_and_the_samples_say_the_same():
    x = np.random.default_rng(0).multivariate_normal(np.zeros(12), covariance(GAINS).cov, size=200)
    named = {"a": x[:, 3:6], "b": x[:, 6:9], "c": x[:, 9:]}
    result = pidkd.union_information(x[:, :3], named, debias="none")
    cov = pidkd.Gaussian(np.cov(x.T), dims=(3, 3, 3, 3), n_samples=200)
    assert pidkd.union_information(cov, debias="none").value == pytest.approx(result.value, abs=1e-6)


def test_what_determines_the_target_is_refused_by_name():
    y = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(InputError, match=r"union_information\(copy\).*leaves y uncertain"):
        pidkd.union_information(y, {"noise": np.random.default_rng(1).normal(size=(50, 1)), "copy": 2 * y})


def test_too_few_samples_are_refused():
    x = np.random.default_rng(0).normal(size=(5, 6))
    with pytest.raises(InputError, match="more samples than the 6"):
        pidkd.union_information(x[:, :2], {"a": x[:, 2:4], "b": x[:, 4:]})


@pytest.mark.parametrize(("name", "value"), [("tol", 0.0), ("debias", "matching"), ("n_draws", 1), ("level", 1.0)])
def test_parameters_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(InputError, match=f"gaussian.*{name}"):
        pidkd.union_information(covariance(GAINS), **{name: value})
