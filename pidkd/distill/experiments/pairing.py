"""Gain of a method over the student without a teacher: differences within seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from scipy.stats import binomtest

BASELINE = "none"
"""The method that others are compared with."""

COMPARED = ("accuracy", "redundant", "unique_t", "unique_s", "synergistic", "mi_s")
"""What is compared: accuracy on the test set, and the atoms there."""


def paired_differences(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    r"""For each method and teacher the mean of :math:`d_i = a_i - b_i` over seeds i, b being the baseline's value.

    Parameters
    ----------
    rows : sequence of mapping
        Those of an experiment.

    Returns
    -------
    list of dict
        "method", "teacher", "teacher_seed", "n" (pairs), and for each key of ``COMPARED`` that both rows have the mean
        difference, under ``key + "_se"`` its standard error, :math:`s / \sqrt n` with s of n - 1 (None for one pair);
        and of accuracy "above", pairs in which the method is above the baseline, and "p", of the two-sided sign test:
        the probability of a split at least as uneven if neither side were favoured; ties are left out.

    Examples
    --------
    >>> rows = [
    ...     {"method": method, "teacher": "trained", "teacher_seed": 0, "seed": seed, "accuracy": accuracy}
    ...     for method, values in {"none": (0.7, 0.8, 0.6), "kd": (0.8, 0.85, 0.7)}.items()
    ...     for seed, accuracy in enumerate(values)
    ... ]
    >>> [entry] = paired_differences(rows)
    >>> entry["n"], entry["above"], round(entry["accuracy"], 4), round(entry["accuracy_se"], 4), entry["p"]
    (3, 3, 0.0833, 0.0167, 0.25)
    """
    baselines = {_key(row, "teacher", "teacher_seed", "seed"): row for row in rows if row["method"] == BASELINE}
    groups: dict[tuple[Any, ...], list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
    for row in rows:
        baseline = baselines.get(_key(row, "teacher", "teacher_seed", "seed"))
        if row["method"] != BASELINE and baseline is not None:
            groups.setdefault(_key(row, "method", "teacher", "teacher_seed"), []).append((row, baseline))
    entries = []
    for key, pairs in groups.items():
        entry: dict[str, Any] = dict(zip(("method", "teacher", "teacher_seed"), key, strict=True)) | {"n": len(pairs)}
        for name in COMPARED:
            values = [a[name] - b[name] for a, b in pairs if None not in (a.get(name), b.get(name))]
            if values:
                entry[name] = fmean(values)
                entry[f"{name}_se"] = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
            if values and name == "accuracy":
                above, below = sum(value > 0 for value in values), sum(value < 0 for value in values)
                entry |= {"above": above, "p": float(binomtest(above, above + below).pvalue) if above + below else 1.0}
        entries.append(entry)
    return entries


def _key(row: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)
