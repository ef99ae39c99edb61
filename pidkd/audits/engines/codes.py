"""The audit of codes: each layer is quantised once, then each pair is counted."""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pidkd.arrays import Array, as_array
from pidkd.audits.plan import Job
from pidkd.audits.probes import centred_gram, debiased_cka, linear_probe, probe_rows, read_rows
from pidkd.audits.report import AuditedPair
from pidkd.decomposition import AUTO, decompose
from pidkd.errors import InputError, PidkdWarning
from pidkd.files.layer import Layer, Pool, Sliced
from pidkd.files.reading import read_array
from pidkd.info import entropy
from pidkd.inputs import Codes
from pidkd.result import NATS_PER, PIDResult, Units
from pidkd.runs.pool import advancing, run_spread
from pidkd.runs.record import content_key, resumed
from pidkd.uncertainty import Bootstrap, Method, Permutation
from pidkd.uncertainty.sample import too_few_samples

if TYPE_CHECKING:
    from pidkd.pid import PIDEstimator
    from pidkd.quantize import Quantizer

BOOTSTRAP = Bootstrap(n=100, bias="shuffle", repeats=10)
"""Intervals of an audit unless something else is asked for: 171 tables, half a second if they are (10, 10, 10)."""

SHUFFLES = 20
"""Shuffles of the labels of codes unless another number is asked for."""

MOST_CELLS = 10_000
"""Larger tables get no intervals by themselves: hundred classes and ten cells a source take ten seconds."""


@dataclass(frozen=True)
class Task:
    """What is done with every layer.

    Parameters
    ----------
    quantizer : Quantizer or None
    pool : {"flatten", "mean"}
    fitted, counted : array of row numbers, or None
        Rows that cells are fitted on, and rows that are counted; None for all.
    rows : array of row numbers
        Rows of the probe, and of the likeness to other layers.
    seed : int
    folder : str or None
        Where finished work is kept.
    """

    quantizer: Quantizer | None
    pool: Pool
    fitted: Array | None
    counted: Array | None
    rows: Array
    seed: int
    folder: str | None


@dataclass(frozen=True)
class Measured:
    """What an audit needs of a layer: its codes, how they came to be, and what stands beside the atoms."""

    codes: Array
    record: dict[str, Any]
    probe: float | None
    gram: Array | None


def measure_layer(layer: Layer, y: Array, task: Task) -> Measured:
    """Read, check, quantise and probe one layer; runs where the work is spread to, and opens its file there."""
    values = layer.read(task.pool)
    origin = {"layer": layer.name, "file": layer.file, "shape": list(layer.shape), "pool": task.pool}
    if layer.is_codes or task.quantizer is None:
        codes = values if task.counted is None else values[task.counted]
        return Measured(codes, {**origin, "quantizer": None}, None, None)

    def work() -> tuple[dict[str, Any], dict[str, Array]]:
        codes, record, probe, gram = _quantised(layer, values, y, task)
        return {"quantizer": record, "probe": probe}, {"codes": codes, "gram": gram}

    key = ""
    if task.folder is not None:
        some = [rows for rows in (task.fitted, task.counted) if rows is not None]
        options = [task.quantizer.get_params(), task.seed, len(some)]
        key = content_key(options, y, task.rows, *some, values)
    record, arrays = resumed(task.folder, key, work)
    gram = arrays["gram"] if len(arrays["gram"]) else None
    return Measured(arrays["codes"], {**origin, "quantizer": record["quantizer"]}, record["probe"], gram)


def _quantised(layer: Layer, values: Any, y: Array, task: Task) -> tuple[Array, dict[str, Any], float | None, Array]:
    from sklearn.base import clone

    quantizer = clone(task.quantizer)
    try:
        quantizer.fit(_some(values, task.fitted))
        codes = quantizer.transform(values)
    except InputError as error:
        raise error.at(f"{layer.where}, {error.where}") from error
    # As in the quantizer: threads would add in another order in another process.
    with threadpool_limits(1):
        x = read_rows(values, task.rows)
        probe = linear_probe(x, y[task.rows], task.seed)
        gram = centred_gram(x, task.seed) if len(x) >= 4 else np.empty((0, 0), np.float32)
    return codes if task.counted is None else codes[task.counted], quantizer.record, probe, gram


