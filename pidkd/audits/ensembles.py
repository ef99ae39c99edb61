"""Unions of layers in an audit: what several teachers have for a student, and what no layer of a student has."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pidkd.audits.engine import AuditEngine, Reading
from pidkd.audits.findings import Beyond
from pidkd.audits.plan import AuditPlan, LayerKey, PairKey
from pidkd.contribution_result import ContributionResult
from pidkd.ensemble import contributions_of
from pidkd.errors import InputError, PidkdWarning
from pidkd.result import NATS_PER, PIDResult

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
) -> Unions:
    """Unions that the plan asks for: of several teachers, or of all layers of the student in an audit of all pairs."""
    with warnings.catch_warnings():  # results carry their certificates
        warnings.simplefilter("ignore", PidkdWarning)
        return _unions_of(plan, engine, readings, results)


def _unions_of(
    plan: AuditPlan,
    engine: AuditEngine,
    readings: Mapping[LayerKey, Reading],
    results: Mapping[PairKey, PIDResult],
) -> Unions:
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
                    result = _solved(engine, {given: readings["student", None, student], **sources}, given)
                except InputError as error:
                    notes.append(f"the union of the teachers is left out: {error}")
                    continue
                if result is not None:
                    ensembles.append(result)
    elif plan.all_pairs:
        layers = len({s for _, s in plan.pairs})
        try:
            if layers > MOST_LAYERS:
                notes.append(f"the union of the student's {layers} layers is left out: it takes at most {MOST_LAYERS}")
            else:
                beyond = _beyond(plan, engine, readings, results)
        except InputError as error:
            notes.append(f"the union of the student's layers is left out: {error}")
    return Unions(tuple(ensembles), beyond, tuple(notes))


def _beyond(
    plan: AuditPlan,
    engine: AuditEngine,
    readings: Mapping[LayerKey, Reading],
    results: Mapping[PairKey, PIDResult],
) -> Beyond | None:
    """Unique information of the leading teacher layer, given all layers of the student together."""
    best: dict[str, float] = {}
    for t, s in plan.pairs:
        best[t] = min(best.get(t, float("inf")), results[None, t, s].to(engine.options.units).unique_t)
    leading = max(best, key=lambda name: best[name])
    students: Sequence[str] = list(dict.fromkeys(s for _, s in plan.pairs))
    sources = {f"student: {name}": readings["student", None, name] for name in students}
    given = f"teacher: {leading}"
    session = engine.unions({**sources, given: readings["teacher", None, leading]})
    if session is None:
        return None
    value = session.quantity({session.names: 1.0, tuple(sources): -1.0})
    return Beyond(leading, tuple(students), value.scaled(1 / NATS_PER[engine.options.units]))


def _solved(engine: AuditEngine, readings: Mapping[str, Reading], given: str) -> ContributionResult | None:
    session = engine.unions(readings)
    return None if session is None else contributions_of(session, given, shapley=False).to(engine.options.units)
