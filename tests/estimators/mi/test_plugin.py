"""Counts of labels: known values, and what each correction is good for."""

import numpy as np
import pytest

import pidkd
from pidkd.errors import InputError, SmallSampleWarning
from pidkd.info import table_information

pytestmark = pytest.mark.filterwarnings("ignore::pidkd.errors.SmallSampleWarning")  # the tables are small on purpose
CORRECTIONS = ["none", "miller_madow", "jackknife", "grassberger"]


def test_is_the_information_of_the_table():
    rng = np.random.default_rng(0)
    x, y = rng.integers(4, size=300), rng.integers(3, size=300)
    table = np.zeros((4, 3))
    np.add.at(table, (x, y), 1 / 300)
    found = pidkd.mutual_information(x, y, estimator="plugin", units="nats")
    assert found.value == pytest.approx(table_information(table), abs=1e-13)
    assert found.bound == "exact"
    assert found.n_samples == 300


@pytest.mark.parametrize("correction", CORRECTIONS[1:])
def test_corrections_have_less_bias_where_there_is_no_information(correction):
    rng = np.random.default_rng(0)
    runs = [(rng.integers(5, size=60), rng.integers(5, size=60)) for _ in range(200)]
    means = [
        np.mean([pidkd.mutual_information(x, y, estimator="plugin", correction=each).value for x, y in runs])
        for each in ("none", correction)
    ]
    assert abs(means[1]) < abs(means[0]) / 3


def test_jackknife_is_what_leaving_each_sample_out_gives():
    rng = np.random.default_rng(0)
    x, y = rng.integers(3, size=20), rng.integers(3, size=20)
    keep = ~np.eye(20, dtype=bool)
    left_out = [pidkd.mutual_information(x[k], y[k], estimator="plugin").value for k in keep]
    whole = pidkd.mutual_information(x, y, estimator="plugin").value
    found = pidkd.mutual_information(x, y, estimator="plugin", correction="jackknife").value
    assert found == pytest.approx(20 * whole - 19 * np.mean(left_out), abs=1e-12)


def test_labels_of_any_type_and_unknown_correction():
    assert pidkd.mutual_information(["a", "b"], [True, False]).value == pytest.approx(1)
    with pytest.raises(InputError, match=r"plugin\(correction=...\): expected one of 'none'"):
        pidkd.mutual_information([0, 1], [0, 1], correction="some")


def test_few_samples_for_the_labels_are_told_with_the_number_that_would_do():
    unique, y = np.arange(500), np.random.default_rng(0).integers(2, size=500)
    with pytest.warns(SmallSampleWarning, match="500 samples for 500 and 2 labels: of the 0.993 bits .* may be bias"):
        found = pidkd.mutual_information(unique, y)
    assert "may be bias" in found.warnings[0]
    assert not pidkd.mutual_information(y, y).warnings
