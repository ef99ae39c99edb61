"""Text of an audit: the headline, and the notes that a reader of the numbers must know."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pidkd.audits.findings import Findings
from pidkd.errors import one_of_each_kind
from pidkd.result import NATS_PER


def headline_of(report: Findings) -> str:
    """Most that is left to distill, where it is, and what both networks know."""
    top, units = report.leading, report.units
    whole = f"of the label's {report.entropy:.2f}" if report.n_classes else f"{units} of the target"
    both = f"both know {top.result.redundant:z.2f} {whole}."
    about = f"about the {'label' if report.n_classes else 'target'}"
    teacher, student = _layer("teacher", top.teacher), _layer("student", top.student)
    chance = (top.result.null or {}).get("unique_t")
    if chance is not None and top.result.unique_t <= chance:
        return (
            "Nothing measurable is left to distill: no layer holds more that the student lacks than the null level of "
            f"shuffled labels ({chance:z.2f} {units}). Of {teacher} and {student}, {both}"
        )
    if report.ensembles:
        return _of_teachers(report, about)
    if report.beyond is not None:
        lacking, students = report.beyond.value.value, len(report.beyond.students)
        return (
            f"All {students} layers of the student together lack {lacking:z.2f} {units} {about} that "
            f"{_layer('teacher', report.beyond.teacher)} holds. The best single partner is {top.student}, and {both}"
        )
    if report.all_pairs:
        return (
            f"No single layer of the student has {top.result.unique_t:.2f} {units} {about} that {teacher} "
            f"holds: the best partner is {top.student}, and {both}"
        )
    return (
        f"Most is left to distill from {teacher}: {top.result.unique_t:.2f} {units} {about} "
        f"that {student} lacks; {both}"
    )


def _layer(side: str, layer: str | None) -> str:
    """A layer in words; bare arrays have no name but their side's."""
    return f"the {side}" if layer == side else f"the {side}'s {layer}"


def _of_teachers(report: Findings, about: str) -> str:
    """Information that several teachers still have together for the student layer that lacks most of it."""
    ensemble = max(report.ensembles, key=lambda one: math.nan if one.remaining is None else one.remaining.value)
    left = math.nan if ensemble.remaining is None else ensemble.remaining.value
    first, *rest = ensemble.order
    order = "".join(f", then {step.source} {step.gain.value:z.2f}" for step in rest[:3])
    student = _layer("student", ensemble.given)
    return (
        f"Together the teachers have {left:z.2f} {report.units} {about} that {student} lacks: "
        f"{first.source} adds {first.gain.value:z.2f}{order}."
    )


SEVERITY = ("misaligned", "not certified", "negative beyond", "samples for", "")
"""Parts of warnings, the gravest first."""


def warnings_of(report: Findings) -> list[str]:
    """Warnings of all pairs and stages, one of each kind, the gravest first: the worst with the number of its like."""
    stages = [stage for pair in report.pairs for stage in pair.stages]
    folded = one_of_each_kind(text for stage in stages for text in stage.result.warnings)
    return sorted(folded, key=lambda text: next(i for i, part in enumerate(SEVERITY) if part in text))


def notes_of(report: Findings) -> list[str]:
    """Notes that a reader of the numbers must know, and the warnings of every pair."""
    if any("dims" in (pair.result.provenance or {}) for pair in report.pairs):
        notes = _of_moments(report)
    else:
        notes = [*_of_samples(report), *_of_posteriors(report), *_of_chance(report), *_of_intervals(report)]
        notes += _of_counting(report)
    left_out = map(str, report.provenance.get("left_out", ()))
    notes += [*_of_pooling(report), *_of_ensembles(report)]
    return [*notes, *left_out, *_of_captures(report), *warnings_of(report)]


def _of_ensembles(report: Findings) -> list[str]:
    """Sentence for each student layer on what several teachers still have for it, and in which order."""
    sentences = []
    for ensemble in report.ensembles:
        order = ", then ".join(f"{step.source} ({step.gain.value:+z.2f})" for step in ensemble.order)
        left = math.nan if ensemble.remaining is None else ensemble.remaining.value
        sentences.append(
            f"Together the teachers still have {left:z.2f} {report.units} for the layer {ensemble.given}: add {order}."
        )
    return sentences


def _of_samples(report: Findings) -> list[str]:
    """Samples, classes and the width of a bar; what codes can hold."""
    if not report.n_classes:
        return [f"{report.n_samples:,} samples of a continuous target. A bar's full width is the largest I(Y;T,S)."]
    size = (
        f"{report.n_samples:,} samples of {report.n_classes} classes: H(Y) = {report.entropy:.3f} {report.units}, "
        "the full width of a bar."
    )
    if not report.most_cells:
        return [size]
    log = max(max(pair.ceilings()) for pair in report.pairs)
    return [
        f"{size} The information of a source is at most the log of its cells, here {log:.3f}.",
        "'certified' bounds the solver's error on the table of counts, not the error of counting samples.",
    ]


