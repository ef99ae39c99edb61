"""Mutual information by scipy, scikit-learn and infomeasure: mi-<package>-<method>."""

from __future__ import annotations

from typing import Any

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.benchmarks.peers import MIPeer, Peer, Solves
from pidkd.errors import InputError, import_extra
from pidkd.mi import ContinuousPairs, DiscretePairs, MixedPairs

MEASURE = "mutual information"


def estimators() -> dict[str, MIPeer]:
    """Each method at its defaults, for the pairs that it takes."""
    return {
        "mi-scipy-counts": MIPeer(_scipy_counts, Solves((DiscretePairs,), MEASURE)),
        "mi-sklearn-counts": MIPeer(_sklearn_counts, Solves((DiscretePairs,), MEASURE)),
        "mi-sklearn-neighbours": MIPeer(_sklearn_neighbours, Solves((ContinuousPairs, MixedPairs), MEASURE)),
        "mi-infomeasure-ksg": MIPeer(_infomeasure_ksg, Solves((ContinuousPairs,), MEASURE)),
    }


def _scipy_counts(data: DiscretePairs) -> float:
    from scipy.stats import entropy
    from scipy.stats.contingency import crosstab

    counts = crosstab(np.asarray(data.x), np.asarray(data.y)).count
    return float(entropy(counts.sum(axis=0)) + entropy(counts.sum(axis=1)) - entropy(counts.ravel()))


def _sklearn_counts(data: DiscretePairs) -> float:
    from sklearn.metrics import mutual_info_score

    return float(mutual_info_score(np.asarray(data.x), np.asarray(data.y)))


def _sklearn_neighbours(data: Any) -> float:
    """Of one variable with one variable, or with labels: it knows no more."""
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    x = _columns(data.x)
    y = np.asarray(data.y)
    if x.shape[1] > 1 or y.size != len(y):
        raise InputError("bench", "one column on each side", f"{x.shape[1]} and {y.size // len(y)}")
    estimate = mutual_info_classif if isinstance(data, MixedPairs) else mutual_info_regression
    return float(estimate(x, y.ravel(), random_state=0)[0])


def _infomeasure_ksg(data: ContinuousPairs) -> float:
    infomeasure = import_extra("infomeasure", "bench", needed_by="peer 'mi-infomeasure-ksg'")
    return float(infomeasure.mutual_information(_columns(data.x), _columns(data.y), approach="ksg", k=3, base="e"))


def _columns(values: Any) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    return array.reshape(len(array), -1)


PEER = Peer("mi-", estimators)
