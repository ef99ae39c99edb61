"""Every class that is made of parameters refuses the values that their constraints do not accept."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated

import numpy as np
import pytest

from pidkd import Bootstrap, Jackknife, Permutation, Quantizer, get_estimator, list_estimators
from pidkd.distill import Recipe, get_method, list_methods
from pidkd.distill.experiments.config import (
    AuditConfig,
    Config,
    DataConfig,
    MonitorConfig,
    StudentConfig,
    TeacherConfig,
)
from pidkd.parameters import Parameterised, Whole, constraints, parameter_names
from pidkd.testing import check_parameters

NETWORK = {"model": "mlp"}
CONFIG = {"data": DataConfig("digits"), "teacher": TeacherConfig("mlp"), "student": StudentConfig("mlp")}
NEEDED = {DataConfig: {"name": "digits"}, StudentConfig: NETWORK, TeacherConfig: NETWORK, Config: CONFIG}
CLASSES = [Recipe, Bootstrap, Jackknife, Permutation, AuditConfig, MonitorConfig, *NEEDED]


@pytest.mark.parametrize("cls", CLASSES)
def test_bad_values_are_refused(cls: type) -> None:
    check_parameters(cls, NEEDED.get(cls))


def test_a_quantizer_refuses_them_when_it_is_used() -> None:
    check_parameters(Quantizer, use=lambda made: made.check_params())
    with pytest.raises(
        ValueError, match=r"Quantizer\(n_init=...\): expected a whole number from 1 to 1,000, got 10000"
    ):
        Quantizer(n_init=10_000).fit(np.eye(20))


@pytest.mark.parametrize("name", list_methods())
def test_a_method_refuses_them(name: str) -> None:
    pytest.importorskip("torch")
    check_parameters(get_method(name))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in ("pid", "mi") for name in list_estimators(kind)])
def test_every_parameter_of_an_estimator_says_what_it_may_be(kind: str, name: str) -> None:
    cls = get_estimator(name, kind)
    assert set(constraints(cls)) == set(parameter_names(cls))


@pytest.mark.skipif(find_spec("torch") is None, reason="methods need torch")
def test_every_parameter_of_a_method_says_what_it_may_be() -> None:
    for name in list_methods():
        assert set(constraints(get_method(name))) == set(parameter_names(get_method(name)))


@dataclass(frozen=True)
class Lax(Parameterised):
    n: Annotated[int, Whole(1)] = 1


@dataclass(frozen=True)
class Vague(Lax):
    def __post_init__(self) -> None:
        if not isinstance(self.n, int) or self.n < 1:
            raise TypeError("no")


def test_the_check_notices_what_is_accepted_and_what_raises_something_else() -> None:
    with pytest.raises(AssertionError, match="n = int 0 is accepted"):
        check_parameters(Lax)
    with pytest.raises(AssertionError, match="n = int 0: TypeError: no"):
        check_parameters(Vague)
    check_parameters(Lax, use=lambda made: made.check_params())
