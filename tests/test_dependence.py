"""The verbs of mutual information, and the contract of its estimators."""

import dataclasses
import json
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.feature_selection import SelectKBest

import pidkd
from pidkd.errors import IncompatibleInputError, InputError, UnknownNameError
from pidkd.registry import get_estimator, list_estimators
from pidkd.testing.mi import mi_contract_checks

X = np.random.default_rng(0).normal(size=(60, 2))
LABELS = np.arange(60) % 3


def clauses():
    for name in list_estimators("mi"):
        cls = get_estimator(name, "mi")
        short = {"steps": 10, "n_folds": 2} if "steps" in cls().get_params() else {}  # of what is trained
        absent = [f"{module} (pidkd[{extra}])" for module, extra in cls.requires.items() if not find_spec(module)]
        skip = pytest.mark.skipif(bool(absent), reason=f"{name} needs {', '.join(absent)}")
        for check in mi_contract_checks(cls(**short)):
            yield pytest.param(check, id=f"{name}-{check.name}", marks=skip)


@pytest.mark.parametrize("check", list(clauses()))
def test_contract(check):
    check()


def test_auto_goes_by_the_kind_of_data():
    methods = {
        "plugin": (LABELS, LABELS.astype(str)),
        "classifier": (LABELS, X),
        "ksg": (X, X[:, 0] + X[:, 1] ** 2),
    }
    for method, (x, y) in methods.items():
        assert pidkd.mutual_information(x, y).method == method


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (X, LABELS[1:], {}, r"mutual_information\(x, y\): expected equal lengths, got x 60, y 59"),
        (X, np.full(60, np.nan), {}, r"mutual_information\(y\): expected finite values, got NaN or infinity in row 0"),
        (X, LABELS.astype(float), {}, r"mutual_information\(y\): expected labels .* write y.astype\(int\)"),
        (X, X[None], {}, r"mutual_information\(y\): expected floats of shape \(n_samples, n_features\)"),
        (X, X, {"seed": -1}, r"mutual_information\(..., seed\): expected a whole number from 0 to 4,294,967,295"),
        (X, X, {"units": "dits"}, r"mutual_information\(..., units\): expected 'bits' or 'nats'"),
        (X, X, {"device": "tpu"}, r"mutual_information\(..., device\): expected one of 'cpu'"),
        (X, X, {"estimator": get_estimator("ksg", "mi")}, "a name or an estimator, got a class; make one: KSG"),
    ],
)
def test_bad_input_is_refused(x, y, options, message):
    with pytest.raises(InputError, match=message):
        pidkd.mutual_information(x, y, **options)


def test_other_kinds_and_unknown_names_are_refused_with_the_choices():
    with pytest.raises(IncompatibleInputError, match="estimators that accept MixedPairs: classifier, ksg"):
        pidkd.mutual_information(X, LABELS, estimator="plugin")
    with pytest.raises(UnknownNameError, match="did you mean 'ksg'"):
        pidkd.mutual_information(X, X, estimator="ksgg")
    with pytest.raises(UnknownNameError, match="no_such"):
        pidkd.mutual_information(X, X, no_such=1)


def test_result_prints_converts_and_goes_to_json():
    found = pidkd.mutual_information(LABELS, LABELS)
    assert str(found).startswith("I(X;Y) 1.584963 bits\nplugin")
    assert found.to("nats").value == pytest.approx(np.log(3))
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["value"] == found.value
    assert clone(get_estimator("ksg", "mi")(k=5)).k == 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.value = 0


def test_scores_for_select_k_best():
    x, y = load_iris(return_X_y=True)
    assert SelectKBest(pidkd.mi_score, k=2).fit(x, y).get_support().tolist() == [False, False, True, True]
    codes = (x > x.mean(axis=0)).astype(int)
    assert pidkd.mi_score(codes, y).tolist() == [pidkd.mutual_information(c, y).value for c in codes.T]
    with pytest.raises(InputError, match=r"mi_score\(x\): expected shape \(n_samples, n_features\)"):
        pidkd.mi_score(x[:, 0], y)
