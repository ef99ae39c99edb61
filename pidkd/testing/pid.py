"""The contract of a measure of partial information, as checks that a plug-in runs in its own tests."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import pickle
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np

from pidkd.errors import IncompatibleInputError, InputError, PidkdWarning, UnknownNameError, quote
from pidkd.estimator import KEEPABLE, RESERVED, Context, Estimator
from pidkd.info import information
from pidkd.inputs import Codes, Input, Pmf
from pidkd.pid import LAWS, PIDEstimator
from pidkd.registry import get_estimator, list_estimators
from pidkd.result import ATOMS, NATS_PER, PIDResult, Status
from pidkd.synthetic import gate, list_gates
from pidkd.testing.answers import ROUNDING, assert_same, assert_value, run
from pidkd.testing.check import Check
from pidkd.testing.examples import EXAMPLES, examples_for
from pidkd.testing.laws import BY_LAW
from pidkd.testing.parameters import check_parameters


def contract_checks(estimator: PIDEstimator) -> list[Check]:
    """The clauses that an estimator must keep, each as a callable without arguments.

    Raises
    ------
    InputError
        When ``estimator`` is not one.

    Examples
    --------
    In a test file of the plug-in::

        @pytest.mark.parametrize("check", contract_checks(MyMeasure()))
        def test_contract(check):
            check()

    >>> from pidkd import get_estimator
    >>> [check.name for check in contract_checks(get_estimator("mmi")())][:2]
    ['declares_itself', 'parameters_round_trip']
    """
    if not isinstance(estimator, PIDEstimator):
        raise InputError("contract_checks(estimator)", "a PIDEstimator with its parameters", quote(estimator))
    functions = {function.__name__: (function.__doc__ or "", function) for function in UNCONDITIONAL}
    if Pmf in estimator.accepts:
        functions |= {function.__name__: (function.__doc__ or "", function) for function in ON_TABLES}
        functions |= {law: (LAWS[law], BY_LAW[law]) for law in LAWS if law in estimator.laws}
        if estimator.measure == "BROJA":
            functions["closed_forms"] = (closed_forms.__doc__ or "", closed_forms)
    return [Check(name, promise, function, estimator) for name, (promise, function) in functions.items()]


def check_estimator(estimator: PIDEstimator) -> None:
    """Run the whole contract on one estimator.

    Raises
    ------
    AssertionError
        When clauses are broken; the message lists each.

    Examples
    --------
    >>> from pidkd import get_estimator
    >>> check_estimator(get_estimator("mmi")())
    """
    broken = []
    for check in contract_checks(estimator):
        try:
            check()
        except Exception as error:  # a clause is broken by any error, and the others are run all the same
            broken.append(f"{check.name} ({check.promise}): {type(error).__name__}: {error}")
    if broken:
        raise AssertionError(f"{estimator!r} breaks its contract:\n" + "\n".join(broken))


# The unconditional clauses


def declares_itself(estimator: PIDEstimator) -> None:
    """Its class attributes are complete, its parameters have defaults, and its name is its own."""
    cls = type(estimator)
    for name in ("name", "measure", "reference"):
        assert isinstance(getattr(cls, name, None), str), f"{cls.__name__}.{name}: no string"
    assert cls.kind == "pid"
    assert isinstance(cls.certifies, bool), f"{cls.__name__}.certifies: no bool"
    assert cls.exactness in ("exact", "sampled"), f"{cls.__name__}.exactness: {cls.exactness!r}"
    assert cls.accepts, f"{cls.__name__}.accepts: nothing"
    assert set(cls.accepts) <= set(get_args(Input)), f"{cls.__name__}.accepts: {cls.accepts} are no kinds of input"
    assert set(cls.laws) <= set(LAWS), f"{cls.__name__}.laws: {set(cls.laws) - set(LAWS)} are not in LAWS"
    if cls.__module__.startswith("pidkd.estimators."):
        assert cls.__module__ == f"pidkd.estimators.pid.{cls.name}", f"{cls.name!r} lies in {cls.__module__}"
    if cls.name in list_estimators():
        registered = get_estimator(cls.name)
        assert registered is cls, f"the name {cls.name!r} belongs to {registered.__module__}.{registered.__name__}"
    cls()  # every parameter has a default


def parameters_round_trip(estimator: PIDEstimator) -> None:
    """The constructor stores its parameters and nothing else; copies by any road are equal and frozen."""
    from sklearn.base import clone

    params = estimator.get_params()
    reserved = set(params) & set(RESERVED)
    assert not reserved, f"parameters {sorted(reserved)} bear the names of keywords of decompose"
    stored = type(estimator)(**params).get_params()
    changed = [name for name, value in stored.items() if value is not params[name]]
    assert not changed, f"the constructor changes {changed}"
    roads = {"with_params": estimator.with_params(**params), "clone": clone(estimator)}
    if getattr(sys.modules.get(type(estimator).__module__), type(estimator).__name__, None) is type(estimator):
        roads["pickle"] = pickle.loads(pickle.dumps(estimator))
    for road, again in roads.items():
        assert again == estimator, f"{road}: {again!r} is not {estimator!r}"
        assert again.get_params() == params, f"{road}: {again.get_params()} are not {params}"
    for name in (*params, "name"):
        _assert_raises(dataclasses.FrozenInstanceError, functools.partial(setattr, estimator, name, None))
    error = _assert_raises(UnknownNameError, functools.partial(estimator.with_params, no_such_parameter=1))
    assert "no_such_parameter" in error.where, f"the message does not name the parameter: {error}"


def bad_values_are_refused(estimator: Estimator) -> None:
    """Checks that values outside constraints and unknown names are refused in one line."""
    check_parameters(type(estimator), use=lambda made: made.check_params())


def atoms_add_up(estimator: PIDEstimator) -> None:
    """The atoms obey the three identities."""
    for data in examples_for(estimator):
        result = run(estimator, data)
        assert result.residual <= ROUNDING, f"{data!r}: the identities are off by {result.residual:.3g} bits"


def bounds_hold(estimator: PIDEstimator) -> None:
    """Each atom lies within its bounds, and all four have the width of the certificate's gap."""
    for data in examples_for(estimator):
        result = run(estimator, data)
        gap = result.certificate.gap
        assert gap >= -ROUNDING, f"{data!r}: lower bound {-gap:.3g} bits above the upper one"
        for atom, value in result.atoms.items():
            low, high = result.bounds(atom)
            assert low - ROUNDING <= value <= high + ROUNDING, f"{data!r}: {atom} {value} outside [{low}, {high}]"
            assert math.isinf(gap) or abs(high - low - gap) <= ROUNDING, f"{data!r}: {atom} bounded [{low}, {high}]"


