"""The audit of layers by learned posteriors: classifiers of each layer once, and of each pair.

The folds and the shuffled labels are those of the labels alone, the same for every layer. So the posteriors of a layer
of the teacher, and with them I(Y;T), are the same at every checkpoint of the student; potentials belong to a pair.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray
from pidkd.audits.plan import Job
from pidkd.audits.probes import centred_gram, debiased_cka, linear_probe, probe_rows, read_rows
from pidkd.audits.report import AuditedPair
from pidkd.errors import InputError, PidkdWarning
from pidkd.estimator import Context
from pidkd.estimators.pid.posterior import Posterior
from pidkd.estimators.solvers.posterior.held_out import Logs
from pidkd.files.layer import Layer, Pool
from pidkd.info import entropy
from pidkd.result import ATOMS, NATS_PER, PIDResult
from pidkd.runs.pool import advancing, one_thread, run_spread
from pidkd.runs.record import content_key, resumed
from pidkd.uncertainty import Permutation
from pidkd.uncertainty.method import QUANTITIES
from pidkd.uncertainty.sample import Sample

SHUFFLES = 2
"""Shuffles of the labels unless another number is asked for; with each of them every classifier is trained anew."""

EXTREMES = 10
"""Samples that a pair shows: those about which the teacher tells most that the student does not."""


@dataclass(frozen=True)
class Lesson:
    """What is learned of every layer.

    Parameters
    ----------
    labels, folds : array of int, shape (1 + n_shuffles, n)
        The labels and the shuffled ones, and the fold of each row.
    estimator : Posterior
    pool : {"flatten", "mean"}
    rows : array of row numbers
        Rows of the probe, and of the likeness to other layers.
    seed : int
    device : {"cpu", "cuda"}
    folder : str or None
        Where finished work is kept.
    """

    labels: IntArray
    folds: IntArray
    estimator: Posterior
    pool: Pool
    rows: Array
    seed: int
    device: str
    folder: str | None

    def key(self, what: str, *values: Any) -> str:
        """A name for what is made of these layers."""
        if self.folder is None:
            return ""
        params = {**self.estimator.get_params(), "max_memory": None}  # it changes no answer
        options = [what, self.estimator.name, params, self.estimator.learner(), self.seed, self.device]
        return content_key(options, self.labels, self.folds, self.rows, *values)


@dataclass(frozen=True)
class Learned:
    """What an audit knows of a layer: what classifiers say of its rows, and what stands beside the atoms."""

    logs: list[Logs]
    record: dict[str, Any]
    probe: float | None
    gram: Array | None


def learn_layer(layer: Layer, lesson: Lesson) -> Learned:
    """Read one layer and learn its posteriors; runs where the work is spread to, and opens its file there."""
    values = _features(layer, lesson.pool)

    def work() -> tuple[dict[str, Any], dict[str, Array]]:
        with one_thread():
            logs = _learn(lesson, layer.where, values)
            if layer.is_codes:
                return {"probe": None}, {"logs": logs, "gram": np.empty((0, 0), np.float32)}
            x = read_rows(values, lesson.rows)
            probe = linear_probe(x, lesson.labels[0][lesson.rows], lesson.seed)
            gram = centred_gram(x, lesson.seed) if len(x) >= 4 else np.empty((0, 0), np.float32)
        return {"probe": probe}, {"logs": logs, "gram": gram}

    record, arrays = resumed(lesson.folder, lesson.key("layer", values), work)
    origin = {
        "layer": layer.name,
        "file": layer.file,
        "shape": list(layer.shape),
        "pool": lesson.pool,
        "quantizer": {"posteriors": lesson.estimator.learner(), "folds": lesson.estimator.n_folds},
    }
    gram = arrays["gram"] if len(arrays["gram"]) else None
    return Learned([Logs(*one) for one in arrays["logs"]], origin, record["probe"], gram)


def learn_pair(
    t: Layer, s: Layer, logs_t: list[Logs], logs_s: list[Logs], lesson: Lesson
) -> tuple[PIDResult, dict[str, FloatArray]]:
    """The atoms of one pair in nats with their level under shuffled labels, and those of every sample.

    What it warns of is in the result, for the warnings of a worker would be lost.
    """
    values = [_features(layer, lesson.pool) for layer in (t, s)]

    def work() -> tuple[dict[str, Any], dict[str, Array]]:
        with warnings.catch_warnings(), one_thread():
            warnings.simplefilter("ignore", PidkdWarning)
            both = _learn(lesson, f"{t.where}, {s.where}", *values)
            ctx = Context(seed=lesson.seed, keep=("local",))
            results = [
                lesson.estimator.result(y, fold, one_t, one_s, Logs(*one), ctx)
                for y, fold, one_t, one_s, one in zip(lesson.labels, lesson.folds, logs_t, logs_s, both, strict=True)
            ]
        local = {name: np.asarray((results[0].local or {})[name], np.float32) for name in ATOMS}
        return _with_null(results[0], results[1:], lesson.seed).to_dict(), local

    record, local = resumed(lesson.folder, lesson.key("pair", *values), work)
    return PIDResult.from_dict(record), {name: local[name] for name in ATOMS}


def audit_posteriors(
    job: Job,
    used: Mapping[tuple[str, str | None, str], Layer],
    labels: Array,
    file: str | None,
    estimator: Posterior,
    shuffles: int | None,
    keep_local: bool = False,
    device: str = "cpu",
) -> tuple[dict[tuple[str | None, str, str], AuditedPair], dict[str, Any]]:
    """Every pair at every stage by learned posteriors, and what the report says of the whole."""
    shuffles = SHUFFLES if shuffles is None else shuffles
    classes, y = np.unique(labels, return_inverse=True)
    generator = np.random.default_rng([job.seed, 5])
    labellings = np.stack([y, *(generator.permutation(y) for _ in range(shuffles))])
    folds = np.stack([estimator.folds(file or "audit(y)", one, job.seed) for one in labellings])
    widest = max(int(np.prod(layer.shape[1:])) for layer in used.values())
    rows = probe_rows(len(y), widest, job.seed, estimator.max_memory)
    lesson = Lesson(labellings, folds, estimator, job.pool, rows, job.seed, device, job.folder)
    advance = advancing(job.progress, len(used) + len(job.wanted))
    with one_thread():
        layers = [(layer, lesson) for layer in used.values()]
        learned = dict(zip(used, run_spread(learn_layer, layers, job.n_jobs, advance), strict=True))
        tasks = [
            (
                *(job.teacher[t], job.students[stage][s]),
                *(learned["teacher", None, t].logs, learned["student", stage, s].logs, lesson),
            )
            for stage, t, s in job.wanted
        ]
        done = run_spread(learn_pair, tasks, job.n_jobs, advance)
    found = {}
    for (stage, t, s), (result, local) in zip(job.wanted, done, strict=True):
        left, right = learned["teacher", None, t], learned["student", stage, s]
        origin = {"teacher": left.record, "student": right.record, "labels": file, "seed": job.seed}
        whole = dataclasses.replace(
            result, provenance={**(result.provenance or {}), **origin}, local=local if keep_local else None
        )
        most = np.argsort(-local["unique_t"], kind="stable")[:EXTREMES]
        extremes = [
            {"row": int(row), "label": str(labels[row]), **{name: float(local[name][row]) for name in ATOMS}}
            for row in most
        ]
        found[stage, t, s] = AuditedPair(
            *(t, s, whole, 0, 0, 0, stage, left.probe, right.probe),
            cka=None if left.gram is None or right.gram is None else debiased_cka(left.gram, right.gram),
            extremes=tuple(extremes),
        ).to(job.units)
    sizes = np.bincount(y)
    about = {
        "n_samples": len(y),
        "n_classes": len(classes),
        "entropy": entropy(sizes / len(y)) / NATS_PER[job.units],
        "provenance": {
            "quantizer": None,
            "posteriors": estimator.learner(),
            "folds": estimator.n_folds,
            "counted_on": len(y),
            "shuffles": shuffles,
            "probed_on": len(rows),
        },
    }
    return found, about


def refuse_what_is_for_cells(quantize: Any, fit_on: Any, uncertainty: Any) -> None:
    """Posteriors have no cells to fit, and folds of their own.

    Raises
    ------
    InputError
        When they are asked for; the message names the option.
    """
    if quantize is not None:
        raise InputError("audit(..., quantize)", "None with estimator 'posterior', which has no codes", "a quantizer")
    if not (isinstance(fit_on, str) and fit_on == "all"):
        got = repr(fit_on) if isinstance(fit_on, str | float) else "rows"
        raise InputError("audit(..., fit_on)", "'all' with estimator 'posterior', which has folds of its own", got)
    if uncertainty is not None and uncertainty != "auto":
        raise InputError("audit(..., uncertainty)", "'auto' with estimator 'posterior', which has its own", "others")


def _features(layer: Layer, pool: Pool) -> Any:
    """Activations as they are, codes as a column for each."""
    values = layer.read(pool)
    if not layer.is_codes:
        return values
    known, codes = np.unique(values, return_inverse=True)
    return np.eye(len(known), dtype=np.float32)[codes]


def _learn(lesson: Lesson, where: str, *values: Any) -> Array:
    """Posteriors of every labelling, shape (n_labellings, 2, n_classifiers, n, n_classes)."""
    ctx = Context(seed=lesson.seed, device=lesson.device)
    try:
        return np.stack([np.stack(one) for one in lesson.estimator.learn(values, lesson.labels, lesson.folds, ctx)])
    except InputError as error:
        raise error.at(f"{where}, {error.where}") from error


def _with_null(result: PIDResult, shuffled: list[PIDResult], seed: int) -> PIDResult:
    """With the level that shuffled labels reach, told as ``Permutation`` does."""
    if not shuffled:
        return result
    method = Permutation(n=len(shuffled))
    values = {name: np.array([getattr(one, name) for one in shuffled]) for name in QUANTITIES}
    point = {name: float(getattr(result, name)) for name in QUANTITIES}
    told = method.summarise(point, values, cast(Sample, None))  # which a permutation does not look at
    about = {"method": "Permutation", **dataclasses.asdict(method), "seed": seed, "units": result.units}
    record = {**about, "resamples": len(shuffled), "unusable": 0, "mean": told["mean"], "p_value": told["p_value"]}
    return dataclasses.replace(result, null=told["null"], provenance={"uncertainty": [record]})
