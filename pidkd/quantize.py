"""Activations to codes: a named, recorded step, because it changes the answer."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pidkd.arrays import FloatArray, IntArray, as_numbers
from pidkd.errors import InputError, UnknownNameError


class Quantizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    r"""Codes :math:`c(x) = \arg\min_k \lVert W(x - \mu) - m_k \rVert^2`: PCA to few components W, then k-means.

    The procedure of the RID paper, separately for each source. A code is a function of its sample, so with codes and
    centres that were fixed beforehand I(Y;c) <= I(Y;X); at most log2(n_clusters) bits pass. Fitted on the samples
    that are then counted, as here and in the paper, plug-in estimates are biased upwards.

    Parameters
    ----------
    n_components : int or None, default 10
        Principal components to keep; None keeps all. PCA is left out where it would keep all, since a rotation
        changes no distance.
    n_clusters : int, default 10
        Cells.
    normalise : bool, default False
        Scale each sample to unit L2 norm first, as the paper's code does and its text does not say.
    n_init : int, default 10
        Starts of k-means, of which the best is kept.
    seed : int, default 0

    Attributes
    ----------
    record : dict
        After ``fit``: method, sizes, seed, the share of variance kept and the cells used.

    Raises
    ------
    InputError
        When a parameter cannot be used; in ``fit``, when there are fewer distinct samples than clusters, fewer samples
        than components, or values that are not finite.

    References
    ----------
    dissanayake2025, liang2023

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> x = np.repeat(np.eye(3), 4, axis=0)  # three points, each seen four times
    >>> codes = pidkd.Quantizer(n_clusters=3).fit_transform(x)
    >>> codes.shape, len(set(codes))
    ((12,), 3)
    """

    def __init__(
        self,
        n_components: int | None = 10,
        n_clusters: int = 10,
        *,
        normalise: bool = False,
        n_init: int = 10,
        seed: int = 0,
    ) -> None:
        self.n_components = n_components
        self.n_clusters = n_clusters
        self.normalise = normalise
        self.n_init = n_init
        self.seed = seed

    @classmethod
    def from_text(cls, text: str, seed: int = 0) -> Self:
        """A quantizer from the form of the command line, such as ``pca=10,kmeans=30,normalise=true``.

        Raises
        ------
        InputError
            When the text is not of this form.

        Examples
        --------
        >>> Quantizer.from_text("pca=none,kmeans=30")
        Quantizer(n_clusters=30, n_components=None)
        """
        where = "Quantizer.from_text(text)"
        keys = {"pca": "n_components", "kmeans": "n_clusters", "normalise": "normalise", "n_init": "n_init"}
        words = {"none": None, "true": True, "false": False}
        params: dict[str, Any] = {}
        for item in text.split(","):
            key, _, value = (part.strip().lower() for part in item.partition("="))
            if key not in keys:
                raise UnknownNameError(where, "a step", key, keys)
            if value not in words and not value.isdecimal():
                raise InputError(where, f"{key} = a number, true, false or none", repr(item))
            params[keys[key]] = words[value] if value in words else int(value)
        quantizer = cls(**params, seed=seed)
        quantizer._check_params()
        return quantizer

    def fit(self, X: npt.ArrayLike, y: Any = None) -> Self:
        """Find the components and the cells.

        Parameters
        ----------
        X : array, shape (n_samples, ...)
            Every sample is flattened.
        y : ignored

        Returns
        -------
        Quantizer
            Itself.
        """
        self._check_params()
        where = "Quantizer.fit(X)"
        given = _flat(where, X)
        if len(given) < self.n_clusters:
            raise InputError(where, f"at least n_clusters = {self.n_clusters} samples", f"{len(given)}")
        n_features = given.shape[1]
        reduces = self.n_components is not None and self.n_components < n_features
        if reduces and len(given) < int(self.n_components or 0):
            raise InputError(where, f"at least n_components = {self.n_components} samples", f"{len(given)}")
        self.n_features_in_ = n_features
        # A common factor changes no ratio of distances, and a power of two changes no digit; squares stay finite.
        self.exponent_ = int(np.frexp(np.abs(given).max())[1])
        points = self._scaled(given)
        distinct = _distinct_rows(points, enough=self.n_clusters)
        if distinct < self.n_clusters:
            raise InputError(where, f"at least n_clusters = {self.n_clusters} distinct samples", f"{distinct}")
        # The order in which threads add decides the last digit, and the last digit can decide a cell.
        with threadpool_limits(1):
            self.pca_ = None
            if reduces:
                self.pca_ = PCA(self.n_components, random_state=self.seed).fit(points)
                points = self.pca_.transform(points)
            self.kmeans_ = KMeans(self.n_clusters, n_init=self.n_init, random_state=self.seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # cells that stay empty are in the record
                self.kmeans_.fit(points)
        self.n_samples_ = len(given)
        self.cells_used_ = len(np.unique(self.kmeans_.labels_))
        return self

    def transform(self, X: npt.ArrayLike) -> IntArray:
        """The cell of each sample.

        Parameters
        ----------
        X : array, shape (n_samples, ...)

        Returns
        -------
        array of int, shape (n_samples,)
            From 0 to n_clusters - 1.
        """
        check_is_fitted(self)
        where = "Quantizer.transform(X)"
        given = _flat(where, X)
        if given.shape[1] != self.n_features_in_:
            raise InputError(where, f"{self.n_features_in_} features, as in fit", f"{given.shape[1]}")
        points = self._scaled(given)
        with threadpool_limits(1):
            codes = self.kmeans_.predict(points if self.pca_ is None else self.pca_.transform(points))
        return np.asarray(codes, dtype=np.int64)

    @property
    def record(self) -> dict[str, Any]:
        """How the codes came to be, as plain data: goes into the provenance of a result."""
        check_is_fitted(self)
        return {
            "method": "pca+kmeans" if self.pca_ is not None else "kmeans",
            "normalise": self.normalise,
            "n_features": self.n_features_in_,
            "n_components": self.n_features_in_ if self.pca_ is None else self.pca_.n_components_,
            "variance_kept": 1.0 if self.pca_ is None else float(self.pca_.explained_variance_ratio_.sum()),
            "n_clusters": self.n_clusters,
            "cells_used": self.cells_used_,
            "n_init": self.n_init,
            "fitted_on": self.n_samples_,
            "seed": self.seed,
        }

    def _scaled(self, given: FloatArray) -> FloatArray:
        """``given`` itself, scaled in place."""
        np.ldexp(given, -self.exponent_, out=given)
        if self.normalise:
            norms = np.linalg.norm(given, axis=1, keepdims=True)
            given /= np.where(norms == 0.0, 1.0, norms)
            # Samples on one ray are one point again, whatever their last digits.
            np.round(given, 12, out=given)
        return given

    def _check_params(self) -> None:
        least = {"n_components": 1, "n_clusters": 2, "n_init": 1, "seed": 0}
        for name, lowest in least.items():
            value = getattr(self, name)
            if name == "n_components" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
                raise InputError(f"Quantizer({name})", f"a whole number >= {lowest}", repr(value))
        if not isinstance(self.normalise, bool):
            raise InputError("Quantizer(normalise)", "True or False", repr(self.normalise))


def _flat(where: str, X: npt.ArrayLike) -> FloatArray:
    """A checked copy, shape (n_samples, d)."""
    values = as_numbers(where, X)
    if values.ndim == 0:
        raise InputError(where, "shape (n_samples, ...)", "a single number")
    return values.reshape(len(values), -1)


def _distinct_rows(points: FloatArray, enough: int) -> int:
    """Number of different rows, counted no further than ``enough``."""
    seen: set[bytes] = set()
    for row in points:
        seen.add((row + 0.0).tobytes())  # -0.0 equals 0.0, and so must its bytes
        if len(seen) >= enough:
            break
    return len(seen)
