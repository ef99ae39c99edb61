"""A lower bound of mutual information with labels, from any classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from pidkd.arrays import FloatArray, as_array
from pidkd.errors import Argument, PidkdWarning
from pidkd.estimator import Context
from pidkd.estimators.solvers.posterior.folds import split
from pidkd.groups import half_width, standard_error
from pidkd.mi import MIEstimator, MixedPairs, RawMI
from pidkd.parameters import Level, Whole, With


@dataclass(frozen=True)
class ClassifierMI(MIEstimator):
    r""":math:`I(X;Y) \ge H(Y) + \mathbb{E}\log q(y|x)`, q any classifier (Barber and Agakov).

    Every sample is scored by a classifier that was fitted to the other folds. What the classifier misses lowers the
    value, and nothing raises it but chance, which ``interval`` is about; H(Y) is that of the labels' frequencies. A
    classifier that gives probability 0 to a label that occurs bounds nothing: the value is ``-inf``, with a warning.
    Given floats it is :math:`I(X,Z;Y) - I(Z;Y)`, the difference of two such bounds in the same folds, and no bound.

    Parameters
    ----------
    classifier : scikit-learn classifier with ``predict_proba``, optional
        Default: logistic regression of standardised columns, which sees linear boundaries only.
    n_folds : int
    level : float
        Of the interval.

    References
    ----------
    barber2003

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> y = np.arange(500) % 2
    >>> x = y + np.random.default_rng(0).normal(size=500)
    >>> result = pidkd.mutual_information(x, y)
    >>> print(f"at least {result.value:.1f} {result.units}")
    at least 0.2 bits
    """

    classifier: Annotated[Any, With("predict_proba", "a scikit-learn classifier")] | None = None
    n_folds: Annotated[int, Whole(2)] = 5
    level: Annotated[float, Level()] = 0.95

    name = "classifier"
    measure = "held-out cross entropy of a classifier"
    reference = "barber2003"
    accepts = (MixedPairs,)
    bound = "lower"
    respects_groups = True
    exactness = "sampled"

    def _estimate(self, data: MixedPairs, ctx: Context) -> RawMI:
        from sklearn.base import clone
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        values, labels = np.unique(data.y, return_inverse=True)
        sizes = np.bincount(labels)
        x = as_array(Argument("mutual_information", "x"), data.x).reshape(data.n_samples, -1)
        local = np.zeros(data.n_samples)
        if len(values) > 1:
            model = self.classifier
            if model is None:
                model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            fold = split(
                np.asarray(data.y), self.n_folds, ctx.seed, data.groups, Argument("mutual_information", "x, y")
            )
            for f in range(self.n_folds):
                fitted, scored = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
                probability = clone(model).fit(x[fitted], labels[fitted]).predict_proba(x[scored])
                with np.errstate(divide="ignore"):
                    local[scored] = np.log(probability[np.arange(len(scored)), labels[scored]])
            local -= np.log(sizes / len(labels))[labels]
        if impossible := int((~np.isfinite(local)).sum()):
            text = f"classifier: it rules out the labels of {impossible} of {len(local)} samples, so it bounds nothing"
            advice = "take one that is less sure, or calibrate it"
            return RawMI(-np.inf, concerns=[(PidkdWarning, f"{text}; {advice}")])
        value, se = float(local.mean()), standard_error(local, data.groups)
        half = half_width(self.level, data.groups) * se
        return RawMI(value, se, (value - half, value + half), local=local)

    def _estimate_given(self, data: MixedPairs, z: FloatArray, ctx: Context) -> RawMI:
        x = as_array(Argument("mutual_information", "x"), data.x).reshape(data.n_samples, -1)
        both, alone = (
            self._estimate(MixedPairs(values, data.y, data.groups), ctx)
            for values in (np.concatenate([x, z], axis=1), z)
        )
        if both.local is None or alone.local is None:
            return both if both.local is None else alone
        local = both.local - alone.local
        value, se = float(local.mean()), standard_error(local, data.groups)
        half = half_width(self.level, data.groups) * se
        return RawMI(value, se, (value - half, value + half))