def status_is_earned(estimator: PIDEstimator) -> None:
    """No status promises more than the gap holds, also when the tolerance cannot be met; doubts are warnings."""
    strict = [estimator.with_params(tol=1e-15)] if "tol" in estimator.get_params() else []
    for asked in (estimator, *strict):
        for data in examples_for(estimator)[:4] if asked in strict else examples_for(estimator):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = asked.decompose(data)
            messages = [str(entry.message) for entry in caught if issubclass(entry.category, PidkdWarning)]
            assert messages == list(result.warnings), f"{data!r}: warned of {messages}, recorded {result.warnings}"
            certificate = result.certificate
            status, gap = certificate.status, certificate.gap
            rounding = 8 * np.finfo(float).eps * max(1.0, abs(certificate.upper))
            assert status in get_args(Status), f"{data!r}: status {status!r}"
            limit = {"exact": 0.0, "optimal": asked.get_params().get("tol", 1e-9)}.get(status, math.inf)
            assert gap <= limit + rounding, f"{data!r}: {status} with a gap of {gap:.3g} bits"
            if status in ("max_iter", "uncertified"):
                assert result.warnings, f"{data!r}: {status} without a warning"
                assert certificate.message, f"{data!r}: {status} without a word on what to try"
            if asked.certifies:
                assert math.isfinite(gap), f"{data!r}: certifies, and has bounds {certificate}"


def same_seed_same_answer(estimator: PIDEstimator) -> None:
    """A second run with the same seed gives the same numbers; where nothing is sampled, so does another seed."""
    for data in examples_for(estimator):
        first, second = (dataclasses.replace(run(estimator, data), seconds=0.0) for _ in range(2))
        assert first == second, f"{data!r}: {first.atoms} and then {second.atoms}"
        if estimator.exactness == "exact":
            assert_same(first, run(estimator, data, seed=1), f"{data!r} with another seed")


