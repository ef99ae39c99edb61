"""The contract of an estimator of mutual information, as checks that a plug-in runs in its own tests."""

from __future__ import annotations

import dataclasses
import json
import pickle
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np

from pidkd.errors import InputError, PidkdWarning, quote
from pidkd.estimator import RESERVED, Context
from pidkd.info import entropy
from pidkd.mi import Bound, ContinuousPairs, DiscretePairs, MIEstimator, MIResult, MixedPairs, Pairs
from pidkd.registry import get_estimator, list_estimators
from pidkd.result import Units
from pidkd.testing import Check
from pidkd.testing.pid import bad_values_are_refused

ROUNDING = 1e-12
"""Bits by which float64 may blur a sum over samples."""


def mi_contract_checks(estimator: MIEstimator) -> list[Check]:
    """The clauses that an estimator of mutual information must keep, each as a callable without arguments.

    Raises
    ------
    InputError
        When ``estimator`` is not one.

    Examples
    --------
    >>> from pidkd import get_estimator
    >>> for check in mi_contract_checks(get_estimator("plugin", kind="mi")()):
    ...     check()
    """
    if not isinstance(estimator, MIEstimator):
        raise InputError("mi_contract_checks(estimator)", "an MIEstimator with its parameters", quote(estimator))
    functions = [*UNCONDITIONAL, *(ON_LABELS if DiscretePairs in estimator.accepts else ())]
    return [Check(function.__name__, function.__doc__ or "", function, estimator) for function in functions]


def declares_itself(estimator: MIEstimator) -> None:
    """Its class attributes are complete, its parameters have defaults, and its name is its own."""
    cls = type(estimator)
    for name in ("name", "measure", "reference"):
        assert isinstance(getattr(cls, name, None), str), f"{cls.__name__}.{name}: no string"
    assert cls.kind == "mi"
    assert cls.bound in get_args(Bound), f"{cls.__name__}.bound: {cls.bound!r}"
    assert cls.accepts, f"{cls.__name__}.accepts: nothing"
    assert set(cls.accepts) <= set(EXAMPLES), f"{cls.__name__}.accepts: {cls.accepts} are no kinds of pairs"
    if cls.name in list_estimators("mi"):
        assert get_estimator(cls.name, "mi") is cls, f"the name {cls.name!r} belongs to another"
    cls()  # every parameter has a default


def parameters_round_trip(estimator: MIEstimator) -> None:
    """The constructor stores its parameters and nothing else; copies by any road are equal."""
    from sklearn.base import clone

    params = estimator.get_params()
    reserved = set(params) & (set(RESERVED) | {"x"})
    assert not reserved, f"parameters {sorted(reserved)} bear the names of keywords of mutual_information"
    roads = {"with_params": estimator.with_params(**params), "clone": clone(estimator)}
    if getattr(sys.modules.get(type(estimator).__module__), type(estimator).__name__, None) is type(estimator):
        roads["pickle"] = pickle.loads(pickle.dumps(estimator))
    for road, again in roads.items():
        assert again.get_params() == params, f"{road}: {again.get_params()} are not {params}"


def symmetric(estimator: MIEstimator) -> None:
    """I(X;Y) = I(Y;X)."""
    for data in _examples(estimator):
        if not isinstance(data, MixedPairs):  # which know their order by their types
            _assert_same(_run(estimator, data), _run(estimator, type(data)(data.y, data.x)), "swapped")


def scales_change_nothing(estimator: MIEstimator) -> None:
    """Floats in other units, and labels of other names, give the same."""
    for data in _examples(estimator):
        other = type(data)(_renamed(data.x), _renamed(data.y))
        _assert_same(_run(estimator, data), _run(estimator, other), "in other units or names", 1e-6)


def order_changes_nothing(estimator: MIEstimator) -> None:
    """Nor does the order of the samples, where no folds are drawn."""
    if estimator.exactness == "exact":
        for data in _examples(estimator):
            order = np.random.default_rng(1).permutation(data.n_samples)
            _assert_same(_run(estimator, data), _run(estimator, type(data)(data.x[order], data.y[order])), "shuffled")


