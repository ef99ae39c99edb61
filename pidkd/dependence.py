"""The verbs of mutual information: estimate it, or score features by it."""

from __future__ import annotations

from typing import Any

import numpy as np

from pidkd.arrays import FloatArray, as_array
from pidkd.errors import Argument, InputError
from pidkd.estimator import Context
from pidkd.mi import MIEstimator, MIResult, as_pairs
from pidkd.registry import get_estimator
from pidkd.result import Units

AUTO = {"DiscretePairs": "plugin", "MixedPairs": "classifier", "ContinuousPairs": "ksg"}
"""The estimator that ``estimator="auto"`` means, by kind of pairs."""


def mutual_information(
    x: Any,
    y: Any,
    *,
    estimator: str | MIEstimator = "auto",
    units: Units = "bits",
    seed: int = 0,
    device: str = "cpu",
    **params: Any,
) -> MIResult:
    r""":math:`I(X;Y) = \mathbb{E} \log \frac{p(x,y)}{p(x)\,p(y)}`.

    Parameters
    ----------
    x, y : arrays, shape (n_samples,) of labels, or (n_samples,) or (n_samples, d) of floats
        Integers, bools and strings are labels, floats are continuous.
    estimator : str or MIEstimator, default "auto"
        A name of ``list_estimators("mi")``, or an estimator with its parameters. "auto" is ``plugin`` for two of
        labels, ``classifier`` for floats with labels, and ``ksg`` for two of floats.
    units : {"bits", "nats"}
    seed : int, default 0
    device : {"cpu", "cuda", "auto"}, default "cpu"
        "cuda" is for the estimators that train a critic; "auto" takes it where it is there.
    **params
        Parameters of the estimator.

    Returns
    -------
    MIResult
        Its ``bound`` says whether the value is a bound.

    Raises
    ------
    InputError
        When data or options cannot be used.

    Examples
    --------
    >>> import pidkd
    >>> pidkd.mutual_information([0, 1, 0, 1], ["a", "b", "a", "b"]).value
    1.0
    """
    data = as_pairs(x, y)
    call = "mutual_information"
    found = MIEstimator.from_name(call, estimator, params, lambda: get_estimator(AUTO[type(data).__name__], "mi"))
    return found.estimate(data, units, Context.of_call(call, seed, device))


def mi_score(x: Any, y: Any, *, estimator: str | MIEstimator = "auto", seed: int = 0, **params: Any) -> FloatArray:
    r""":math:`I(X_j;Y)` of each column j, in bits: a score function for scikit-learn's ``SelectKBest``.

    Parameters
    ----------
    x : array, shape (n_samples, n_features), of floats or labels
    y : array, shape (n_samples,), of labels or floats
    estimator, seed, **params
        As for ``mutual_information``, except that "auto" is ``ksg`` for a column of floats, whatever y, in the variant
        that allows for equal values.

    Returns
    -------
    array, shape (n_features,)

    Raises
    ------
    InputError
        When data or options cannot be used.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.feature_selection import SelectKBest
    >>> import pidkd
    >>> x, y = load_iris(return_X_y=True)
    >>> SelectKBest(pidkd.mi_score, k=2).fit(x, y).get_support().tolist()
    [False, False, True, True]
    """
    columns = as_array(Argument("mi_score", "x"), x)
    if columns.ndim != 2:
        raise InputError(Argument("mi_score", "x"), "shape (n_samples, n_features)", f"{columns.shape}")
    if estimator == "auto" and columns.dtype.kind == "f":
        estimator, params = "ksg", {"variant": "mixture"} | params
    return np.array([mutual_information(x_j, y, estimator=estimator, seed=seed, **params).value for x_j in columns.T])
