"""Every discovered estimator keeps the contract of pidkd.testing: one test for each of its clauses."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from pidkd import get_estimator, list_estimators
from pidkd.pid import LAWS
from pidkd.testing import Check, contract_checks
from pidkd.testing.laws import BY_LAW


def clauses() -> Iterator[object]:
    for name in list_estimators():
        estimator = get_estimator(name)()
        absent = [f"{module} (pidkd[{extra}])" for module, extra in estimator.requires.items() if not find_spec(module)]
        skip = pytest.mark.skipif(bool(absent), reason=f"{name} needs {', '.join(absent)}")
        for check in contract_checks(estimator):
            yield pytest.param(check, id=f"{name}-{check.name}", marks=skip)


@pytest.mark.parametrize("check", list(clauses()))
def test_contract(check: Check) -> None:
    check()


@pytest.mark.parametrize("name", ["blackwell", "broja", "gk", "i_alpha", "i_min", "mmi", "sx"])
def test_laws_that_are_not_declared_have_a_counterexample(name: str) -> None:
    estimator = get_estimator(name)()
    for law in set(LAWS) - estimator.laws:
        with pytest.raises(AssertionError, match="bits"):
            BY_LAW[law](estimator)


def test_every_law_has_its_check() -> None:
    assert set(BY_LAW) == set(LAWS)
