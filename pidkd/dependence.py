"""The verbs of mutual information: estimate it, or score features by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pidkd.arrays import FloatArray, as_array, check_same_rows
from pidkd.conditional import information_given
from pidkd.errors import Argument, InputError
from pidkd.estimator import Context
from pidkd.inputs.activations import Target
from pidkd.mi import DiscretePairs, MIEstimator, MIResult, as_pairs, refuse_codes
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
    groups: Any = None,
    target: Target = "auto",
    given: Any = None,
    **params: Any,
) -> MIResult:
    r""":math:`I(X;Y) = \mathbb{E} \log \frac{p(x,y)}{p(x)\,p(y)}`, or :math:`I(X;Y|Z)` given z.

    Parameters
    ----------
    x, y : arrays, shape (n_samples,) of labels, or (n_samples,) or (n_samples, d) of floats
        Integers, bools and strings are labels, floats are continuous. One column of floats that holds whole numbers
        only is refused, but by ``ksg`` in the variant "mixture", to which it is all the same.
    estimator : str or MIEstimator, default "auto"
        A name of ``list_estimators("mi")``, or an estimator with its parameters. "auto" is ``plugin`` for two of
        labels, ``classifier`` for floats with labels, and ``ksg`` for two of floats.
    units : {"bits", "nats"}
    seed : int, default 0
    device : {"cpu", "cuda", "auto"}, default "cpu"
        "cuda" is for the estimators that train a critic; "auto" takes it where it is there.
    groups : array of labels, shape (n_samples,), optional
        Rows that belong together, such as views of one image or tokens of one sentence; only groups are independent.
        They stay in one fold, and errors count them. Estimators that know of no groups are given one row of each group,
        ten times. Rows that repeat others exactly are such groups without being asked, and a warning says so.
    target : {"auto", "discrete", "continuous"}
        What y is: ages, counts and prices are integers and can be continuous.
    given : array, shape (n_samples,) of labels, or (n_samples,) or (n_samples, d) of floats, optional
        The variable Z of I(X;Y|Z). Given labels any estimator applies to the rows of each label; floats are for
        ``gaussian``, ``ksg`` and ``classifier``. Lagged arrays make it transfer entropy.
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
    >>> round(pidkd.mutual_information([0, 1] * 20, ["a", "b"] * 20).value, 12)
    1.0
    >>> x, y, z = [0, 1, 1, 0] * 50, [0, 0, 1, 1] * 50, [0, 1, 0, 1] * 50  # X = Y xor Z
    >>> round(pidkd.mutual_information(x, y, given=z).value, 12)
    1.0
    """
    call = "mutual_information"
    check_same_rows(Argument(call, "x, y"), x=x, y=y, given=given)
    data = as_pairs(x, y, target, groups)
    chosen = MIEstimator.from_name(call, estimator, params, lambda: get_estimator(AUTO[type(data).__name__], "mi"))
    if not chosen.allows_ties:
        refuse_codes(x, y, target)
    ctx = Context.of_call(call, seed, device)
    return chosen.estimate(data, units, ctx) if given is None else information_given(chosen, data, given, units, ctx)


def mi_score(
    x: Any,
    y: Any,
    *,
    estimator: str | MIEstimator = "auto",
    seed: int = 0,
    target: Target = "auto",
    **params: Any,
) -> FloatArray:
    r""":math:`I(X_j;Y)` of each column j, in bits: a score function for scikit-learn's ``SelectKBest``.

    Parameters
    ----------
    x : array or data frame, shape (n_samples, n_features)
        Each column by its own type: floats are continuous, everything else is labels.
    y : array, shape (n_samples,), of labels or floats, or (n_samples, d) of floats
    estimator, seed, target, **params
        As for ``mutual_information``, except that "auto" is ``plugin`` for two of labels and ``ksg`` for everything
        else, in the variant that allows for equal values, so that whole numbers need no explanation.

    Returns
    -------
    array, shape (n_features,)

    Raises
    ------
    InputError
        When data or options cannot be used; the message names the column.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.feature_selection import SelectKBest
    >>> import pidkd
    >>> x, y = load_iris(return_X_y=True)
    >>> SelectKBest(pidkd.mi_score, k=2).fit(x, y).get_support().tolist()
    [False, False, True, True]
    """
    check_same_rows(Argument("mi_score", "x, y"), x=x, y=y)
    y = as_array(Argument("mi_score", "y"), y)
    scores = []
    for name, column in _columns(x):
        where = f"mi_score(x), column {name!r}"
        try:
            chosen, given = estimator, params
            if estimator == "auto":
                discrete = isinstance(as_pairs(column, y, target), DiscretePairs)
                chosen, given = ("plugin", params) if discrete else ("ksg", {"variant": "mixture"} | params)
            result = mutual_information(column, y, estimator=chosen, seed=seed, target=target, **given)
        except InputError as error:
            about_y = "(y)" in error.where
            raise error.at(Argument("mi_score", "y") if about_y else where) from None
        scores.append(result.value)
    return np.array(scores)


def _columns(x: Any) -> Iterator[tuple[Any, Any]]:
    """Name and values of each column; of an array the names are numbers."""
    if hasattr(x, "columns") and hasattr(x, "shape"):
        for j, name in enumerate(x.columns):
            column = x.iloc[:, j] if hasattr(x, "iloc") else x[name]
            yield name, as_array(f"mi_score(x), column {name!r}", column)
        return
    values = as_array(Argument("mi_score", "x"), x)
    if values.ndim != 2:
        raise InputError(Argument("mi_score", "x"), "shape (n_samples, n_features)", f"{values.shape}")
    yield from enumerate(values.T)
