"""The checks find what they are for: each estimator here breaks one promise, and is otherwise min{I(Y;T), I(Y;S)}."""

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pidkd import get_estimator
from pidkd.errors import InputError
from pidkd.estimator import Context
from pidkd.info import information
from pidkd.inputs import Codes, Input, Pmf
from pidkd.parameters import check_positive
from pidkd.pid import PIDEstimator, Raw, table_raw
from pidkd.result import Certificate, PIDResult, Units
from pidkd.testing import check_estimator, contract_checks


@dataclass(frozen=True)
class Honest(PIDEstimator):
    tol: float = 1e-9

    name = "honest"
    measure = "minimum mutual information"
    reference = "barrett2015"
    accepts = (Pmf,)
    certifies = True
    laws = frozenset({"symmetric", "relabelling", "zero_rows", "nonnegative", "copy", "constant"})

    def check_params(self) -> None:
        check_positive(f"{self.name}(tol=...)", self.tol)

    def redundancy(self, p: Any) -> float:
        known = information(p)
        return min(known.t, known.s)

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        return table_raw(data.p, self.redundancy(data.p))


class TakesTextForANumber(Honest):
    def check_params(self) -> None:
        """Of everything."""


class BlamesAnother(Honest):
    def check_params(self) -> None:
        check_positive(f"{self.name}(time_limit=...)", self.tol)


class UnknownLaw(Honest):
    laws = frozenset({"symetric"})


class TakesABuiltInName(Honest):
    name = "mmi"


@dataclass(frozen=True)
class NeedsAParameter(Honest):
    tolerance: float = dataclasses.field(kw_only=True)


@dataclass(frozen=True)
class RoundsItsParameter(Honest):
    def __post_init__(self) -> None:
        object.__setattr__(self, "tol", float(f"{self.tol:.0e}") + 0.0)


@dataclass(frozen=True)
class TakesAKeyword(Honest):
    seed: int = 0


class AtomsDoNotAddUp(Honest):
    def _result(self, *args: Any, **kwargs: Any) -> Any:
        result, concerns = super()._result(*args, **kwargs)
        return dataclasses.replace(result, redundant=result.redundant + 1e-11), concerns


class Altered(Honest):
    """Changes the raw result of the honest one."""

    def alter(self, raw: Raw, ctx: Context) -> dict[str, Any]:
        raise NotImplementedError

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        raw = super()._decompose(data, ctx)
        return dataclasses.replace(raw, **self.alter(raw, ctx))


class OutsideItsBounds(Altered):
    def alter(self, raw: Raw, ctx: Context) -> dict[str, Any]:
        return {"certificate": Certificate(raw.unique_t + 1e-11, raw.unique_t + 1e-11, "exact")}


class CrossedBounds(Altered):
    def alter(self, raw: Raw, ctx: Context) -> dict[str, Any]:
        return {"certificate": Certificate(raw.unique_t + 1e-11, raw.unique_t - 1e-11, "optimal")}


class ClaimsOptimal(Altered):
    def alter(self, raw: Raw, ctx: Context) -> dict[str, Any]:
        return {"certificate": Certificate(raw.unique_t - 1e-8, raw.unique_t, "optimal")}


class ClaimsOptimalWhateverTheTolerance(Altered):
    def alter(self, raw: Raw, ctx: Context) -> dict[str, Any]:
        return {"certificate": Certificate(raw.unique_t - 1e-10, raw.unique_t, "optimal")}


class GivesUpWithoutAWord(Altered):
    def alter(self, raw: Raw, ctx: Context) -> dict[str, Any]:
        return {"certificate": Certificate(raw.unique_t - 1, raw.unique_t, "max_iter")}


class CertifiesNothing(Altered):
    def alter(self, raw: Raw, ctx: Context) -> dict[str, Any]:
        return {"certificate": Certificate(-np.inf, raw.unique_t, "bound")}


class Unseeded(Altered):
    draw = itertools.count()

    def alter(self, raw: Raw, ctx: Context) -> dict[str, Any]:
        unique_t = raw.unique_t + 1e-11 * next(self.draw)
        return {"unique_t": unique_t, "certificate": Certificate(unique_t, unique_t, "exact")}


class SampledAndSaysExact(Altered):
    def alter(self, raw: Raw, ctx: Context) -> dict[str, Any]:
        unique_t = raw.unique_t + 1e-11 * float(ctx.generator.random())
        return {"unique_t": unique_t, "certificate": Certificate(unique_t, unique_t, "exact")}