def same_seed_same_answer(estimator: MIEstimator) -> None:
    """A second run with the same seed gives the same; where nothing is sampled, so does another seed."""
    for data in _examples(estimator):
        first, second = (dataclasses.replace(_run(estimator, data), seconds=0.0) for _ in range(2))
        assert first == second, f"{first.value} and then {second.value}"
        if estimator.exactness == "exact":
            _assert_same(first, _run(estimator, data, seed=1), "with another seed")


def units_agree(estimator: MIEstimator) -> None:
    """Bits and nats differ by the factor log 2."""
    for data in _examples(estimator):
        _assert_same(_run(estimator, data), _run(estimator, data, units="nats").to("bits"), "in bits and in nats")


def dependence_counts(estimator: MIEstimator) -> None:
    """A strong dependence is worth more than none."""
    for data in _examples(estimator):
        order = np.random.default_rng(2).permutation(data.n_samples)
        here, there = _run(estimator, data).value, _run(estimator, type(data)(data.x, data.y[order])).value
        assert here > there, f"{here} with and {there} without dependence"


def record_goes_to_json(estimator: MIEstimator) -> None:
    """A result goes into strict JSON."""
    for data in _examples(estimator):
        json.dumps(_run(estimator, data).to_dict(), allow_nan=False)


def itself_is_its_entropy(estimator: MIEstimator) -> None:
    """I(X;X) = H(X) for labels, and X tells nothing about a constant."""
    x = np.random.default_rng(0).integers(4, size=200)
    estimate = _run(estimator, DiscretePairs(x, x), units="nats").value
    known = entropy(np.bincount(x) / 200)
    if estimator.bound == "exact" and estimator == type(estimator)():
        assert abs(estimate - known) <= ROUNDING, f"I(X;X) is {estimate}, and H(X) {known} nats"
    assert abs(estimate - known) <= 0.05, f"I(X;X) is {estimate}, and H(X) {known} nats"
    nothing = _run(estimator, DiscretePairs(x, np.zeros(200, dtype=int))).value
    assert abs(nothing) <= ROUNDING, f"I(X;constant) is {nothing}"


UNCONDITIONAL: Sequence[Callable[[Any], None]] = (
    declares_itself,
    parameters_round_trip,
    bad_values_are_refused,
    symmetric,
    scales_change_nothing,
    order_changes_nothing,
    same_seed_same_answer,
    units_agree,
    dependence_counts,
    record_goes_to_json,
)
ON_LABELS: Sequence[Callable[[Any], None]] = (itself_is_its_entropy,)


def _discrete() -> Pairs:
    rng = np.random.default_rng(0)
    x = rng.integers(3, size=120)
    return DiscretePairs(x, np.where(rng.random(120) < 0.7, x, rng.integers(3, size=120)))


def _continuous() -> Pairs:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    return ContinuousPairs(x, x[:, :1] + 0.5 * rng.normal(size=(120, 1)))


def _mixed() -> Pairs:
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    return MixedPairs(2.0 * y[:, None] + rng.normal(size=(120, 2)), y)


EXAMPLES: dict[type, Callable[[], Pairs]] = {
    DiscretePairs: _discrete,
    ContinuousPairs: _continuous,
    MixedPairs: _mixed,
}


def _examples(estimator: MIEstimator) -> list[Pairs]:
    return [example() for kind, example in EXAMPLES.items() if kind in estimator.accepts]


def _renamed(values: Any) -> Any:
    return 4.0 * values + 1.0 if values.dtype.kind == "f" else np.array(list("cabd"))[values]


def _run(estimator: MIEstimator, data: Pairs, units: Units = "bits", seed: int = 0) -> MIResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        return estimator.estimate(data, units, Context(seed=seed))


def _assert_same(one: MIResult, other: MIResult, what: str, within: float = ROUNDING) -> None:
    assert abs(one.value - other.value) <= within, f"{what}: {other.value} instead of {one.value}"
