"""The audit: what teacher and student know about the labels, layer by layer, from saved activations."""

from __future__ import annotations

import dataclasses
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from pidkd._version import __version__
from pidkd.arrays import Array
from pidkd.audits.engines.codes import audit_cells
from pidkd.audits.engines.moments import audit_moments, continuous_target, refuse_what_is_for_labels
from pidkd.audits.engines.posterior import audit_posteriors, refuse_what_is_for_cells
from pidkd.audits.plan import Job
from pidkd.audits.report import AuditedPair, AuditReport
from pidkd.decomposition import AUTO
from pidkd.errors import (
    AlignmentWarning,
    ConvergenceWarning,
    IncompatibleInputError,
    InputError,
    SmallSampleWarning,
    UnknownNameError,
    import_extra,
)
from pidkd.estimator import Context
from pidkd.estimators.pid.posterior import Posterior
from pidkd.files.layer import Layer, Pool
from pidkd.files.reading import open_layers, read_labels, stored
from pidkd.inputs import Activations, Codes, Gaussian
from pidkd.parameters import check_choice, check_whole
from pidkd.pid import PIDEstimator
from pidkd.registry import get_estimator
from pidkd.result import PIDResult, Units, check_units
from pidkd.runs.output import PathLike
from pidkd.uncertainty import Method, as_methods

if TYPE_CHECKING:
    from pidkd.quantize import Quantizer

__all__ = ["AuditReport", "AuditedPair", "audit"]

_Found: TypeAlias = dict[tuple[str | None, str, str], AuditedPair]
Pairs: TypeAlias = Sequence[tuple[str, str]] | Literal["all"] | None


