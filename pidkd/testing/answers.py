"""Answers of an estimator, and how far two of them may differ."""

from __future__ import annotations

import math
import warnings

from pidkd.errors import PidkdWarning
from pidkd.estimator import Context
from pidkd.inputs import Input
from pidkd.pid import PIDEstimator
from pidkd.result import PIDResult, Units

ROUNDING = 1e-12
"""Bits by which float64 may blur a sum over a table."""


def run(
    estimator: PIDEstimator, data: Input, units: Units = "bits", seed: int = 0, keep: tuple[str, ...] = ()
) -> PIDResult:
    """The estimator's answer, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        return estimator.decompose(data, units, Context(seed=seed, keep=keep))


def slack(*results: PIDResult) -> float:
    """Largest distance of two correct answers: their gaps, where they have any, and rounding."""
    gaps = (result.certificate.gap for result in results)
    return ROUNDING + sum(max(gap, 0.0) for gap in gaps if math.isfinite(gap))


def assert_value(result: PIDResult, atom: str, value: float, what: str, *others: PIDResult) -> None:
    """Refuse an atom that differs from a value by more than the gaps allow for."""
    answer, most = result.atoms[atom], slack(result, *others)
    text = f"{what}: {atom} is {answer} instead of {value} bits, and the gaps allow for {most:.3g}"
    assert abs(answer - value) <= most, text


def assert_same(one: PIDResult, other: PIDResult, what: str) -> None:
    """Refuse atoms of two results that differ by more than their gaps allow for."""
    for atom, value in other.atoms.items():
        assert_value(one, atom, value, what, other)