def batch_equals_single(estimator: PIDEstimator) -> None:
    """A batch holds what its members give alone, in their order."""
    examples = examples_for(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        batch = estimator.decompose_batch(examples)
    assert len(batch) == len(examples), f"{len(batch)} results of {len(examples)} members"
    for data, result in zip(examples, batch, strict=True):
        assert_same(result, run(estimator, data), f"{data!r} in a batch and alone")
    for atom in ATOMS:
        column = [getattr(result, atom) for result in batch]
        assert getattr(batch, atom).tolist() == column, f"the batch's {atom} are not its members'"


def units_agree(estimator: PIDEstimator) -> None:
    """Bits and nats differ by the factor log 2."""
    data = examples_for(estimator)[0]
    assert_same(run(estimator, data), run(estimator, data, units="nats").to("bits"), f"{data!r} in bits and in nats")


def record_round_trips(estimator: PIDEstimator) -> None:
    """A result goes through strict JSON and back."""
    for data in examples_for(estimator):
        raw = estimator._decompose(estimator._accept(data), Context(keep=KEEPABLE))
        record = run(estimator, data, keep=tuple(name for name in KEEPABLE if getattr(raw, name) is not None)).to_dict()
        read = json.loads(json.dumps(record, allow_nan=False))
        again = PIDResult.from_dict(read).to_dict()
        changed = [key for key in record if again[key] != record[key]]
        assert not changed, f"{data!r}: {changed} come back changed"


def other_kinds_are_refused(estimator: PIDEstimator) -> None:
    """Data of a kind that it does not accept is one error, which lists the estimators that do."""
    for kind, example in EXAMPLES.items():
        if kind.__name__ in estimator.accepted_kinds():
            continue
        data = example()[0]
        error = _assert_raises(IncompatibleInputError, functools.partial(estimator.decompose, data))
        known = {name: get_estimator(name) for name in list_estimators()}
        fits = {name for name, cls in known.items() if cls.takes(data)}
        unlisted = [name for name in fits if name not in error.what]
        assert not unlisted, f"given {kind.__name__}, the message leaves out {unlisted}: {error}"


# Unconditional, for those who accept a table


def information_is_the_tables(estimator: PIDEstimator) -> None:
    """I(Y;T), I(Y;S) and I(Y;T,S) are those of the table."""
    for data in examples_for(estimator):
        result = run(estimator, data)
        known = [value / NATS_PER["bits"] for value in information(data.p)]
        off = max(abs(one - other) for one, other in zip(result.information, known, strict=True))
        assert off <= ROUNDING, f"{data!r}: off by {off:.3g} bits"


def codes_are_counted(estimator: PIDEstimator) -> None:
    """Labels give what their table of counts gives, and the number of samples is told."""
    rng = np.random.default_rng(0)
    codes = Codes(*(rng.integers(size, size=60) for size in (2, 3, 4)))
    result = run(estimator, codes)
    assert result.n_samples == codes.n_samples, f"n_samples is {result.n_samples}, not {codes.n_samples}"
    assert_same(result, run(estimator, codes.pmf()), "labels and their table")


def closed_forms(estimator: PIDEstimator) -> None:
    """The certificate contains the closed form of every gate, and each atom is within the gap of it."""
    for name in list_gates():
        known = gate(name)
        result = run(estimator, known.pmf)
        low, high = result.certificate.lower, result.certificate.upper
        contained = low - ROUNDING <= known.unique_t <= high + ROUNDING
        assert contained, f"{name}: unique_t is {known.unique_t}, and certified within [{low}, {high}]"
        for atom, value in known.atoms.items():
            assert_value(result, atom, value, name)


UNCONDITIONAL: Sequence[Callable[[Any], None]] = (
    declares_itself,
    parameters_round_trip,
    bad_values_are_refused,
    atoms_add_up,
    bounds_hold,
    status_is_earned,
    same_seed_same_answer,
    batch_equals_single,
    units_agree,
    record_round_trips,
    other_kinds_are_refused,
)


ON_TABLES: Sequence[Callable[[Any], None]] = (information_is_the_tables, codes_are_counted)


def _assert_raises(kind: type[Exception], action: Callable[[], object]) -> Any:
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, and nothing was raised")
