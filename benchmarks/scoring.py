"""Scores of answers: the fields of a row that do not depend on running time."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from pidkd.batch import PIDBatch
from pidkd.benchmarks.problems import Truth
from pidkd.mi import MIResult
from pidkd.result import PIDResult

CERTIFIED = 1e-9
"""Gap in bits up to which a member counts as certified."""

Result: TypeAlias = PIDResult | MIResult
Answers: TypeAlias = Sequence[Result | Exception] | PIDBatch

INTERVALS: dict[str, Callable[[float, float, float], bool]] = {
    # A true zero is known to the certified gap only.
    "covered": lambda low, high, truth: low <= truth + CERTIFIED and truth - CERTIFIED <= high,
    "above": lambda low, high, truth: low > truth + CERTIFIED,
}


def judged(answers: Answers, truths: Sequence[Truth] | None) -> dict[str, Any]:
    """Status, certificates, estimates and errors of the answers to the members of a problem."""
    solved = {i: answer for i, answer in enumerate(answers) if not isinstance(answer, Exception) and _finite(answer)}
    faults = [answer for i, answer in enumerate(answers) if i not in solved]
    scores: dict[str, Any] = {
        "status": "solved" if not faults else "failed",
        "members": len(answers),
        "failed": len(faults),
        "message": f"{type(faults[0]).__name__}: {faults[0]}".splitlines()[0][:300] if faults else "",
    }
    if not solved:
        return scores
    results = list(solved.values())
    certified = _certified([result for result in results if isinstance(result, PIDResult)])
    scores |= certified | {"message": scores["message"] or certified.get("message", "")}
    if left := getattr(answers, "finished_on_cpu", 0) + sum(map(_resamples_left, results)):
        scores["message"] += f"; {left} finished on the CPU"
    values = [_values(result) for result in results]
    scores["estimate"] = _mean(values)
    if all(result.se for result in results):
        scores["se"] = _mean([_by_name(result.se) for result in results], scores["estimate"])
    return scores if truths is None else scores | _erring(results, values, [truths[i] for i in solved])


def _certified(results: Sequence[PIDResult]) -> dict[str, Any]:
    certificates = [result.certificate for result in results]
    proven = [one for one in certificates if math.isfinite(one.gap)]
    if not proven:
        return {}
    worst = max(proven, key=lambda one: one.gap)
    scores: dict[str, Any] = {"gap": worst.gap, "certified": sum(one.gap <= CERTIFIED for one in proven)}
    scores["message"] = f"{worst.status}: {worst.message}"
    iterations = [result.stats["iterations"] for result in results if "iterations" in result.stats]
    seconds = [result.stats["solver_seconds"] for result in results if "solver_seconds" in result.stats]
    if iterations:
        scores["iterations"] = statistics.fmean(iterations)
    if seconds:
        scores["solver"] = math.fsum(seconds)
    return scores


def _erring(
    results: Sequence[Result], values: Sequence[Mapping[str, float]], truths: Sequence[Truth]
) -> dict[str, Any]:
    """Distances from the truth, and what intervals are worth."""
    names = list(values[0])
    off = np.array([[value[name] - truth[name] for name in names] for value, truth in zip(values, truths, strict=True)])
    largest = np.abs(off).max(axis=1)
    scores: dict[str, Any] = {"error": float(largest.mean()), "worst": float(largest.max())}
    scores["bias"] = dict(zip(names, off.mean(axis=0).tolist(), strict=True))
    if len(off) > 1:
        scores["spread"] = dict(zip(names, off.std(axis=0, ddof=1).tolist(), strict=True))
    intervals = [_by_name(result.interval) for result in results]
    known = [_with_union(truth) for truth in truths]
    shared = [name for name in known[0] if all(each.get(name) for each in intervals)]
    for field, holds in INTERVALS.items():
        scores[field] = {
            name: statistics.fmean(
                holds(each[name][0], each[name][1], truth[name]) for each, truth in zip(intervals, known, strict=True)
            )
            for name in shared
        }
    return scores


def _with_union(truth: Truth) -> Truth:
    """The truth with the union information, which some estimators bound from below."""
    union = sum(value for name, value in truth.items() if name != "synergistic")
    return truth if "mi" in truth else {**truth, "union": union}


def _values(result: Result) -> dict[str, float]:
    return {"mi": result.value} if isinstance(result, MIResult) else dict(result.atoms)


def _by_name(value: Any) -> Mapping[str, Any]:
    """Value of each quantity of a result; of mutual information, of its only one."""
    return value if isinstance(value, Mapping) else {"mi": value}


def _mean(values: Sequence[Mapping[str, float]], names: Mapping[str, float] | None = None) -> dict[str, float]:
    return {name: statistics.fmean(value[name] for value in values) for name in names or values[0]}


def _finite(result: Result) -> bool:
    return all(map(math.isfinite, _values(result).values()))


def _resamples_left(result: Result) -> int:
    """Resamples of one member that an accelerator left to the CPU."""
    return int((result.provenance or {}).get("resamples_finished_on_cpu", 0))
