"""The bound by a classifier: below the truth, above nothing, and never scored on what it was fitted to."""

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

import pidkd
from pidkd.errors import InputError, PidkdWarning


def shifted(n, shift, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return np.where(y, shift, -shift) + rng.normal(size=n), y


def truth(shift):
    """I(X;Y) of two unit normals at ±shift with equal weights, by quadrature."""
    x = np.linspace(-12, 12, 20001)
    plus, minus = (np.exp(-((x - m) ** 2) / 2) / np.sqrt(2 * np.pi) for m in (shift, -shift))
    mean = (plus + minus) / 2
    return float(((plus * np.log2(plus / mean) + minus * np.log2(minus / mean)) / 2).sum() * (x[1] - x[0]))


def test_close_below_the_truth_with_the_right_model():
    found = pidkd.mutual_information(*shifted(4000, 1.0))
    assert found.method == "classifier"
    assert found.bound == "lower"
    assert found.interval[0] < truth(1.0) < found.interval[1] + 0.01
    assert found.value == pytest.approx(truth(1.0), abs=0.04)


def test_bounds_exceed_the_truth_no_more_often_than_their_level_allows():
    known = truth(0.7)
    low = [pidkd.mutual_information(*shifted(400, 0.7, seed)).interval[0] for seed in range(60)]
    assert np.mean(np.array(low) > known) <= 0.025 + 3 * np.sqrt(0.025 / 60)


@pytest.mark.parametrize("classifier", [None, GaussianNB(), KNeighborsClassifier(25)])
def test_any_classifier_and_independent_noise(classifier):
    rng = np.random.default_rng(1)
    found = pidkd.mutual_information(rng.normal(size=(600, 3)), np.arange(600) % 3, classifier=classifier)
    assert found.value < 0.01
    assert found.interval[0] < 0


def test_a_classifier_that_rules_out_what_happens_bounds_nothing():
    x, y = shifted(200, 0.3)
    with pytest.warns(PidkdWarning, match=r"it rules out the labels of \d+ of 200 samples"):
        found = pidkd.mutual_information(x, y, classifier=DecisionTreeClassifier(random_state=0))
    assert found.value == -np.inf


def test_one_label_tells_nothing():
    assert pidkd.mutual_information(np.linspace(0.1, 1.2, 20), np.zeros(20, dtype=int)).value == 0


def test_same_seed_same_answer():
    x, y = shifted(200, 1.0)
    first, again, other = (pidkd.mutual_information(x, y, seed=seed).value for seed in (0, 0, 1))
    assert first == again != other


def test_rare_labels_and_bad_parameters_are_refused():
    x, y = shifted(50, 1.0)
    y[0] = 7
    with pytest.raises(InputError, match="at least n_folds=5 samples of each label, got 1 of 7; merge"):
        pidkd.mutual_information(x, y)
    with pytest.raises(InputError, match=r"classifier\(classifier=...\): expected a scikit-learn classifier"):
        pidkd.mutual_information(x, y, classifier="logistic")
    with pytest.raises(InputError, match=r"classifier\(n_folds=...\)"):
        pidkd.mutual_information(x, y, n_folds=1)
