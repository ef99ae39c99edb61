r"""Means of local atoms by label, with standard errors and intervals.

The mean over the samples of a label is a ratio of sums, and it depends on the sample twice: by which samples have the
label, and by the distribution that the local atoms were computed from. Of codes the whole table is estimated, so
samples are drawn again and decomposed anew. A cross-fitted estimator gives means and errors of its own.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from pidkd.arrays import Array, IntArray, as_labels, check_equal_lengths, check_same_rows, is_array
from pidkd.by_label import LabelAtoms
from pidkd.conditional import rows_of
from pidkd.errors import Argument, InputError, Keyword, PidkdWarning
from pidkd.estimator import Context
from pidkd.estimators.solvers.posterior.by_label import means_by_label
from pidkd.inputs import Activations, Codes, Input, Posteriors
from pidkd.pid import PIDEstimator
from pidkd.result import ATOMS, PIDResult, Units
from pidkd.uncertainty import Method, quantify

LEVEL = 0.95
"""Of the intervals of codes."""

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
    kept = dataclasses.replace(ctx, keep=tuple(dict.fromkeys((*ctx.keep, "local"))), by=labels)
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
    means = result.by if estimator.cross_fitted else _resampled_means(estimator, data, result, labels, ctx)
    return dataclasses.replace(result, by=means, local=result.local if keep_local else None)


def _resampled_means(
    estimator: PIDEstimator, data: Any, result: PIDResult, labels: Array, ctx: Context
) -> tuple[LabelAtoms, ...]:
    """Means by label, with errors and bias from samples, or groups of them, drawn with replacement."""
    values, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    means = means_by_label(result.local or {}, codes, sizes)
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
            for name, column in means_by_label(again.local or {}, codes[one], counts).items():
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
