"""Nearest neighbours: known values, the formula itself, ties, and a peer."""

import numpy as np
import pytest
from scipy.special import digamma

import pidkd
from pidkd.errors import InputError, SmallSampleWarning

VARIANTS = ["ksg1", "ksg2", "mixture"]


def run(x, y, **params):
    return pidkd.mutual_information(x, y, estimator="ksg", units="nats", **params).value


def pair(n, rho, seed=0, d=1):
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, n, d))
    return x, rho * x + np.sqrt(1 - rho**2) * noise


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_correlated_normals(variant, rho):
    assert run(*pair(4000, rho), variant=variant) == pytest.approx(-0.5 * np.log(1 - rho**2), abs=0.04)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_is_the_published_formula(d):
    x, y = pair(200, 0.6, d=d)
    k = 4
    x_scaled, y_scaled = ((v - v.mean(axis=0)) / v.std(axis=0) for v in (x, y))
    d_x, d_y = (np.abs(v[:, None] - v).max(axis=2) for v in (x_scaled, y_scaled))
    terms = []
    for i in range(200):
        others = np.arange(200) != i
        radius = np.sort(np.maximum(d_x, d_y)[i, others])[k - 1]
        n_x, n_y = ((distance[i, others] < radius).sum() for distance in (d_x, d_y))
        terms.append(digamma(n_x + 1) + digamma(n_y + 1))
    known = digamma(k) + digamma(200) - np.mean(terms)
    assert run(x, y, k=k) == pytest.approx(known, abs=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
def test_units_of_measurement_change_nothing(variant):
    x, y = pair(300, 0.7, d=2)
    found = run(1e3 * x + 5, y * [1e-3, 10], variant=variant)
    assert found == pytest.approx(run(x, y, variant=variant), abs=0.02)


@pytest.mark.parametrize("variant", ["ksg1", "mixture"])
def test_labels(variant):
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=4000)
    x = np.where(y == 0, rng.uniform(0, 2, size=4000), rng.uniform(1, 3, size=4000))  # half of the samples tell y
    assert run(x, y, variant=variant) == pytest.approx(np.log(2) / 2, abs=0.03)
    assert run(y, x, variant=variant) == run(x, y, variant=variant)


def test_a_sample_alone_with_its_label_is_left_out_and_said():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=200)
    x = y + rng.normal(size=200)
    with pytest.warns(SmallSampleWarning, match="1 of 201 samples are alone with their label"):
        found = run(np.append(x / 2, 9.0), np.append(y, 7))  # the scale of x is that of all samples, and matters not
    assert found == pytest.approx(run(x, y), abs=1e-12)


@pytest.mark.peer
def test_labels_as_scikit_learn():
    from sklearn.feature_selection import mutual_info_classif

    rng = np.random.default_rng(0)
    y = rng.integers(3, size=500)
    x = y + rng.normal(size=500)
    peer = mutual_info_classif(x[:, None], y, n_neighbors=3, random_state=0)[0]
    assert run(x, y) == pytest.approx(peer, abs=1e-6)


def test_equal_samples_are_refused_and_the_mixture_variant_named():
    x, y = np.random.default_rng(0).integers(3, size=(2, 250)) + 0.5
    with pytest.raises(
        InputError, match=r"samples without 3 others equal to them, got 250 with, .* 0; variant='mixture'"
    ):
        run(x, y)
    with pytest.raises(InputError, match="variant='mixture'"):
        run(x, np.zeros(250, dtype=int))


def test_mixture_of_discrete_values_is_their_information():
    rng = np.random.default_rng(0)
    x = rng.integers(4, size=2000)
    y = np.where(rng.random(2000) < 0.8, x, rng.integers(4, size=2000))
    known = pidkd.mutual_information(x, y, units="nats").value
    assert run(x + 0.5, y + 0.5, variant="mixture") == pytest.approx(known, abs=0.01)
    assert run(x + 0.5, y, variant="mixture") == pytest.approx(known, abs=0.01)


@pytest.mark.parametrize("digits", [1, 2, 3])
@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_rounding_of_measurements_changes_little(digits, rho):
    x, y = pair(3000, rho)
    known = -0.5 * np.log(1 - rho**2)
    assert run(np.round(x, digits), np.round(y, digits), variant="mixture") == pytest.approx(known, abs=0.05)
    assert run(np.round(x, digits), y, variant="mixture") == pytest.approx(known, abs=0.05)
    labels = y[:, 0] > 0
    plain = run(x, labels, variant="mixture")
    assert run(np.round(x, digits), labels, variant="mixture") == pytest.approx(plain, abs=0.03)


def test_silent_units_are_a_mixture():
    rng = np.random.default_rng(0)
    on = rng.random(4000) < 0.5
    x = np.where(on, rng.normal(size=4000), 0.0)
    y = np.where(rng.random(4000) < 0.1, ~on, on).astype(float) + rng.normal(size=4000) * 1e-3
    known = np.log(2) + 0.1 * np.log(0.1) + 0.9 * np.log(0.9)
    assert run(x, y, variant="mixture") == pytest.approx(known, abs=0.03)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"k": 0}, r"ksg\(k=...\): expected a whole number >= 1, got 0"),
        ({"variant": "ksg3"}, r"ksg\(variant=...\): expected one of 'ksg1'"),
        ({"k": 10}, "more than k=10 samples, got 10"),
    ],
)
def test_bad_parameters_are_refused(params, message):
    with pytest.raises(InputError, match=message):
        run(*pair(10, 0.5), **params)