def _some(values: Any, rows: Array | None) -> Any:
    """Some rows, read when they are needed."""
    if rows is None:
        return values
    return Sliced((len(rows), *values.shape[1:]), values.dtype, lambda index: np.asarray(values[rows[index]]))


def measure_pair(
    y: Array,
    t: Array,
    s: Array,
    estimator: PIDEstimator,
    seed: int,
    units: Units,
    shuffles: int,
    uncertainty: Method | Sequence[Method] | Literal["auto"] | None,
    folder: str | None,
) -> PIDResult:
    """The atoms of one pair, with their level under shuffled labels and their sampling intervals.

    What it warns of is in the result, for the warnings of a worker would be lost.
    """
    data = Codes(y, t, s)

    def work() -> tuple[dict[str, Any], dict[str, Array]]:
        methods, left_out = _methods(data, estimator, shuffles, uncertainty)
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", PidkdWarning)
            result = decompose(data, estimator=estimator, seed=seed, units=units, uncertainty=methods or None)
        said = (*result.warnings, *([left_out] if left_out else []))
        return dataclasses.replace(result, warnings=said).to_dict(), {}

    if folder is None:
        record, _ = work()
    else:
        options = [estimator.name, estimator.get_params(), seed, units, shuffles, repr(uncertainty)]
        record, _ = resumed(folder, content_key(options, *(np.asarray(x).astype(str) for x in (y, t, s))), work)
    return PIDResult.from_dict(record)


def _methods(
    data: Codes, estimator: PIDEstimator, shuffles: int, uncertainty: Method | Sequence[Method] | Literal["auto"] | None
) -> tuple[list[Method], str | None]:
    """What is resampled, and what a reader must know if there shall be no intervals."""
    left_out = None
    if uncertainty == "auto":
        cells = math.prod(len(np.unique(codes)) for codes in (data.y, data.t, data.s))
        methods: list[Method] = []
        if estimator.name == AUTO[Codes.__name__] and data.n_samples >= 8:
            if cells <= MOST_CELLS:
                methods = [BOOTSTRAP]
            else:
                left_out = (
                    f"no sampling intervals: {cells} combinations of class and cells make them slow; "
                    f"uncertainty={BOOTSTRAP} gives them"
                )
    else:
        methods = [uncertainty] if isinstance(uncertainty, Method) else [*(uncertainty or ())]
    if shuffles and not any(isinstance(method, Permutation) for method in methods):
        methods.append(Permutation(n=shuffles))
    return methods, left_out


