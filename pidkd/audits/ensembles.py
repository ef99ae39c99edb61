"""Unions of layers in an audit: what several teachers have for a student, and what no layer of a student has."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pidkd.audits.engine import AuditEngine, Reading
from pidkd.audits.findings import Beyond
from pidkd.audits.plan import AuditPlan, LayerKey, PairKey
from pidkd.contribution_result import ContributionResult, Quantity
from pidkd.ensemble import contributions_of
from pidkd.errors import InputError, PidkdWarning
from pidkd.result import NATS_PER, PIDResult
from pidkd.runs.pool import run_spread

T = TypeVar("T")

MOST_LAYERS = 8
"""Layers of a student whose union is solved unasked."""


@dataclass(frozen=True)
class Unions:
    """Unions of an audit.

    Parameters
    ----------
    ensembles : tuple of ContributionResult
        Contributions of the teachers' layers, a result for each student layer that several networks met.
    beyond : Beyond or None
        Information of a teacher layer that no layer of the student has.
    notes : tuple of str
        Why a union is left out.
    """

    ensembles: tuple[ContributionResult, ...] = ()
    beyond: Beyond | None = None
    notes: tuple[str, ...] = ()


def unions_of(
    plan: AuditPlan,
    engine: AuditEngine,
    readings: Mapping[LayerKey, Reading],
    results: Mapping[PairKey, PIDResult],
    n_jobs: int | None,
) -> Unions:
    """Unions that the plan asks for: of several teachers, or of all layers of the student in an audit of all pairs.

    They are solved where pairs are measured, one after the other.
    """
    ensembles: list[ContributionResult] = []
    notes: list[str] = []
    beyond = None
    if plan.network_of:
        for student in dict.fromkeys(s for _, s in plan.pairs):
            teachers = [t for t, s in plan.pairs if s == student]
            if len(teachers) > 1:
                sources = {name: readings["teacher", None, name] for name in teachers}
                given = student if student not in teachers else f"student {student}"
                try:
                    readings_of = {given: readings["student", None, student], **sources}
                    result = _there(contributions_in, engine, readings_of, given, n_jobs)
                except InputError as error:
                    notes.append(f"the union of the teachers is left out: {error}")
                    continue
                if result is not None:
                    ensembles.append(result.to(engine.options.units))
    elif plan.all_pairs:
        layers = len({s for _, s in plan.pairs})
        try:
            if layers > MOST_LAYERS:
                notes.append(f"the union of the student's {layers} layers is left out: it takes at most {MOST_LAYERS}")
            else:
                beyond = _beyond(plan, engine, readings, results, n_jobs)
        except InputError as error:
            notes.append(f"the union of the student's layers is left out: {error}")
    return Unions(tuple(ensembles), beyond, tuple(notes))


def _beyond(
    plan: AuditPlan,
    engine: AuditEngine,
    readings: Mapping[LayerKey, Reading],
    results: Mapping[PairKey, PIDResult],
    n_jobs: int | None,
) -> Beyond | None:
    """Unique information of the leading teacher layer, given all layers of the student together."""
    best: dict[str, float] = {}
    for t, s in plan.pairs:
        best[t] = min(best.get(t, float("inf")), results[None, t, s].to(engine.options.units).unique_t)
    leading = max(best, key=lambda name: best[name])
    students: Sequence[str] = list(dict.fromkeys(s for _, s in plan.pairs))
    sources = {f"student: {name}": readings["student", None, name] for name in students}
    given = f"teacher: {leading}"
    value = _there(added_in, engine, {**sources, given: readings["teacher", None, leading]}, given, n_jobs)
    return None if value is None else Beyond(leading, tuple(students), value.scaled(1 / NATS_PER[engine.options.units]))


def _there(
    work: Callable[[AuditEngine, Mapping[str, Reading], str], T],
    engine: AuditEngine,
    readings: Mapping[str, Reading],
    given: str,
    n_jobs: int | None,
) -> T:
    """Result of one task, of a worker where there are any."""
    parts = {name: engine.for_pairs(reading) for name, reading in readings.items()}
    result: T = run_spread(work, [(engine, parts, given)], n_jobs, lambda: None)[0]
    return result


def contributions_in(engine: AuditEngine, readings: Mapping[str, Reading], given: str) -> ContributionResult | None:
    """Contributions of all sources but the given one, in nats."""
    with warnings.catch_warnings():  # results carry their certificates
        warnings.simplefilter("ignore", PidkdWarning)
        session = engine.unions(readings)
        return None if session is None else contributions_of(session, given, shapley=False)


def added_in(engine: AuditEngine, readings: Mapping[str, Reading], given: str) -> Quantity | None:
    """Information that the given source adds to all others together, in nats."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        if (session := engine.unions(readings)) is None:
            return None
        others = tuple(name for name in session.names if name != given)
        return session.quantity({session.names: 1.0, others: -1.0})
