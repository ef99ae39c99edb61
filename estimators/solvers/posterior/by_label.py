r"""Means by label of atoms from held-out classifiers, with their errors.

The potentials make the mean over all rows as large as it can be, so that their error changes it little. The mean over
the rows of a label moves with that error, and with the error of the calibration, as much as with the choice of rows. So
what a fold is fitted to is halved at random, and each half is calibrated, fitted and scored by itself: the difference
of the two means is one draw of twice the error that all of these rows have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray
from pidkd.by_label import LabelAtoms
from pidkd.result import ATOMS


class Half(NamedTuple):
    """Means by label of the rows of a half, by what was fitted to them."""

    counts: IntArray
    """Rows of each label."""
    means: Mapping[str, FloatArray]
    """Of each atom, shape (n_labels,)."""

    @classmethod
    def of(cls, codes: IntArray, atoms: Mapping[str, FloatArray], n_labels: int) -> Half:
        """From the label and the atoms of each row."""
        counts = np.bincount(codes, minlength=n_labels)
        return cls(counts, means_by_label(atoms, codes, counts))


def held_out_means(
    local: Mapping[str, FloatArray],
    labels: Array,
    halves: Sequence[tuple[Half, Half]],
    groups: IntArray | None = None,
    level: float = 0.95,
) -> tuple[LabelAtoms, ...]:
    r"""Means by label of atoms from held-out classifiers, most Uni(Y:T\S) first.

    The squared error of a mean is that of :math:`(\mu_1 - \mu_2)/2` on average over the pairs of halves, times the
    share of all rows that a pair has; the interval is Student's with a degree of freedom for each pair. NaN where a
    label has one independent row only, or where no pair has it in both halves.

    Parameters
    ----------
    local : mapping from atom to array, shape (n_samples,)
    labels : array, shape (n_samples,)
    halves : sequence of pairs of Half
        In each pair the halves of the rows that a fold is fitted to; labels in rising order.
    groups : array of int, shape (n_samples,), optional
        Rows that belong together.
    level : float
        Probability that the intervals are meant to cover the true values.
    """
    from scipy.special import stdtrit

    values, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    means = means_by_label(local, codes, sizes)
    errors, freedom = _errors(halves, len(codes))
    entries = []
    for b in np.argsort(-means["unique_t"], kind="stable"):
        units = int(sizes[b]) if groups is None else len(np.unique(groups[codes == b]))
        free = min(int(freedom[b]), units - 1)
        atoms = {name: float(means[name][b]) for name in ATOMS}
        se = {name: float(errors[name][b]) if free > 0 else math.nan for name in ATOMS}
        half = {name: float(stdtrit(max(free, 1), (1 + level) / 2)) * se[name] for name in ATOMS}
        interval = {name: (atoms[name] - half[name], atoms[name] + half[name]) for name in ATOMS}
        entries.append(LabelAtoms(str(values[b]), int(sizes[b]), atoms, se, interval))
    return tuple(entries)


def means_by_label(local: Mapping[str, FloatArray], codes: IntArray, sizes: IntArray) -> dict[str, FloatArray]:
    """Mean of each atom by label; NaN where a label has no rows."""
    with np.errstate(invalid="ignore"):
        return {name: np.bincount(codes, local[name], len(sizes)) / sizes for name in ATOMS}


def _errors(halves: Sequence[tuple[Half, Half]], n: int) -> tuple[dict[str, FloatArray], IntArray]:
    """Standard error of each mean by label, of ``n`` rows in all, and the number of pairs that it comes from."""
    seen = np.array([(one.counts > 0) & (other.counts > 0) for one, other in halves])
    pairs: IntArray = seen.sum(axis=0)
    share = np.array([(one.counts.sum() + other.counts.sum()) / n for one, other in halves])[:, None]
    errors = {}
    with np.errstate(invalid="ignore"):
        for name in ATOMS:
            differences = np.array([one.means[name] - other.means[name] for one, other in halves])
            errors[name] = np.sqrt(np.where(seen, share * differences**2 / 4, 0.0).sum(axis=0) / pairs)
    return errors, pairs
