r"""Means of local atoms by label, with standard errors and intervals.

The mean over the samples of a label is a ratio of sums, and it depends on the sample twice: by which samples have the
label, and by the distribution that the local atoms were computed from. Held-out classifiers are taken as they are, so
only :math:`-\log p(y)` in Red is left of the second; it enters by its influence function. Of codes the whole table is
estimated, so samples are drawn again and decomposed anew.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray, as_labels, check_equal_lengths, check_same_rows, is_array
from pidkd.by_label import LabelAtoms
from pidkd.conditional import rows_of
from pidkd.errors import Argument, InputError, Keyword, PidkdWarning
from pidkd.estimator import Context
from pidkd.inputs import Activations, Codes, Input, Posteriors
from pidkd.pid import PIDEstimator
from pidkd.result import ATOMS, PIDResult, Units
from pidkd.uncertainty import Method, quantify

LEVEL = 0.95
"""Of the intervals, where the estimator has no level of its own."""

DRAWS = 100
"""Samples drawn again for the errors of codes."""

TOGETHER = 25
"""Of them, this many are decomposed at once."""


def as_by(call: str, by: Any, data: Input) -> Array:
    """Labels of ``by=``, one for each row of the data.

    Raises
    ------
    InputError
        When the data have no rows, or ``by`` is no label for each.
    """
    where = Keyword(call, "by")
    if not isinstance(data, Codes | Activations | Posteriors):
        raise InputError(where, "samples, one row each", f"a {type(data).__name__}", "bring the rows of the samples")
    labels = as_labels(where, by)
    check_equal_lengths(where, samples=data.n_samples, by=len(labels))
    return labels


def check_order(call: str, by: Any, **arrays: Any) -> None:
    """Refuse labels whose rows have the names of the data in another order."""
    if by is not None:
        named = {name: one for name, one in arrays.items() if is_array(one)}
        check_same_rows(Argument(call, "y, t, s, by"), by=by, **named)


def decompose_by(
    estimator: PIDEstimator,
    data: Any,
    labels: Array,
    uncertainty: Method | Sequence[Method] | None,
    units: Units,
    ctx: Context,
    keep_local: bool,
) -> PIDResult:
    """The decomposition with the means of its local atoms by label.

    Raises
    ------
    InputError
        When the estimator has no local atoms of these data.
    """
    kept = dataclasses.replace(ctx, keep=tuple(dict.fromkeys((*ctx.keep, "local"))))
    try:
        if uncertainty is None:
            result = estimator.decompose(data, units, kept)
        else:
            result = quantify(estimator, data, uncertainty, units, kept)
    except InputError as error:
        if keep_local or error.where != Keyword("decompose", "keep"):
            raise
        where = Keyword("decompose", "by")
        hint = "of codes 'broja', 'sx', 'i_min' and 'mmi' have them, of activations 'posterior' and 'kmeans'"
        raise InputError(where, "an estimator with local atoms of such data", repr(estimator.name), hint) from None
    local = {name: np.asarray((result.local or {})[name]) for name in ATOMS}
    level = float(result.params.get("level", LEVEL)) if estimator.cross_fitted else LEVEL
    if estimator.cross_fitted:
        means = held_out_means(local, labels, np.asarray(data.y), data.groups, level)
    else:
        means = _resampled_means(estimator, data, result, labels, ctx)
    return dataclasses.replace(result, by=means, local=result.local if keep_local else None)


def held_out_means(
    local: Mapping[str, FloatArray], labels: Array, y: Array, groups: IntArray | None = None, level: float = LEVEL
) -> tuple[LabelAtoms, ...]:
    r"""Means by label of atoms from held-out classifiers, most Uni(Y:T\S) first.

    Parameters
    ----------
    local : mapping from atom to array, shape (n_samples,)
    labels : array, shape (n_samples,)
    y : array, shape (n_samples,)
        The target, whose prior is estimated from the same samples.
    groups : array of int, shape (n_samples,), optional
        Rows that belong together.
    level : float
        Probability that the intervals are meant to cover the true values.
    """
    from scipy.special import stdtrit

    values, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    classes = np.unique(y, return_inverse=True)[1]
    prior = np.bincount(classes) / len(classes)
    means = _means(local, codes, sizes)
    entries = []
    for b in np.argsort(-means["unique_t"], kind="stable"):
        rows = codes == b
        units = int(sizes[b]) if groups is None else len(np.unique(groups[rows]))
        # d E[-log p(y)|b] / dp: what a sample of class y takes from, and adds to, all others of the label.
        surprise = 1 - (np.bincount(classes[rows], minlength=len(prior)) / sizes[b] / prior)[classes]
        atoms, se, interval = {}, {}, {}
        for name in ATOMS:
            atoms[name] = float(means[name][b])
            influence = np.where(rows, (local[name] - atoms[name]) * (len(codes) / sizes[b]), 0.0)
            if name == "redundant":
                influence = influence + surprise
            if groups is not None:
                influence = np.bincount(groups, weights=influence)
            error = float(np.sqrt((influence**2).sum())) / len(codes)
            se[name] = error * math.sqrt(units / (units - 1)) if units > 1 else math.nan
            half = float(stdtrit(max(units - 1, 1), (1 + level) / 2)) * se[name]
            interval[name] = (atoms[name] - half, atoms[name] + half)
        entries.append(LabelAtoms(str(values[b]), int(sizes[b]), atoms, se, interval))
    return tuple(entries)


def _means(local: Mapping[str, FloatArray], codes: IntArray, sizes: IntArray) -> dict[str, FloatArray]:
    """Mean of each atom by label; NaN where a label has no rows."""
    with np.errstate(invalid="ignore"):
        return {name: np.bincount(codes, local[name], len(sizes)) / sizes for name in ATOMS}


def _resampled_means(
    estimator: PIDEstimator, data: Any, result: PIDResult, labels: Array, ctx: Context
) -> tuple[LabelAtoms, ...]:
    """Means by label, with errors and bias from samples, or groups of them, drawn with replacement."""
    values, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    means = _means(result.local or {}, codes, sizes)
    drawn = {name: np.empty((DRAWS, len(values))) for name in ATOMS}
    rows = _drawn_rows(data, np.random.default_rng((ctx.seed, *b"by")))
    inner = dataclasses.replace(ctx, keep=("local",), progress=None)
    for start in range(0, DRAWS, TOGETHER):
        taken = rows[start : start + TOGETHER]
        members = [rows_of(dataclasses.replace(data, groups=None), one) for one in taken]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PidkdWarning)
            batch = estimator.decompose_batch(members, result.units, inner)
        for place, (one, again) in enumerate(zip(taken, batch, strict=True), start):
            counts = np.bincount(codes[one], minlength=len(values))
            for name, column in _means(again.local or {}, codes[one], counts).items():
                drawn[name][place] = column
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a label of one row is in few draws or none
        se = {name: np.nanstd(draws, axis=0, ddof=1) for name, draws in drawn.items()}
        bias = {name: np.nanmean(draws, axis=0) - means[name] for name, draws in drawn.items()}
    return tuple(
        LabelAtoms(
            str(values[b]),
            int(sizes[b]),
            {name: float(means[name][b]) for name in ATOMS},
            {name: float(se[name][b]) for name in ATOMS},
            {name: _around(means[name][b] - bias[name][b], se[name][b]) for name in ATOMS},
        )
        for b in np.argsort(-means["unique_t"], kind="stable")
    )


def _drawn_rows(data: Any, rng: np.random.Generator) -> list[IntArray]:
    """Rows of each sample drawn again."""
    if data.groups is None:
        return [rng.integers(data.n_samples, size=data.n_samples) for _ in range(DRAWS)]
    members = np.split(np.argsort(data.groups, kind="stable"), np.cumsum(np.bincount(data.groups))[:-1])
    drawn = (rng.integers(len(members), size=len(members)) for _ in range(DRAWS))
    return [np.concatenate([members[group] for group in groups]) for groups in drawn]


def _around(centre: float, se: float) -> tuple[float, float]:
    from scipy.special import ndtri

    half = float(ndtri((1 + LEVEL) / 2)) * float(se)
    return float(centre) - half, float(centre) + half