def audit(
    teacher: Any,
    student: Any,
    y: Any,
    pairs: Pairs = None,
    *,
    checkpoints: Mapping[str, Any] | None = None,
    baseline: Any = None,
    estimator: str | PIDEstimator = "auto",
    quantize: Quantizer | None = None,
    fit_on: Any = "all",
    pool: Pool = "flatten",
    shuffles: int | None = None,
    uncertainty: Method | Sequence[Method] | Literal["auto"] | None = "auto",
    local: bool = False,
    max_memory: int | None = None,
    device: str = "cpu",
    n_jobs: int | None = None,
    seed: int = 0,
    units: Units = "bits",
    resume: PathLike | None = None,
    progress: Callable[[float], None] | None = None,
) -> AuditReport:
    r"""Decompose :math:`I(Y;T,S)` for pairs of a teacher's layer T and a student's layer S.

    Each layer is read and quantised once, then each pair is decomposed. A layer of codes (integers, bools or strings,
    shape (n_samples,)) is taken as it is. The cells of the teacher are the same at every checkpoint of the student.

    Parameters
    ----------
    teacher, student : path, mapping of str to array, or array
        Activations by layer, each of shape (n_samples, ...): arrays, or a file or folder that ``open_layers`` reads.
        Arrays named "ids" and "labels" beside the layers are compared with each other and with ``y``.
    y : path or array, shape (n_samples,), or (n_samples, d_y) of floats
        Labels of the same samples in the same order. Floats that are not all whole are a continuous target: ``Moments``
        of the layers are accumulated in one stream and decomposed by ``gaussian``, which sees linear dependence only.
        There are no cells, shuffles or probes then.
    pairs : sequence of (teacher layer, student layer), "all", or None
        None pairs the layers of equal name, or the only layer of each.
    checkpoints : mapping from name to path, mapping or array, optional
        The student at earlier times, in their order; each has the layers that the pairs name.
    baseline : path, mapping or array, optional
        A student that was not distilled. It shares most of the task information as well, and what the teacher has that
        it lacks says before any training whether this teacher has something to give.
    estimator : str or PIDEstimator, default "auto"
        "auto" is ``posterior`` where a layer is of floats and no ``quantize`` is given: classifiers learn the labels
        from each layer and each pair, and score samples that they have not seen. Otherwise one that decomposes codes,
        or ``kmeans``, which is ``broja`` of the RID paper's cells. Of codes "auto" is ``broja``; of a continuous target
        it is ``gaussian``, whose split between the atoms is corrected for bias up to 300 columns.
    quantize : Quantizer, optional
        How activations become codes; each layer gets a copy of its own. None is ``Quantizer(seed=seed)``.
    fit_on : "all", a fraction, or a path or array of row numbers
        Samples that the cells are fitted on. All, as in the paper, counts the samples that the cells were fitted on,
        and is biased upwards for it; otherwise atoms are counted on the rest.
    pool : {"flatten", "mean"}
        What becomes of further axes: "mean" averages over tokens (n, tokens, features) or places (n, channels, ...).
    shuffles : int, optional
        Audits with shuffled labels for the ``null`` of each result, ``Permutation(n=shuffles)``; 0 leaves it out. None
        is 20, and 2 where classifiers learn each shuffle anew.
    uncertainty : "auto", None, or as for ``decompose``
        Sampling intervals of the atoms, conditional on the codebook: the cells are held fixed. "auto" is
        ``Bootstrap(n=100, bias="shuffle", repeats=10)`` where the estimator is ``broja`` and a table has no more than
        10,000 cells; None leaves them out. ``posterior`` has intervals of its own, of the samples that it scores.
    local : bool, default False
        Keep the atoms of every sample in ``result.local``, where the estimator is ``posterior``.
    max_memory : int, optional
        Bytes of a layer, or a pair of layers, that a process may hold: ``max_memory`` of ``posterior`` or of
        ``quantize``, instead of theirs. What does not fit is read in pieces, as moments always are.
    device : {"cpu", "cuda", "auto"}
        Where classifiers learn; "auto" takes what is there. Codes and moments know the CPU only.
    n_jobs : int, optional
        Processes, as joblib understands it: None is 1 unless ``joblib.parallel_config`` says otherwise, -1 all cores.
        The result is the same for every number.
    seed : int, default 0
    units : {"bits", "nats"}
    resume : path, optional
        A folder that keeps finished layers and pairs. Those whose content and options are unchanged are not done again.
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
    named = _estimator(estimator)
    _check_numbers(pool, shuffles)
    if max_memory is not None:
        check_whole("audit(..., max_memory)", max_memory, 1)
    if uncertainty is not None and uncertainty != "auto":
        try:
            uncertainty = as_methods(uncertainty)
        except InputError as error:
            raise error.at("audit(..., uncertainty)") from None
    stages = _stages(student, checkpoints, baseline)
    layers_t = open_layers(teacher, "audit(teacher)")
    layers_s = {name: open_layers(source, where) for name, (source, where) in stages.items()}
    target = continuous_target(y, "audit(y)")
    named, quantize = _of_the_paper(named, quantize, seed)
    labels, where = read_labels(y, "audit(y)") if target is None else target, _file(y) or "audit(y)"
    if len(np.unique(labels)) == 1:
        raise InputError(where, "at least two classes", f"one class only ({labels[0]})")
    names = _pairs(pairs, layers_t, layers_s[None])
    used: dict[tuple[str, str | None, str], Layer] = {("teacher", None, t): layers_t[t] for t, _ in names}
    for stage, layers in layers_s.items():
        for _, s in names:
            if s not in layers:
                raise UnknownNameError(stages[stage][1], "the layers of the student", s, layers)
            used["student", stage, s] = layers[s]
    of_codes = quantize is not None or all(layer.is_codes for layer in used.values())
    learns = isinstance(named, Posterior) or (named is None and not of_codes)
    chosen = _fitting(named, Gaussian if target is not None else Activations if learns else Codes)
    for layer in used.values():
        if layer.shape[:1] != labels.shape[:1]:
            raise InputError(layer.where, f"{len(labels)} samples, as in {where}", f"shape {layer.shape}")
    _check_rows(
        labels, where, {"teacher": (teacher, "audit(teacher)"), **{s or "student": v for s, v in stages.items()}}
    )
    device = _device(device, chosen)
    job = Job(names, tuple(stages), layers_t, layers_s, pool, seed, units, n_jobs, progress, _text(resume))
    if target is not None:
        refuse_what_is_for_labels(quantize, fit_on, uncertainty)
        found, about = audit_moments(job, target, chosen)
    elif isinstance(chosen, Posterior):
        refuse_what_is_for_cells(quantize, fit_on, uncertainty)
        chosen = chosen if max_memory is None else chosen.with_params(max_memory=max_memory)
        found, about = audit_posteriors(job, used, labels, _file(y), chosen, shuffles, local, device)
    else:
        options = (quantize, fit_on, max_memory, shuffles, uncertainty)
        found, about = audit_cells(job, used, labels, _file(y), chosen, *options)
    if target is None:
        found = _warned(found, about)
    whole = [
        dataclasses.replace(
            found[None, t, s],
            history=tuple(found[stage, t, s] for stage in stages if stage not in (None, BASELINE)),
            baseline=found.get((BASELINE, t, s)),
        )
        for t, s in names
    ]
    provenance = {
        "pidkd": __version__,
        "teacher": _file(teacher),
        "student": _file(student),
        "labels": _file(y),
        "baseline": _file(baseline),
        "checkpoints": {name: _file(source) for name, source in (checkpoints or {}).items()},
        "teachers": list(dict.fromkeys(t for t, _ in names)),
        "students": list(dict.fromkeys(s for _, s in names)),
        "estimator": chosen.name,
        "pool": pool,
        "seed": seed,
        **about.pop("provenance"),
    }
    return AuditReport(
        pairs=tuple(sorted(whole, key=lambda pair: -pair.result.unique_t)),
        units=units,
        seconds=time.perf_counter() - started,
        provenance=provenance,
        **about,
    )


BASELINE = "baseline"
"""The stage of a student that was not distilled."""


def _stages(student: Any, checkpoints: Mapping[str, Any] | None, baseline: Any) -> dict[str | None, tuple[Any, str]]:
    """Each stage of the student with what messages call it, the student itself as None and last."""
    stages: dict[str | None, tuple[Any, str]] = {}
    if baseline is not None:
        stages[BASELINE] = (baseline, "audit(..., baseline)")
    if not isinstance(checkpoints, Mapping | None):
        raise InputError("audit(..., checkpoints)", "a mapping from name to activations", type(checkpoints).__name__)
    for name, source in (checkpoints or {}).items():
        if not isinstance(name, str) or name in ("", BASELINE):
            raise InputError("audit(..., checkpoints)", f"names other than {BASELINE!r}", repr(name))
        stages[name] = (source, f"audit(..., checkpoints[{name!r}])")
    stages[None] = (student, "audit(student)")
    return {name: (source, _file(source) or where) for name, (source, where) in stages.items()}


def _check_rows(labels: Array, where: str, sources: Mapping[str, tuple[Any, str]]) -> None:
    """What lies beside the layers must agree with the labels, and from file to file."""
    ids: Array | None = None
    whose = ""
    for source, place in sources.values():
        place = _file(source) or place
        own = stored(source, place, ("labels", "y"))
        if own is not None and not np.array_equal(own, labels):
            got = f"{len(own)} labels" if len(own) != len(labels) else f"others from row {_first(own, labels)}"
            raise InputError(place, f"the labels of {where} beside the layers", got, "the rows may be misaligned")
        mine = stored(source, place, ("ids",))
        if mine is None:
            continue
        if ids is None:
            ids, whose = mine, place
        elif not np.array_equal(ids, mine):
            if np.array_equal(np.sort(ids), np.sort(mine)):
                raise InputError(place, f"the ids of {whose}", "the same ids in another order", "sort the rows by id")
            got = f"{len(mine)} of them" if len(mine) != len(ids) else f"others from row {_first(mine, ids)}"
            raise InputError(place, f"the ids of {whose}", got)


def _first(a: Array, b: Array) -> int:
    return int(np.flatnonzero(np.asarray(a).astype(str) != np.asarray(b).astype(str))[0])


def _check_numbers(pool: object, shuffles: object) -> None:
    if not isinstance(pool, str) or pool not in ("flatten", "mean"):
        raise InputError("audit(..., pool)", "'flatten' or 'mean'", repr(pool))
    if isinstance(shuffles, bool) or not isinstance(shuffles, int | None) or (shuffles or 0) < 0:
        raise InputError("audit(..., shuffles)", "a whole number >= 0", repr(shuffles))


def _device(device: str, chosen: PIDEstimator) -> str:
    """Where classifiers learn, known to be there before any work is done."""
    check_choice("audit(..., device)", device, ("cpu", "cuda", "auto"))
    if isinstance(chosen, Posterior):
        try:
            return chosen._prepare(Context(device=device)).device
        except InputError as error:
            raise error.at("audit(..., device)") from None
    if device == "cuda":
        got = f"'cuda' with estimator {chosen.name!r}"
        raise InputError("audit(..., device)", "'cpu' or 'auto', for only 'posterior' learns on a device", got)
    return "cpu"


def _tells(result: PIDResult) -> bool:
    """Whether I(Y;T) exceeds that of every shuffle of the labels; where none was made, nobody knows better."""
    for record in (result.provenance or {}).get("uncertainty", ()):
        if record["method"] == "Permutation" and record["of"] == "y":
            usable = record["resamples"] - record["unusable"]
            return bool(record["p_value"]["mi_t"] * (1 + usable) < 1.5)
    return True


def _concerned(pair: AuditedPair, text: str) -> AuditedPair:
    return dataclasses.replace(pair, result=dataclasses.replace(pair.result, warnings=(*pair.result.warnings, text)))


def _estimator(estimator: str | PIDEstimator) -> PIDEstimator | None:
    """The estimator by name, known to be installed before any file is read; None for the one that fits the target."""
    if isinstance(estimator, str):
        if estimator == "auto":
            return None
        estimator = get_estimator(estimator)()
    if not isinstance(estimator, PIDEstimator):
        raise InputError("audit(..., estimator)", "a name or a PIDEstimator", type(estimator).__name__)
    for module, extra in estimator.requires.items():
        import_extra(module, extra, needed_by=f"estimator {estimator.name!r}")
    estimator.check_params()
    return estimator


def _of_the_paper(
    estimator: PIDEstimator | None, quantize: Quantizer | None, seed: int
) -> tuple[PIDEstimator | None, Quantizer | None]:
    """``kmeans`` as what it is: BROJA of codes, with a quantizer of its own."""
    if estimator is None or estimator.name != "kmeans":
        return estimator, quantize
    from pidkd.quantize import Quantizer

    params = estimator.get_params()
    return get_estimator("broja")(tol=params.pop("tol")), quantize or Quantizer(**params, seed=seed)


def _fitting(estimator: PIDEstimator | None, kind: type[Codes] | type[Gaussian] | type[Activations]) -> PIDEstimator:
    """The estimator, where it decomposes what there will be: codes, activations, or of a continuous target moments."""
    chosen: PIDEstimator = get_estimator(AUTO[kind.__name__])() if estimator is None else estimator
    if kind.__name__ not in chosen.accepted_kinds():
        kinds = " or ".join(sorted(chosen.accepted_kinds()))
        expected = "an estimator of codes" if kind is Codes else "an estimator of Gaussian, for y is continuous"
        got = f"{chosen.name!r}, which decomposes {kinds}"
        raise IncompatibleInputError("audit(..., estimator)", expected, got)
    return chosen


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


def _warned(found: _Found, about: Mapping[str, Any]) -> _Found:
    """One warning of each kind, whatever the number of pairs; that no layer tells anything is noted with each."""
    told = any(_tells(pair.result) for pair in found.values())
    few = sum(about["n_samples"] < about["n_classes"] * pair.cells_ts for pair in found.values())
    misaligned = "no layer of the teacher tells more of the labels than of shuffled ones: the rows may be misaligned"
    if not told:
        found = {key: _concerned(pair, misaligned) for key, pair in found.items()}
    loose = sum(pair.result.certificate.status in ("max_iter", "uncertified") for pair in found.values())
    if loose:
        text = f"{loose} of {len(found)} pairs are not certified to the tolerance; see the notes"
        warnings.warn(text, ConvergenceWarning, stacklevel=3)
    if few:
        text = f"{few} of {len(found)} pairs have fewer samples than combinations of class and cells; see the notes"
        warnings.warn(text, SmallSampleWarning, stacklevel=3)
    if not told:
        warnings.warn(misaligned, AlignmentWarning, stacklevel=3)
    return found


def _text(path: PathLike | None) -> str | None:
    return None if path is None else os.fspath(path)


def _file(source: Any) -> str | None:
    """The path as the user wrote it, if it is one."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else None
