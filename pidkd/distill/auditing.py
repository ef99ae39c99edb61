"""The audit: what teacher and student know about the labels, layer by layer, from saved activations."""

from __future__ import annotations

import dataclasses
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

import pidkd
from pidkd.activations import Layer, open_layers, read_labels
from pidkd.arrays import Array
from pidkd.decomposition import AUTO, decompose
from pidkd.distill.audit_report import AuditedPair, AuditReport
from pidkd.errors import (
    ConvergenceWarning,
    IncompatibleInputError,
    InputError,
    PidkdWarning,
    SmallSampleWarning,
    UnknownNameError,
    import_extra,
)
from pidkd.estimator import PIDEstimator, accepted_kinds, get_estimator
from pidkd.info import entropy
from pidkd.inputs import Codes
from pidkd.result import NATS_PER, PIDResult, Units, check_units

if TYPE_CHECKING:
    from pidkd.quantize import Quantizer

__all__ = ["AuditReport", "AuditedPair", "audit"]

Pairs: TypeAlias = Sequence[tuple[str, str]] | Literal["all"] | None


def audit(
    teacher: Any,
    student: Any,
    y: Any,
    pairs: Pairs = None,
    *,
    estimator: str | PIDEstimator = "auto",
    quantize: Quantizer | None = None,
    n_jobs: int | None = None,
    seed: int = 0,
    units: Units = "bits",
    progress: Callable[[float], None] | None = None,
) -> AuditReport:
    r"""Decompose :math:`I(Y;T,S)` for pairs of a teacher's layer T and a student's layer S.

    Each layer is read and quantised once, then each pair is decomposed. A layer of codes (integers, bools or strings,
    shape (n_samples,)) is taken as it is.

    Parameters
    ----------
    teacher, student : path, mapping of str to array, or array
        Activations by layer, each of shape (n_samples, ...): an ``.npz`` file, an ``.npy`` file, a folder of ``.npy``
        files, or arrays.
    y : path or array, shape (n_samples,)
        Labels of the same samples in the same order.
    pairs : sequence of (teacher layer, student layer), "all", or None
        None pairs the layers of equal name, or the only layer of each.
    estimator : str or PIDEstimator, default "auto"
        One that decomposes codes. "auto" is ``broja``.
    quantize : Quantizer, optional
        How activations become codes; each layer gets a copy of its own. None is ``Quantizer(seed=seed)``.
    n_jobs : int, optional
        Processes, as joblib understands it: None is 1 unless ``joblib.parallel_config`` says otherwise, -1 all cores.
        The result is the same for every number.
    seed : int, default 0
    units : {"bits", "nats"}
    progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    AuditReport

    Raises
    ------
    InputError
        When files, labels, layers or options cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> y = np.arange(400) % 4
    >>> report = pidkd.audit({"out": y}, {"out": y % 2}, y)  # the student only tells odd from even
    >>> result = report.results["out", "out"]
    >>> print(f"{result.redundant:.6f} {result.unique_t:.6f}")
    1.000000 1.000000
    """
    started = time.perf_counter()
    check_units("audit(..., units)", units)
    chosen = _estimator(estimator)
    layers_t, layers_s = open_layers(teacher, "audit(teacher)"), open_layers(student, "audit(student)")
    labels, where = read_labels(y, "audit(y)"), _file(y) or "audit(y)"
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) == 1:
        raise InputError(where, "at least two classes", f"one class only ({classes[0]})")
    names = _pairs(pairs, layers_t, layers_s)
    used = {("teacher", t): layers_t[t] for t, _ in names} | {("student", s): layers_s[s] for _, s in names}
    for layer in used.values():
        if layer.shape[:1] != labels.shape:
            raise InputError(layer.where, f"{len(labels)} samples, as in {where}", f"shape {layer.shape}")
    quantizer = None if all(layer.is_codes for layer in used.values()) else _quantizer(quantize, seed)

    advance = _advance(progress, len(used) + len(names))
    read = _run(_codes, [(layer, quantizer) for layer in used.values()], n_jobs, advance)
    codes = {key: code for key, (code, _) in zip(used, read, strict=True)}
    records = {key: record for key, (_, record) in zip(used, read, strict=True)}
    tasks = [(labels, codes["teacher", t], codes["student", s], chosen, seed, units) for t, s in names]
    found, few = [], 0
    for (t, s), result in zip(names, _run(_atoms, tasks, n_jobs, advance), strict=True):
        codes_t, codes_s = codes["teacher", t], codes["student", s]
        cells = [len(np.unique(codes_t)), len(np.unique(codes_s)), len(set(zip(codes_t, codes_s, strict=True)))]
        origin = {"teacher": records["teacher", t], "student": records["student", s], "labels": _file(y), "seed": seed}
        concerns = result.warnings
        if len(labels) < (table := len(classes) * cells[2]):
            few += 1
            text = f"{len(labels)} samples for {table} combinations of class and cells: plug-in atoms are badly biased"
            concerns += (f"{text}; use fewer clusters or more samples",)
        result = dataclasses.replace(result, provenance=origin, warnings=concerns)
        found.append(AuditedPair(t, s, result, cells_t=cells[0], cells_s=cells[1], cells_ts=cells[2]))
    _warn(found, few)
    return AuditReport(
        pairs=tuple(sorted(found, key=lambda pair: -pair.result.unique_t)),
        units=units,
        n_samples=len(labels),
        n_classes=len(classes),
        entropy=entropy(counts / len(labels)) / NATS_PER[units],
        seconds=time.perf_counter() - started,
        provenance={
            "pidkd": pidkd.__version__,
            "teacher": _file(teacher),
            "student": _file(student),
            "labels": _file(y),
            "estimator": chosen.name,
            "quantizer": None if quantizer is None else quantizer.get_params(),
            "seed": seed,
        },
    )


