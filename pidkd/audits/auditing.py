"""The audit: what teacher and student know about the labels, layer by layer, from saved activations."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pidkd.audits.engine import engine_for, named_estimator
from pidkd.audits.ensembles import unions_of
from pidkd.audits.options import AuditOptions
from pidkd.audits.plan import AuditPlan, Pairs
from pidkd.audits.reliability import warn_of_limits, with_alignment, with_notes
from pidkd.audits.report import AuditReport
from pidkd.audits.run import run
from pidkd.audits.samples import open_images
from pidkd.errors import Keyword, SmallSampleWarning
from pidkd.files.layer import Pool
from pidkd.inputs.activations import Target
from pidkd.pid import PIDEstimator
from pidkd.result import Units
from pidkd.runs.output import PathLike, as_path, check_folder
from pidkd.uncertainty import Method

if TYPE_CHECKING:
    from pidkd.quantize import Quantizer


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
    pool: Pool | Literal["auto"] = "auto",
    shuffles: int | None = None,
    uncertainty: Method | Sequence[Method] | Literal["auto"] | None = "auto",
    local: bool = False,
    by: Any = None,
    images: Any = None,
    max_memory: int | None = None,
    device: str = "cpu",
    n_jobs: int | None = None,
    seed: int = 0,
    units: Units = "bits",
    groups: Any = None,
    target: Target = "auto",
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
        Several teachers are a mapping from name to any of these but bare arrays: their layers are ``name/layer``, and
        ``report.ensembles`` has what each of them adds for the student.
        Arrays named "ids" and "labels" beside the layers are compared with each other and with ``y``. From "logits" or
        "predictions" beside them the report has the accuracy and the answers of the network.
    y : path or array, shape (n_samples,), or (n_samples, d_y) of floats
        Labels of the same samples in the same order. Floats are a continuous target: ``Moments`` of the layers are
        accumulated in one stream and decomposed by ``gaussian``, which sees linear dependence only. There are no cells,
        shuffles or probes then.
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
    pool : {"auto", "flatten", "mean"}
        What becomes of further axes: "mean" averages over tokens (n, tokens, features) or places (n, channels, ...),
        "flatten" makes a column of each of their entries. "auto" takes the mean of what ``capture`` has noted as
        tokens, and flattens all else. The report says which, as it can decide the answer.
    shuffles : int, optional
        Audits with shuffled labels for the ``null`` of each result, ``Permutation(n=shuffles)``; 0 leaves it out. None
        is 20, and 2 where classifiers learn each shuffle anew.
    uncertainty : "auto", None, or as for ``decompose``
        Sampling intervals of the atoms, conditional on the codebook: the cells are held fixed. "auto" is
        ``Bootstrap(n=100, bias="shuffle", repeats=10)`` where the estimator is ``broja`` and a table has no more than
        10,000 cells; None leaves them out. ``posterior`` has intervals of its own, of the samples that it scores.
    local : bool, default False
        Keep the atoms of every sample in ``result.local``, where the estimator gives them, as ``posterior`` does.
    by : path or array of labels, shape (n_samples,), optional
        The atoms of the samples of each label, such as a domain, for each pair: ``by_class``, a table of the report and
        ``by.csv``. None is the class, where the estimator has the atoms of every sample anyway, as ``posterior`` does.
    images : path or array, shape (n_samples, height, width), (n_samples, height, width, channels) or channels first
        Images of the samples. The report shows those with most left to learn, with label and both networks' answers.
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
    groups : path or array of labels, shape (n_samples,), optional
        Samples that belong together, such as views of one image, tokens of one sentence or trials of one subject. Only
        groups are independent: they stay in one fold, are shuffled and drawn as a whole, and errors count them.
        Samples that repeat others exactly in all layers, and samples of one id, are such groups without being asked; a
        warning says so.
    target : {"auto", "discrete", "continuous"}
        What y is. "auto" goes by its type: integers, bools and strings are labels, floats are continuous, and floats
        that hold whole numbers only are refused.
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
    options = AuditOptions(
        quantize,
        fit_on,
        pool,
        shuffles,
        uncertainty,
        local,
        images is not None,
        max_memory,
        device=device,
        seed=seed,
        units=units,
        target=target,
    )
    if resume is not None:
        check_folder(as_path(Keyword("audit", "resume"), resume))
    named = named_estimator(estimator)
    plan = AuditPlan.of(teacher, student, y, pairs, checkpoints, baseline, max_memory, groups, target)
    plan = plan.with_by(by)
    engine = engine_for(named, plan, options)
    engine.check(options)
    if named is None and quantize is None:
        plan.check_not_codes()
    plan = plan.with_repeats()
    engine.prepare(plan)
    pictures = None if images is None else open_images(images, len(plan.target))
    readings, measured = run(engine, plan, n_jobs, None if resume is None else os.fspath(resume), progress)
    results = with_notes(measured if plan.continuous else with_alignment(measured), plan.notes)
    unions = unions_of(plan, engine, readings, results, n_jobs)
    report = AuditReport.of(plan, engine, readings, results, unions, time.perf_counter() - started, pictures)
    if not plan.continuous:
        warn_of_limits(report)
    for note in plan.notes:
        warnings.warn(f"audit: {note}", SmallSampleWarning, stacklevel=2)
    return report