def audit_cells(
    job: Job,
    used: Mapping[tuple[str, str | None, str], Layer],
    labels: Array,
    file: str | None,
    estimator: PIDEstimator,
    quantize: Quantizer | None,
    fit_on: Any,
    max_memory: int | None,
    shuffles: int | None,
    uncertainty: Sequence[Method] | Literal["auto"] | None,
) -> tuple[dict[tuple[str | None, str, str], AuditedPair], dict[str, Any]]:
    """Every pair at every stage as codes, and what the report says of the whole."""
    shuffles = SHUFFLES if shuffles is None else shuffles
    of_codes = all(layer.is_codes for layer in used.values())
    quantizer = None if of_codes else _quantizer(quantize, max_memory, job.seed)
    fitted = _fit_rows(fit_on, len(labels), job.seed)
    counted = None if fitted is None else np.setdiff1d(np.arange(len(labels)), fitted)
    y_counted = labels if counted is None else labels[counted]
    classes, counts = np.unique(y_counted, return_counts=True)
    if len(classes) == 1:
        raise InputError("audit(..., fit_on)", "samples of two classes left to count", "those of one class only")

    advance = advancing(job.progress, len(used) + len(job.wanted))
    widest = max(math.prod(layer.shape[1:]) for layer in used.values())
    rows = probe_rows(len(labels), widest, job.seed, *([] if quantizer is None else [quantizer.max_memory]))
    task = Task(quantizer, job.pool, fitted, counted, rows, job.seed, job.folder)
    layers = [(layer, labels, task) for layer in used.values()]
    measured = dict(zip(used, run_spread(measure_layer, layers, job.n_jobs, advance), strict=True))
    options = (estimator, job.seed, job.units, shuffles, uncertainty, job.folder)
    tasks = [
        (y_counted, measured["teacher", None, t].codes, measured["student", stage, s].codes, *options)
        for stage, t, s in job.wanted
    ]
    found = {}
    for (stage, t, s), result in zip(job.wanted, run_spread(measure_pair, tasks, job.n_jobs, advance), strict=True):
        left, right = measured["teacher", None, t], measured["student", stage, s]
        origin = {"teacher": left.record, "student": right.record, "labels": file, "seed": job.seed}
        concerns = result.warnings
        cells_ts = len(set(zip(left.codes, right.codes, strict=True)))
        if text := too_few_samples(Codes(y_counted, left.codes, right.codes), result.to("bits").mi):
            concerns += (text,)
        found[stage, t, s] = AuditedPair(
            teacher=t,
            student=s,
            result=dataclasses.replace(
                result,
                provenance={**(result.provenance or {}), **origin},
                warnings=tuple(dict.fromkeys(concerns)),
            ),
            cells_t=len(np.unique(left.codes)),
            cells_s=len(np.unique(right.codes)),
            cells_ts=cells_ts,
            checkpoint=stage,
            probe_t=left.probe,
            probe_s=right.probe,
            cka=None if left.gram is None or right.gram is None else debiased_cka(left.gram, right.gram),
        )
    about = {
        "n_samples": len(y_counted),
        "n_classes": len(classes),
        "entropy": entropy(counts / len(y_counted)) / NATS_PER[job.units],
        "provenance": {
            "quantizer": None if quantizer is None else quantizer.get_params(),
            "fitted_on": len(labels) if fitted is None else len(fitted),
            "counted_on": len(y_counted),
            "shuffles": shuffles,
            "probed_on": len(rows),
        },
    }
    return found, about


def _fit_rows(fit_on: Any, n_samples: int, seed: int) -> Array | None:
    """Rows that cells are fitted on, in rising order; None for all."""
    where = "audit(..., fit_on)"
    if isinstance(fit_on, str) and fit_on == "all":
        return None
    if isinstance(fit_on, int | float) and not isinstance(fit_on, bool):
        size = round(fit_on * n_samples) if 0 < fit_on < 1 else 0
        if not 0 < size < n_samples:
            raise InputError(where, "'all', a fraction between 0 and 1, or row numbers", repr(fit_on))
        return np.sort(np.random.default_rng([seed, 4]).permutation(n_samples)[:size])
    path = os.fspath(fit_on) if isinstance(fit_on, str | os.PathLike) else None
    rows = as_array(where, fit_on) if path is None else read_array(path, ("rows", "fit_on"))
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or len(rows) == 0:
        raise InputError(path or where, "row numbers, shape (n,)", f"{rows.dtype} of shape {rows.shape}")
    rows = np.unique(rows)
    if rows[0] < 0 or rows[-1] >= n_samples or len(rows) == n_samples:
        expected = f"some of the rows 0 to {n_samples - 1}, and others left to count"
        raise InputError(path or where, expected, f"{len(rows)} from {rows[0]} to {rows[-1]}")
    return rows


def _quantizer(quantize: Quantizer | None, max_memory: int | None, seed: int) -> Quantizer:
    from sklearn.base import clone

    from pidkd.quantize import Quantizer

    if not isinstance(quantize, Quantizer | None):
        raise InputError("audit(..., quantize)", "a pidkd.Quantizer", type(quantize).__name__)
    quantizer: Quantizer = Quantizer(seed=seed) if quantize is None else clone(quantize)
    return quantizer if max_memory is None else quantizer.set_params(max_memory=max_memory)