def _codes(layer: Layer, quantizer: Quantizer | None) -> tuple[Array, dict[str, Any]]:
    """The codes of one layer, and how they came to be; runs where the work is spread to."""
    from sklearn.base import clone

    values = layer.read()
    record: dict[str, Any] = {"layer": layer.name, "file": layer.file, "shape": list(layer.shape), "quantizer": None}
    if layer.is_codes or quantizer is None:
        return values, record
    fitted = clone(quantizer)
    try:
        codes = fitted.fit_transform(values)
    except InputError as error:
        raise error.at(f"{layer.where}, {error.where}") from error
    return codes, {**record, "quantizer": fitted.record}


def _atoms(y: Array, t: Array, s: Array, estimator: PIDEstimator, seed: int, units: Units) -> PIDResult:
    """The atoms of one pair; what it warns of is in the result, and the warnings of a worker would be lost."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        return decompose(Codes(y, t, s), estimator=estimator, seed=seed, units=units)


def _run(
    work: Callable[..., Any], tasks: Iterable[tuple[Any, ...]], n_jobs: int | None, advance: Callable[[], None]
) -> list[Any]:
    """Do independent work on whatever joblib is set to use."""
    import joblib

    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0):
        raise InputError("audit(..., n_jobs)", "a number of processes, or -1 for all cores", repr(n_jobs))
    results = []
    for result in joblib.Parallel(n_jobs=n_jobs, return_as="generator")(joblib.delayed(work)(*task) for task in tasks):
        results.append(result)
        advance()
    return results


def _advance(progress: Callable[[float], None] | None, total: int) -> Callable[[], None]:
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done / total)

    return advance


def _estimator(estimator: str | PIDEstimator) -> PIDEstimator:
    """The estimator by name, known to be installed and to fit codes before any file is read."""
    where = "audit(..., estimator)"
    if isinstance(estimator, str):
        chosen = get_estimator(AUTO[Codes.__name__] if estimator == "auto" else estimator)()
    else:
        chosen = estimator
    if not isinstance(chosen, PIDEstimator):
        raise InputError(where, "a name or a PIDEstimator", type(chosen).__name__)
    if Codes.__name__ not in accepted_kinds(type(chosen)):
        kinds = " or ".join(sorted(accepted_kinds(type(chosen))))
        raise IncompatibleInputError(where, "an estimator of codes", f"{chosen.name!r}, which decomposes {kinds}")
    for module, extra in chosen.requires.items():
        import_extra(module, extra, needed_by=f"estimator {chosen.name!r}")
    chosen.check_params()
    return chosen


def _quantizer(quantize: Quantizer | None, seed: int) -> Quantizer:
    from pidkd.quantize import Quantizer

    if quantize is None:
        return Quantizer(seed=seed)
    if not isinstance(quantize, Quantizer):
        raise InputError("audit(..., quantize)", "a pidkd.Quantizer", type(quantize).__name__)
    return quantize


def _pairs(pairs: Pairs, teacher: Mapping[str, Layer], student: Mapping[str, Layer]) -> list[tuple[str, str]]:
    """Which teacher layer is compared with which student layer."""
    where = "audit(..., pairs)"
    if pairs is None:
        if len(teacher) == len(student) == 1:
            return [(next(iter(teacher)), next(iter(student)))]
        if shared := [name for name in teacher if name in student]:
            return [(name, name) for name in shared]
        got = f"teacher layers {', '.join(teacher)} and student layers {', '.join(student)}"
        raise InputError(where, "layers of equal name", got, "name the pairs, or ask for all")
    if isinstance(pairs, str):
        if pairs != "all":
            raise InputError(where, "a list of (teacher layer, student layer), 'all' or None", repr(pairs))
        return [(t, s) for t in teacher for s in student]
    names = []
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2:
            raise InputError(where, "pairs (teacher layer, student layer)", repr(pair))
        for name, side, layers in zip(pair, ("teacher", "student"), (teacher, student), strict=True):
            if name not in layers:
                raise UnknownNameError(where, f"a layer of the {side}", name, layers)
        names.append((pair[0], pair[1]))
    if not names:
        raise InputError(where, "at least one pair", "none")
    return list(dict.fromkeys(names))


def _warn(found: Sequence[AuditedPair], few: int) -> None:
    """One warning of each kind, whatever the number of pairs."""
    loose = sum(pair.result.certificate.status in ("max_iter", "uncertified") for pair in found)
    if loose:
        text = f"{loose} of {len(found)} pairs are not certified to the tolerance; see the notes"
        warnings.warn(text, ConvergenceWarning, stacklevel=3)
    if few:
        text = f"{few} of {len(found)} pairs have fewer samples than combinations of class and cells; see the notes"
        warnings.warn(text, SmallSampleWarning, stacklevel=3)


def _file(source: Any) -> str | None:
    """The path as the user wrote it, if it is one."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else None
