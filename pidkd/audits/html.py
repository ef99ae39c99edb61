"""The audit as one page that needs nothing beside it: no server, no network, no other file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pidkd.audits.columns import PAGE, Column
from pidkd.audits.findings import Findings
from pidkd.audits.notes import headline_of, notes_of, warnings_of
from pidkd.audits.pair import AuditedPair
from pidkd.audits.stored import stored_in
from pidkd.contribution_result import ContributionResult
from pidkd.display.atoms import LOOKS
from pidkd.display.page import page_template
from pidkd.display.svg import curves, stack
from pidkd.result import ATOMS, NATS_PER

MAX_BARS = 30
"""Bars that are drawn; the table holds every pair."""

MAX_CURVES = 12
"""Pictures of trajectories."""

MAX_ROWS = 2000
"""Rows of the table; a page is to stay under 3 MB, and audit.csv holds them all."""

MAX_CELLS = 4096
"""Cells of a heat map, likewise."""


def audit_page(report: Findings, title: str) -> str:
    """The page as HTML; text from files is escaped."""
    scale = max([report.scale, *(pair.result.mi for pair in report.pairs), 1e-12])
    stages = max(len(pair.stages) for pair in report.pairs)
    top, rank = report.leading, {id(pair): place for place, pair in enumerate(report.pairs)}
    drawn = [pair for pair in report.by_depth() if rank[id(pair)] < MAX_BARS]
    bars = [_bar(pair, scale, rank[id(pair)]) for pair in drawn]
    limits = warnings_of(report)
    audited = [stage for pair in report.pairs for stage in reversed(pair.stages)]
    columns = [column for column in PAGE if column.known(report, audited)]
    return page_template("report.html").render(
        title=title,
        report=report,
        top=top,
        looks=LOOKS,
        words={name: look.words for name, look in LOOKS.items()},
        atoms=ATOMS,
        headline=headline_of(report),
        lede=_lede(report, top),
        tiles=[_tile(report, top, name) for name in ATOMS],
        hero=stack(top.result.atoms, scale, top.result.interval),
        networks=[_network(top, side) for side in ("teacher", "student")],
        ensembles=[_ensemble(ensemble, scale) for ensemble in report.ensembles],
        bars=bars,
        ceilings=any(bar["ceilings"] for bar in bars),
        entropy_at=100 * report.scale / scale,
        intervals=any(pair.result.interval for pair in drawn),
        pictures=[_trajectory(pair) for pair in report.by_depth()[:MAX_CURVES]] if stages > 1 else [],
        maps=_heat_maps(report),
        columns=columns,
        rows=[_row(report, stage, columns) for stage in audited[:MAX_ROWS]],
        n_rows=len(audited),
        facts=_facts(report),
        layers=_layers(report),
        warnings=limits,
        notes=[note for note in notes_of(report) if note not in limits],
    )


def _lede(report: Findings, top: AuditedPair) -> list[str]:
    """Sentences beside the headline: null level, undistilled student, stored quantities."""
    lines, units = [], report.units
    if top.result.null is not None:
        lines.append(f"The null level there, by shuffled labels, is {top.result.null['unique_t']:z.2f} {units}.")
    if top.baseline is not None:
        before, now = top.baseline.result, top.result
        lines.append(
            f"With an undistilled student {before.unique_t:.2f} {units} are left and {before.redundant:.2f} shared: of "
            f"this student {_change(now.unique_t - before.unique_t)} is left and "
            f"{_change(now.redundant - before.redundant)} is shared."
        )
    for name, quantity in stored_in(top).items():
        values = [getattr(top, name), getattr(top, f"{name.removesuffix('_t')}_s", None)]
        if quantity.sentence and None not in values:
            lines.append(quantity.sentence.format(*values))
    return lines


def _network(top: AuditedPair, side: str) -> dict[str, Any]:
    """Stored quantities, pooling and preprocessing of one side of the leading pair."""
    record = (top.result.provenance or {}).get(side)
    origin: Mapping[str, Any] = record if isinstance(record, Mapping) else {}
    shape = origin.get("shape") or ()
    pooled = origin.get("pool") if len(shape) > 2 else None
    how = origin.get("quantizer")
    made = {"pooling": {"flatten": "flattened", "mean": "mean over places"}.get(str(pooled)) if pooled else None}
    if isinstance(how, Mapping):
        made |= _preprocessing(how)
    elif "quantizer" in origin:
        made["codes"] = "as given"
    own = {name: one for name, one in stored_in(top).items() if one.fact and name.endswith(f"_{side[0]}")}
    numbers = {one.fact: getattr(top, name) for name, one in own.items()}
    facts = [(name, f"{value:.1%}") for name, value in numbers.items() if value is not None]
    facts += [("shape", " × ".join(map(str, shape)))] if shape else []
    return {
        "side": side,
        "layer": top.teacher if side == "teacher" else top.student,
        "facts": [*facts, *((name, text) for name, text in made.items() if text)],
    }


def _preprocessing(how: Mapping[str, Any]) -> dict[str, str]:
    """Preprocessing of a layer, in short; the record is at the end of the page."""
    if "posteriors" in how:
        return {"posteriors": f"by {how['posteriors']}, {how.get('folds')} folds"}
    parts = [
        str(how.get("method", "")),
        f"{how.get('n_components') or 'all'} components",
        f"{how.get('cells_used')} cells",
    ]
    if how.get("normalise"):
        parts.insert(0, "unit norm")
    return {"codes": f"{', '.join(parts)}, fitted on {how.get('fitted_on')}"}


def _ensemble(result: ContributionResult, scale: float) -> dict[str, Any]:
    """Table of several teachers in their greedy order, and a bar of what the student has and each of them adds."""
    rows, parts = [], []
    if result.given is not None:
        parts.append(("the student's own", "redundant", result.information[result.given].value, 1.0))
    for place, step in enumerate(result.order, start=1):
        name = step.source
        against = result.unique[name] if result.against is None else result.against[name]
        numbers = {"information": result.information[name], "against": against, "unique": result.unique[name]}
        rows.append({"source": name, "place": place, "gain": str(step.gain)} | {k: str(v) for k, v in numbers.items()})
        parts.append((name, "unique_t", step.gain.value, max(0.35, 1.15 - 0.25 * place)))
    drawn, at = [], 0.0
    for name, atom, value, opacity in parts:
        width = 100 * max(value, 0.0) / scale
        drawn.append({"name": name, "atom": atom, "value": value, "x": at, "width": width, "opacity": opacity})
        at += width
    left = None if result.remaining is None else result.remaining.value
    return {"given": result.given, "left": left, "rows": rows, "parts": drawn}


def _change(difference: float) -> str:
    return f"{abs(difference):.2f} {'more' if difference >= 0 else 'less'}"


def _tile(report: Findings, top: AuditedPair, name: str) -> dict[str, Any]:
    result = top.result
    return {
        "atom": name,
        "value": result.atoms[name],
        "share": result.atoms[name] / report.scale if report.scale > 0 else 0.0,
        "interval": (result.interval or {}).get(name),
        "null": (result.null or {}).get(name),
    }


def _bar(pair: AuditedPair, scale: float, rank: int) -> dict[str, Any]:
    result = pair.result
    ceilings = [
        (100 * ceiling / scale, source, ceiling)
        for source, ceiling in zip("TS", pair.ceilings(), strict=True)
        if ceiling <= scale * (1 + 1e-9)
    ]
    return {
        "pair": pair,
        "rank": rank,
        "segments": stack(result.atoms, scale, result.interval),
        "ceilings": ceilings,
        "baseline": stack(pair.baseline.result.atoms, scale) if pair.baseline else [],
        "words": ", ".join(f"{LOOKS[name].words} {value:z.3f}" for name, value in result.atoms.items()),
    }


def _trajectory(pair: AuditedPair) -> dict[str, Any]:
    names = [stage.checkpoint or "student" for stage in pair.stages]
    atoms = [stage.result.atoms for stage in pair.stages]
    apart = int(pair.baseline is not None)
    return {"pair": pair, "plot": curves(names, atoms, (420, 240), (14, 62, 30, 38), apart)}


def _heat_maps(report: Findings) -> list[dict[str, Any]]:
    """Heat maps of unique and redundant information over teacher and student layers."""
    results = report.results
    teachers = sorted({t for t, _ in results}, key=_order(report, "teachers"))
    students = sorted({s for _, s in results}, key=_order(report, "students"))
    full = len(results) == len(teachers) * len(students) and min(len(teachers), len(students)) > 0
    if not full or len(results) < 2 or max(len(teachers), len(students)) < 2 or len(results) > MAX_CELLS:
        return []
    maps = []
    for name in ("unique_t", "redundant"):
        largest = max([r.atoms[name] for r in results.values() if r.atoms[name] < math.inf] + [1e-12])
        shown = {
            pair: (result.atoms[name], min(max(0.0, 100 * result.atoms[name] / largest), 100.0))
            for pair, result in results.items()
        }
        rows = [(t, [(s, *shown[t, s]) for s in students]) for t in teachers]
        maps.append({"atom": name, "students": students, "rows": rows})
    return maps


def _order(report: Findings, side: str) -> Any:
    """The layers in the order of their files, as far as the report knows it."""
    known = {name: i for i, name in enumerate(report.provenance.get(side) or ())}
    return lambda name: (known.get(name, len(known)), name)


def _row(report: Findings, stage: AuditedPair, columns: Sequence[Column]) -> dict[str, Any]:
    """Text and value of each column of a stage."""
    cells = [(column.text(report, stage).plain.removeprefix("to "), column.get(report, stage)) for column in columns]
    return {"pair": stage, "cells": cells, "loose": stage.result.certificate.status in ("max_iter", "uncertified")}


def _facts(report: Findings) -> list[tuple[str, str]]:
    """Provenance of the numbers, line by line."""
    origin = report.provenance
    facts = [
        (
            "Samples",
            f"{report.n_samples:,} samples of "
            + (
                f"{report.n_classes} classes, H(Y) = {report.entropy:.3f} {report.units}"
                if report.n_classes
                else "a continuous target"
            ),
        ),
        ("Groups", f"{origin['groups']:,} groups of samples are independent" if "groups" in origin else ""),
        *(
            (f"{name.capitalize()} file", _files(origin[name]))
            for name in ("teacher", "student", "labels", "baseline")
            if origin.get(name)
        ),
        _made_of_layers(origin),
        ("Estimator", str(origin.get("estimator"))),
        (
            "Chance",
            f"95 % quantile of {origin['shuffles']} label shuffles" if origin.get("shuffles") else "not asked for",
        ),
        ("Seed", str(origin.get("seed"))),
        ("Units", f"{report.units} (1 bit = {NATS_PER['bits']:.4f} nats)"),
        ("Time", f"{report.seconds:.1f} s"),
        ("pidkd", str(origin.get("pidkd"))),
    ]
    return [(heading, text) for heading, text in facts if text]


def _files(named: Any) -> str:
    """A file, or those of several networks by name."""
    return ", ".join(f"{name}: {file}" for name, file in named.items()) if isinstance(named, Mapping) else str(named)


def _made_of_layers(origin: Mapping[str, Any]) -> tuple[str, str]:
    """Description of the steps between the layers and the atoms."""
    if "posteriors" in origin:
        return (
            "Posteriors",
            f"by {origin['posteriors']}, {origin.get('folds')} folds, each scored by those of the others",
        )
    quantizer = origin.get("quantizer")
    return "Cells", _words(quantizer) if isinstance(quantizer, Mapping) else "none: layers are taken as they are"


def _layers(report: Findings) -> list[tuple[str, str, str]]:
    """Side, layer and the record of its codes."""
    layers: dict[tuple[str, str], str] = {}
    for pair in report.pairs:
        origin = pair.result.provenance or {}
        for side, name in (("teacher", pair.teacher), ("student", pair.student)):
            record = origin.get(side)
            if isinstance(record, Mapping):
                how = record.get("quantizer")
                as_is = "codes as they are" if "quantizer" in record else "activations as they are"
                shape = " × ".join(map(str, record.get("shape") or ()))
                layers[side, name] = f"{shape}: " + (_words(how) if isinstance(how, Mapping) else as_is)
    return [(side, name, text) for (side, name), text in sorted(layers.items())[:200]]


def _words(record: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key.replace('_', ' ')} {f'{value:.3g}' if isinstance(value, float) else value}"
        for key, value in record.items()
    )