POSITIONS = {
    "mean": "their mean",
    "cls": "the first of them",
    "last": "the last of them",
    "answer": "the one before the answer",
}
"""The state that stands for a sample, in words."""


def _of_pooling(report: Findings) -> list[str]:
    """Note on the layers with positions: how they were pooled, and the other choice."""
    pooled: dict[tuple[str, bool], dict[str, None]] = {}
    for pair in report.pairs:
        for side, layer in (("teacher", pair.teacher), ("student", pair.student)):
            origin = (pair.result.provenance or {}).get(side)
            shape = origin.get("shape") or () if isinstance(origin, Mapping) else ()
            if isinstance(origin, Mapping) and len(shape) > 2:
                pooled.setdefault((str(origin.get("pool")), len(shape) == 3), {})[_layer(side, layer)] = None
    notes = []
    for (pool, tokens), layers in pooled.items():
        what = "tokens" if tokens else "places"
        made = f"the mean over their {what}" if pool == "mean" else f"all {what} side by side"
        other = "flatten" if pool == "mean" else "mean"
        names = [*layers][:3] + ([f"{len(layers) - 3} more"] if len(layers) > 3 else [])
        notes.append(
            f"Pooling: {', '.join(names)} {'are' if len(layers) > 1 else 'is'} audited as {made}; pool={other!r} asks "
            f"what {'each of them holds' if other == 'flatten' else 'their mean holds'}, and may answer otherwise."
        )
    return notes


def _of_captures(report: Findings) -> list[str]:
    """Note on what each network was given, and which of its states were kept."""
    notes = []
    for network, record in (report.provenance.get("captures") or {}).items():
        parts = []
        if "tokens" in (record.get("kinds") or {}).values():
            kept = POSITIONS.get(record.get("position") or "", "all of them")
            parts.append(f"tokens of the {network}: {kept}, without padding")
        if "accuracy" in record:
            parts.append(f"accuracy of the {network} as captured: {record['accuracy']:.1%}")
        if parts:
            notes.append(f"{'; '.join(parts)}."[0].upper() + f"{'; '.join(parts)}."[1:])
    return notes


def _of_posteriors(report: Findings) -> list[str]:
    if "posteriors" not in report.provenance:
        return []
    return [
        "Every sample was scored by classifiers that had not seen it. I(Y;T), I(Y;S), I(Y;T,S) and the sum of "
        "Red, Uni T and Uni S are lower bounds in expectation; single atoms are no bounds.",
        "Intervals are of the samples that were scored, with the classifiers as they are. Atoms of single "
        "samples average to the atoms; where the optimum is not unique they are one choice among many.",
    ]


def _of_chance(report: Findings) -> list[str]:
    if not any(pair.result.null for pair in report.pairs):
        return []
    return ["'chance' is the null level of Uni T: its 95 % quantile over shuffles of the labels."]


def _of_intervals(report: Findings) -> list[str]:
    """Note on the intervals: their method, and what they are conditional on."""
    made = {
        (record["method"], record["level"], record.get("bias") is not None and record["method"] == "Bootstrap")
        for pair in report.pairs
        for record in (pair.result.provenance or {}).get("uncertainty", ())
        if record["method"] != "Permutation"
    }
    what = "are of resampled rows."
    if report.most_cells:
        what = "are of counting samples, conditional on the codebook: the cells are held fixed."
    return [
        f"Intervals ({100 * level:g} %, {method}) {what}"
        f"{' They are of atoms less their bias, and may leave out the atom.' if corrected else ''}"
        for method, level, corrected in sorted(made)
    ]


def _of_counting(report: Findings) -> list[str]:
    """Bias of counting, where samples suffice to estimate it."""
    cells = report.most_cells
    if not cells or report.n_samples < report.n_classes * cells:
        return []
    bias = (report.n_classes - 1) * (cells - 1) / (2 * report.n_samples) / NATS_PER[report.units]
    return [
        "Plug-in estimates are biased upwards, Syn most: the null level of sources independent of the label "
        f"is up to about I(Y;T,S) = {bias:.3f} (Miller-Madow, {cells} pairs of cells occur)."
    ]


def _of_moments(report: Findings) -> list[str]:
    notes = [
        f"{report.n_samples:,} samples of a continuous target. The atoms are those of Gaussian variables with the "
        "same covariances: only linear dependence counts. A bar's full width is the largest I(Y;T,S).",
    ]
    if any(pair.result.interval for pair in report.pairs):
        notes.append("Atoms are corrected for bias; intervals are of Gaussian samples.")
    return notes