class IntervalOfThree(Altered):
    def alter(self, raw: Raw, ctx: Context) -> dict[str, Any]:
        return {"interval": {"unique_t": (0.0, 1.0, 2.0)}}


class BatchOutOfOrder(Honest):
    def _decompose_batch(self, data: Sequence[Pmf], ctx: Context) -> list[Raw]:
        return super()._decompose_batch(data, ctx)[::-1]


class BitsWhateverIsAsked(Honest):
    def decompose(self, data: Input, units: Units = "bits", ctx: Context | None = None) -> PIDResult:
        return dataclasses.replace(super().decompose(data, "bits", ctx), units=units)


class AcceptsAnything(Honest):
    def _accept(self, data: Input) -> Input:
        return data if isinstance(data, Pmf) else Pmf(np.ones((1, 1, 1)))


class ForgetsTheSamples(Honest):
    def _accept(self, data: Input) -> Input:
        return Pmf(data.pmf().p) if isinstance(data, Codes) else super()._accept(data)


class InformationOfItsOwn(Honest):
    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        raw = super()._decompose(data, ctx)
        return dataclasses.replace(raw, information=raw.information._replace(both=raw.information.both + 1e-11))


class ClaimsBroja(Honest):
    measure = "BROJA"


class PrefersTheTeacher(Honest):
    def redundancy(self, p: Any) -> float:
        return information(p).t


class CountsLabels(Honest):
    def redundancy(self, p: Any) -> float:
        return super().redundancy(p) / p.shape[0]


class TrustsTheFirstLabel(Honest):
    def redundancy(self, p: Any) -> float:
        return super().redundancy(p) * float(p[0, 0, 0])


class NothingShared(Honest):
    def redundancy(self, p: Any) -> float:
        return 0.0


class SharesTooMuch(Honest):
    def redundancy(self, p: Any) -> float:
        return super().redundancy(p) + 1e-11


def test_an_honest_estimator_passes() -> None:
    check_estimator(Honest())


@pytest.mark.parametrize(
    ("broken", "clause"),
    [
        (UnknownLaw(), "declares_itself"),
        (TakesABuiltInName(), "declares_itself"),
        (NeedsAParameter(tolerance=1.0), "declares_itself"),
        (RoundsItsParameter(), "parameters_round_trip"),
        (TakesAKeyword(), "parameters_round_trip"),
        (TakesTextForANumber(), "bad_values_are_refused"),
        (BlamesAnother(), "bad_values_are_refused"),
        (AtomsDoNotAddUp(), "atoms_add_up"),
        (OutsideItsBounds(), "bounds_hold"),
        (CrossedBounds(), "bounds_hold"),
        (ClaimsOptimal(), "status_is_earned"),
        (ClaimsOptimalWhateverTheTolerance(), "status_is_earned"),
        (GivesUpWithoutAWord(), "status_is_earned"),
        (CertifiesNothing(), "status_is_earned"),
        (Unseeded(), "same_seed_same_answer"),
        (SampledAndSaysExact(), "same_seed_same_answer"),
        (IntervalOfThree(), "record_round_trips"),
        (BatchOutOfOrder(), "batch_equals_single"),
        (BitsWhateverIsAsked(), "units_agree"),
        (AcceptsAnything(), "other_kinds_are_refused"),
        (ForgetsTheSamples(), "codes_are_counted"),
        (InformationOfItsOwn(), "information_is_the_tables"),
        (ClaimsBroja(), "closed_forms"),
        (PrefersTheTeacher(), "symmetric"),
        (PrefersTheTeacher(), "nonnegative"),
        (CountsLabels(), "zero_rows"),
        (TrustsTheFirstLabel(), "relabelling"),
        (NothingShared(), "copy"),
        (SharesTooMuch(), "constant"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_broken_promise_is_found(broken: PIDEstimator, clause: str) -> None:
    check = next(check for check in contract_checks(broken) if check.name == clause)
    with pytest.raises((AssertionError, InputError, TypeError)):
        check()
    with pytest.raises(AssertionError, match=rf"breaks its contract:\n(.*\n)*{clause} \("):
        check_estimator(broken)


def test_a_class_is_no_estimator() -> None:
    with pytest.raises(InputError, match="expected a PIDEstimator with its parameters, got <class"):
        contract_checks(get_estimator("mmi"))


def test_a_law_is_checked_where_it_is_declared() -> None:
    names = {check.name for check in contract_checks(UnknownLaw())}
    assert "symmetric" not in names
    assert "symmetric" in {check.name for check in contract_checks(Honest())}
