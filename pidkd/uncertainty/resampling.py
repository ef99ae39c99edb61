"""Decompositions with sampling uncertainty: resamples of the data, solved in batches and summarised."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from pidkd.errors import ConvergenceWarning, InputError, PidkdWarning, SmallSampleWarning, quote
from pidkd.estimator import Context
from pidkd.inputs import Input
from pidkd.pid import PIDEstimator
from pidkd.result import PIDResult, Units
from pidkd.uncertainty.bootstrap import Bootstrap
from pidkd.uncertainty.jackknife import Jackknife
from pidkd.uncertainty.method import FILLED, QUANTITIES, Values
from pidkd.uncertainty.permutation import Permutation
from pidkd.uncertainty.sample import WHERE, Sample, as_sample

BATCH_BYTES = 2**28
"""Resamples are made and solved so many at a time that they take about this memory."""


Method: TypeAlias = Bootstrap | Jackknife | Permutation


def quantify(
    estimator: PIDEstimator,
    data: Input,
    uncertainty: Method | Iterable[Method],
    units: Units = "bits",
    ctx: Context | None = None,
) -> PIDResult:
    """Decompose sampled data and say how far sampling may have moved each atom.

    Parameters
    ----------
    estimator : PIDEstimator
    data : Codes, Pmf with n_samples, Activations or Posteriors
    uncertainty : Bootstrap, Jackknife, Permutation or a list of them
        At most one of ``Bootstrap`` and ``Jackknife``, which both fill the interval, and at most one ``Permutation``.
    units : {"bits", "nats"}
    ctx : Context, optional

    Returns
    -------
    PIDResult
        With ``interval``, ``se``, ``null`` and ``bias`` as the methods give them, for the four atoms and for "mi_t",
        "mi_s" and "mi"; ``provenance["uncertainty"]`` lists the methods with their parameters.

    Raises
    ------
    InputError
        When the data are no sample, or the methods cannot be used together.
    """
    ctx = ctx or Context()
    methods = as_methods(uncertainty)
    concerns: list[tuple[type[PidkdWarning], str]] = []
    sample = as_sample(data, estimator._accept(data))
    for method in methods:
        if estimator.cross_fitted and method.fills == "interval":
            hint = "a row that is drawn twice would be scored by what has seen it"
            raise InputError(
                WHERE, f"none, as {estimator.name!r} has its own intervals", f"{type(method).__name__}()", hint
            )
        method.check(sample)
        if isinstance(method, Permutation) and (few := method.too_few()):
            concerns.append((SmallSampleWarning, few))
    result = estimator.decompose(data, units, dataclasses.replace(ctx, progress=None))
    point = {name: float(getattr(result, name)) for name in QUANTITIES}
    solved, finished_on_cpu = _solve(estimator, methods, sample, units, dataclasses.replace(ctx, keep=(), by=None))
    results: dict[str, Any] = {}
    record: list[dict[str, Any]] = []
    for method, values in zip(methods, solved, strict=True):
        summary = method.summarise(point, values, sample)
        results |= {name: summary.pop(name) for name in FILLED if name in summary}
        usable = np.isfinite(values["unique_t"])
        about = {"method": type(method).__name__, **dataclasses.asdict(method), "seed": ctx.seed, "units": units}
        record.append({**about, "resamples": len(usable), "unusable": int((~usable).sum()), **summary})
        if not usable.all():
            message = f"{estimator.name}: no finite answer on {(~usable).sum()} of {len(usable)} resamples"
            concerns.append((ConvergenceWarning, f"{message} of {type(method).__name__}, which are left out"))
    for category, text in concerns:
        warnings.warn(text, category, stacklevel=3)
    return dataclasses.replace(
        result,
        **results,
        provenance={
            **(result.provenance or {}),
            "uncertainty": record,
            **({"resamples_finished_on_cpu": finished_on_cpu} if ctx.device != "cpu" else {}),
        },
        warnings=(*result.warnings, *(text for _, text in concerns)),
    )


# How it is done


def as_methods(uncertainty: Any) -> list[Method]:
    """The methods that a user named.

    Raises
    ------
    InputError
        When they are none, or cannot be used together.
    """
    methods = list(uncertainty) if isinstance(uncertainty, list | tuple) else [uncertainty]
    for method in methods:
        if not isinstance(method, Method):
            got = f"the class {method.__name__}" if isinstance(method, type) else quote(method)
            hint = f"make one: {method.__name__}()" if isinstance(method, type) else None
            raise InputError(WHERE, "Bootstrap(), Jackknife(), Permutation() or a list of them", got, hint)
    names = [type(method).__name__ for method in methods]
    fills = [method.fills for method in methods]
    if not methods or len(set(fills)) < len(fills):
        expected = "at most one of Bootstrap and Jackknife, and at most one Permutation"
        raise InputError(WHERE, expected, " and ".join(names) or "an empty list")
    return methods


def _solve(
    estimator: PIDEstimator, methods: Sequence[Method], sample: Sample, units: Units, ctx: Context
) -> tuple[list[Values], int]:
    """The quantities on the resamples of every method, in batches of bounded memory; and what no accelerator solved."""
    # A stream apart from that of a user who drew the data with the same seed, and the same in any list of methods.
    streams = [np.random.default_rng((ctx.seed, *method.fills.encode())) for method in methods]
    made = [method.resamples(sample, rng) for method, rng in zip(methods, streams, strict=True)]
    resamples = itertools.chain.from_iterable(made)
    counts = [method.count(sample) for method in methods]
    together = max(1, BATCH_BYTES // sample.bytes)
    results: list[PIDResult] = []
    finished_on_cpu = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        while batch := list(itertools.islice(resamples, together)):
            part = dataclasses.replace(ctx, progress=_part(ctx.progress, len(results), len(batch), sum(counts)))
            solved = estimator.decompose_batch(batch, units, part)
            results.extend(solved)
            finished_on_cpu += solved.finished_on_cpu
    columns = {name: np.array([getattr(result, name) for result in results]) for name in QUANTITIES}
    ends = np.cumsum(counts)
    values: list[Values] = [
        {name: column[end - count : end] for name, column in columns.items()}
        for end, count in zip(ends, counts, strict=True)
    ]
    return values, finished_on_cpu


def _part(
    progress: Callable[[float], None] | None, done: int, batch: int, total: int
) -> Callable[[float], None] | None:
    """The progress of one batch, as that of the whole."""
    return None if progress is None else lambda fraction: progress((done + fraction * batch) / total)
