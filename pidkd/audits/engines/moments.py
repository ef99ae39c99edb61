"""The audit of a continuous target: second moments of layers, read in one stream, and their Gaussian decomposition."""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pidkd.arrays import Array, as_activations, as_array, is_whole
from pidkd.audits.plan import Job
from pidkd.audits.report import AuditedPair
from pidkd.decomposition import decompose
from pidkd.errors import InputError, PidkdWarning
from pidkd.files.layer import Layer, Pool
from pidkd.files.reading import read_array
from pidkd.inputs.moments import Moments
from pidkd.registry import get_estimator
from pidkd.result import PIDResult, Units
from pidkd.runs.pool import advancing, run_spread
from pidkd.runs.record import content_key, resumed

if TYPE_CHECKING:
    from pidkd.pid import PIDEstimator

WIDEST = 300
"""Columns together up to which the split between atoms is corrected for bias unless something else is asked for."""

UNCORRECTED = (
    f"more than {WIDEST} columns: the atoms of the sample covariance, without correction for bias and without intervals"
)


def continuous_target(source: Any, where: str) -> Array | None:
    """The target where it is continuous: floats, shape (n_samples,) or (n_samples, d_y), that are not all whole."""
    if isinstance(source, str | os.PathLike):
        where, values = os.fspath(source), read_array(source, ("labels", "y"))
    else:
        values = as_array(where, source)
    if values.dtype.kind != "f" or is_whole(values):
        return None
    target: Array = as_activations(where, values)
    return target


def measure_moments(
    y: Array,
    t: Layer,
    s: Layer,
    pool: Pool,
    estimator: PIDEstimator,
    seed: int,
    units: Units,
    folder: str | None,
) -> PIDResult:
    """The atoms of one pair, by an estimator of Gaussian variables; runs where the work is spread to."""
    values = [layer.read(pool) for layer in (t, s)]
    for layer in (t, s):
        if layer.is_codes:
            raise InputError(layer.where, "activations, as the target is continuous", "codes")

    def work() -> tuple[dict[str, Any], dict[str, Array]]:
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", PidkdWarning)
            moments = Moments()
            moments.update(y, *values)
            try:
                data = moments.finish(drop_collinear=True)
            except InputError as error:
                raise error.at(f"{t.where}, {s.where}") from None
            wide = len(data.cov) > WIDEST and estimator == get_estimator("gaussian")()
            options: dict[str, Any] = {"debias": "none"} if wide else {}
            result = decompose(data, estimator=estimator, seed=seed, units=units, **options)
        said = (*result.warnings, *([UNCORRECTED] if wide else []))
        return dataclasses.replace(result, warnings=said, provenance={"dims": list(data.dims)}).to_dict(), {}

    key = ""
    if folder is not None:
        options = [estimator.name, estimator.get_params(), seed, units]
        key = content_key(options, np.asarray(y), *values)
    record, _ = resumed(folder, key, work)
    return PIDResult.from_dict(record)


def audit_moments(
    job: Job, y: Array, estimator: PIDEstimator
) -> tuple[dict[tuple[str | None, str, str], AuditedPair], dict[str, Any]]:
    """Every pair at every stage by its moments, and what the report says of the whole."""
    tasks = [
        (y, job.teacher[t], job.students[stage][s], job.pool, estimator, job.seed, job.units, job.folder)
        for stage, t, s in job.wanted
    ]
    done = run_spread(measure_moments, tasks, job.n_jobs, advancing(job.progress, len(tasks)))
    found = {}
    for (stage, t, s), result in zip(job.wanted, done, strict=True):
        sides = {"teacher": job.teacher[t], "student": job.students[stage][s]}
        origin = {
            side: {"layer": layer.name, "file": layer.file, "shape": list(layer.shape), "pool": job.pool}
            for side, layer in sides.items()
        }
        whole = dataclasses.replace(result, provenance={**(result.provenance or {}), **origin, "seed": job.seed})
        found[stage, t, s] = AuditedPair(t, s, whole, cells_t=0, cells_s=0, cells_ts=0, checkpoint=stage)
    return found, {"n_samples": len(y), "n_classes": 0, "entropy": math.inf, "provenance": {"counted_on": len(y)}}


def refuse_what_is_for_labels(quantize: Any, fit_on: Any, uncertainty: Any) -> None:
    """A continuous target has no cells to fit and no table to draw again.

    Raises
    ------
    InputError
        When they are asked for; the message names the option.
    """
    if quantize is not None or not (isinstance(fit_on, str) and fit_on == "all"):
        where = "audit(..., quantize)" if quantize is not None else "audit(..., fit_on)"
        raise InputError(where, "nothing, as a continuous target has no cells", "some", "or bring labels")
    if uncertainty is not None and uncertainty != "auto":
        hint = "estimator 'gaussian' has intervals of its own"
        raise InputError("audit(..., uncertainty)", "nothing, as of a continuous target moments are kept", "some", hint)
