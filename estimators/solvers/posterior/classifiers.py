"""Classifiers of scikit-learn in place of the probes: the user's, or a linear model and a network without torch."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from pidkd.arrays import Array, IntArray
from pidkd.errors import InputError
from pidkd.estimators.solvers.posterior.held_out import Logs
from pidkd.estimators.solvers.posterior.probes import HIDDEN


def classifier_logs(classifiers: list[Any], x: Array, y: IntArray, fold: IntArray) -> Logs:
    """Cross-fitted posteriors by classifiers, of which each fold gets clones."""
    from sklearn.base import clone

    folds = int(fold.max()) + 1
    log_probabilities = np.empty((2, len(classifiers), len(y), int(y.max()) + 1))
    for f in range(folds):
        behind = (fold - f) % folds
        for kind, classifier in enumerate(classifiers):
            model = _fitted(clone(classifier), x[behind > 1], y[behind > 1])
            for role, which in ((0, behind == 1), (1, behind == 0)):
                log_probabilities[role, kind, which] = model.predict_proba(x[which])
    prior = np.bincount(y) / len(y)
    n = int((fold > 1).sum())
    q = n * log_probabilities + prior  # the rule of succession, as in the pool
    return Logs(*np.log(q / q.sum(axis=-1, keepdims=True)))


def _fitted(classifier: Any, x: Array, y: IntArray) -> Any:
    """The classifier, fitted, or its error in one line that names it."""
    try:
        return classifier.fit(x, y)
    except (ValueError, TypeError, ArithmeticError, LookupError, RuntimeError) as error:
        got = f"{type(error).__name__}: {textwrap.shorten(str(error), 160, placeholder='...')}"
        raise InputError(
            "Posterior(classifier)", f"a classifier that learns from {x.shape[0]} rows of {x.shape[1]} columns", got
        ) from error


def standard_classifiers(seed: int) -> list[Any]:
    """Classifiers where torch is not installed: a linear model and a network, as there."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier((HIDDEN,), early_stopping=True, alpha=1e-3, random_state=seed)
    return [LogisticRegression(C=0.1, max_iter=200), network]
