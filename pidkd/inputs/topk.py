"""Posteriors of many classes, of which only the most probable are given: groups of classes, and labels within them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray, as_array, as_numbers
from pidkd.errors import InputError

ROUNDING = 1e-3
"""What the probabilities of a row may sum to above 1, as logarithms of few digits do; they are then renormalised."""

LEAST = 10
"""Labels of a group, at the least: folds must hold some of each."""

LABELS_PER_GROUP = 20
"""No more groups are made than this leaves of labels for each, on average."""

CONFUSED = 10
"""Classes of a row, the most probable ones, of which it is counted which are confused."""


@dataclass(frozen=True)
class Top:
    """The most probable classes of each row, checked."""

    index: IntArray
    """Shape (n, k)."""
    p: FloatArray
    """Probabilities, shape (n, k)."""
    tail: FloatArray
    """Probability of all other classes, shape (n,)."""

    @classmethod
    def of(cls, where: str, given: Any, n: int, n_classes: int) -> Top:
        """From a pair (indices, logprobs), shape (n, k) each.

        Raises
        ------
        InputError
            When it is no such pair.
        """
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise InputError(where, "a pair (indices, logprobs), shape (n_samples, k) each", type(given).__name__)
        index, logs = as_array(f"{where}[0]", given[0]), as_numbers(f"{where}[1]", given[1])
        if index.dtype.kind not in "iu" or index.ndim != 2 or len(index) != n:
            got = f"{index.dtype} of shape {index.shape}"
            raise InputError(f"{where}[0]", f"integers of shape ({n}, k), k classes of each row", got)
        if logs.shape != index.shape:
            raise InputError(f"{where}[1]", f"shape {index.shape}, as the indices have", f"{logs.shape}")
        index = index.astype(np.int64)
        k = index.shape[1]
        wrong = np.argwhere((index < 0) | (index >= n_classes))
        if len(wrong):
            row, column = wrong[0]
            raise InputError(f"{where}[0]", f"classes from 0 to {n_classes - 1}", f"{index[row, column]} in row {row}")
        ordered = np.sort(index, axis=1)
        twice = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if len(twice):
            raise InputError(f"{where}[0]", "different classes in each row", f"one twice in row {twice[0]}")
        with np.errstate(over="ignore"):
            p = np.exp(logs)
            total = p.sum(axis=1)
        off = np.flatnonzero((total > 1 + ROUNDING) | (total <= 0) | ((k == n_classes) & (total < 1 - ROUNDING)))
        if len(off):
            got = f"probabilities with sum {total[off[0]]:.6g} in row {off[0]}"
            hint = "logits are no logarithms of probabilities: take log_softmax over all classes first"
            raise InputError(f"{where}[1]", "natural logarithms of probabilities", got, hint)
        full = (total > 1) | (k == n_classes)
        p[full] /= total[full, None]
        return cls(index, p, np.where(full, 0.0, 1 - total))

    def of_label(self, y: IntArray, n_classes: int) -> tuple[FloatArray, FloatArray]:
        """Probability of each row's label, and what its logarithm may be more: a class of the tail may have all of it.

        A label beyond the top has an equal share of the tail.
        """
        hit = self.index == y[:, None]
        listed = hit.any(axis=1)
        n_tail = max(n_classes - self.index.shape[1], 1)
        share = self.tail / n_tail
        most = np.minimum(self.tail, self.p.min(axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            more = np.where(listed | (share == 0), 0.0, np.log(most / share))
        return np.where(listed, (self.p * hit).sum(axis=1), share), np.maximum(more, 0.0)

    def of_groups(self, group: IntArray) -> FloatArray:
        """Probabilities of groups of classes, shape (n, n_groups)."""
        n, k = self.index.shape
        sizes = np.bincount(group)
        n_groups, n_tail = len(sizes), max(len(group) - k, 1)
        cell = (np.arange(n)[:, None] * n_groups + group[self.index]).ravel()
        p = np.bincount(cell, self.p.ravel(), minlength=n * n_groups).reshape(n, n_groups)
        listed = np.bincount(cell, minlength=n * n_groups).reshape(n, n_groups)
        return np.asarray(p + (self.tail / n_tail)[:, None] * (sizes - listed))


def confused_classes(tops: list[Top], y: IntArray, n_classes: int, n_groups: int) -> IntArray:
    """A group for each class: every class goes with that one of the commonest labels that rows confuse it with most.

    Only posteriors say what is confused. Groups with fewer than ``LEAST`` labels are put together.
    """
    from scipy.sparse import csr_array

    counts = np.bincount(y, minlength=n_classes)
    if n_classes <= n_groups and (counts[counts > 0] >= LEAST).all():
        return np.arange(n_classes)
    n = len(y)
    mass = sum(np.bincount(top.index.ravel(), top.p.ravel(), minlength=n_classes) for top in tops)
    n_seeds = max(1, min(n_groups - 1, n // LABELS_PER_GROUP, n_classes - 1))
    seeds = np.lexsort((-np.asarray(mass), -counts))[:n_seeds]
    parts = []
    for top in tops:
        k = min(CONFUSED, top.index.shape[1])
        best = np.argpartition(-top.p, k - 1, axis=1)[:, :k]
        columns, values = (np.take_along_axis(a, best, axis=1) for a in (top.index, top.p))
        starts = np.arange(0, n * k + 1, k)
        parts.append(csr_array((values.ravel(), columns.ravel(), starts), shape=(n, n_classes)))
    p = sum(parts[1:], parts[0])
    shared = (p.T @ p[:, seeds]).tocsr()
    group = np.full(n_classes, n_seeds)
    with_some = np.flatnonzero(np.diff(shared.indptr))
    group[with_some] = shared[with_some].argmax(axis=1)
    group[seeds] = np.arange(n_seeds)
    size = np.bincount(group[y], minlength=n_seeds + 1)
    return _with_rest(np.where((size < LEAST)[group], n_seeds, group), counts, n_groups)


def _with_rest(group: IntArray, counts: IntArray, n_groups: int) -> IntArray:
    """Groups, of which the last holds what goes with no other: it is dealt out, or joins the smallest of the others."""
    last = int(group.max())
    rest = np.flatnonzero(group == last)
    n_labels, sizes = int(counts[rest].sum()), np.bincount(group, counts, minlength=last + 1)[:last]
    others = np.flatnonzero(sizes)
    if n_labels >= LEAST:
        n_parts = max(1, min(n_groups - len(others), n_labels // LABELS_PER_GROUP))
        labelled = counts[rest] > 0
        for part in (rest[labelled], rest[~labelled]):
            group[part] = last + np.arange(len(part)) % n_parts
    elif len(others):
        group[rest] = others[sizes[others].argmin()]
    return np.unique(group, return_inverse=True)[1]


def within_groups(label: FloatArray, of_group: FloatArray, size: FloatArray, n: int) -> FloatArray:
    """Logarithm of p(y | group, source) of each row, by the rule of succession from equal shares of the group."""
    q = np.divide(label, of_group, out=np.zeros_like(label), where=of_group > 0)
    return np.asarray(np.log((n * np.minimum(q, 1.0) + 1 / size) / (n + 1)))


def grouped(
    tops: list[Top], y: IntArray, n_classes: int, n_groups: int, rows_together: IntArray | None
) -> tuple[IntArray, list[FloatArray], Any, Any]:
    """Group of each row's label, posteriors of groups, and within them that of the label, and what the tail may hide.

    Of two sources a third one is their pool, where classes are put into groups: groups alone do not say enough of it.

    Returns
    -------
    group : array of int, shape (n,)
    posteriors : list of array, shape (n, n_groups) each
    within : array, shape (n, 3), or None where every class is a group of its own
    tail : array, shape (n, n_sources)
    """
    group = confused_classes(tops, y, n_classes, n_groups)
    sizes = np.bincount(group)
    tables = [top.of_groups(group) for top in tops]
    labels = [top.of_label(y, n_classes) for top in tops]
    tail: Array = np.stack([more for _, more in labels], axis=1)
    of_row = group[y]
    if len(sizes) == n_classes:
        return of_row, tables, None, tail
    rows, of_labels = np.arange(len(y)), [p for p, _ in labels]
    if len(tops) == 2:
        from pidkd.inputs.topk_pool import Pool, pooled

        table, p_label = pooled(Pool.of(tops[0], tops[1], n_classes), y, group, rows_together)
        tables.append(table)
        of_labels.append(p_label)
    columns = [
        within_groups(p, table[rows, of_row], sizes[of_row].astype(float), len(y))
        for p, table in zip(of_labels, tables, strict=True)
    ]
    return of_row, tables, np.stack(columns, axis=1), tail
