"""Activations to codes: a named, recorded step, because it changes the answer."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pidkd.arrays import CHUNK_BYTES, FloatArray, IntArray, as_numbers, is_array, iter_chunks
from pidkd.codebooks import Bins, CovariancePCA, batches
from pidkd.errors import InputError, UnknownNameError, quote
from pidkd.parameters import SEED, Parameterised, Whole

METHODS = ("kmeans", "uniform", "quantile")


PASSES = 3
"""Times that mini-batch k-means sees all samples."""

MAX_BINS = 4096
"""Cells that bins may make together."""


class Quantizer(Parameterised, TransformerMixin, BaseEstimator):  # type: ignore[misc]
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
        Cells; for the other methods bins of each component, whose product is the number of cells.
    method : {"kmeans", "uniform", "quantile"}
        Clusters, or bins of equal width, or of equal counts, for sources of few dimensions.
    normalise : bool, default False
        Scale each sample to unit L2 norm first, as the paper's code does and its text does not say.
    n_init : int, default 10
        Starts of k-means, of which the best is kept.
    seed : int, default 0
    max_memory : int, default 2 GiB
        Bytes. Samples that take more, as float64, are read in pieces: the components come from the covariance, or from
        incremental PCA where that is too large, and the cells from mini-batch k-means where what PCA leaves is still
        too large. The record says so.

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
        n_components: Annotated[int, Whole(1)] | None = 10,
        n_clusters: Annotated[int, Whole(2)] = 10,
        *,
        normalise: bool = False,
        n_init: Annotated[int, Whole(1, 1_000)] = 10,
        seed: Annotated[int, SEED] = 0,
        method: Literal["kmeans", "uniform", "quantile"] = "kmeans",
        max_memory: Annotated[int, Whole(1)] = 2**31,
    ) -> None:
        self.n_components = n_components
        self.n_clusters = n_clusters
        self.normalise = normalise
        self.n_init = n_init
        self.seed = seed
        self.method = method
        self.max_memory = max_memory

    @classmethod
    def from_text(cls, text: str, seed: int = 0) -> Self:
        """A quantizer from the form of the command line, such as ``pca=10,kmeans=30`` or ``pca=2,quantile=5``.

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
        keys = {"pca": "n_components", "normalise": "normalise", "n_init": "n_init"}
        keys |= dict.fromkeys(METHODS, "n_clusters")
        words = {"none": None, "true": True, "false": False}
        params: dict[str, Any] = {}
        for item in text.split(","):
            key, _, value = (part.strip().lower() for part in item.partition("="))
            if key not in keys:
                raise UnknownNameError(where, "a step", key, keys)
            if value not in words and not value.isdecimal():
                raise InputError(where, f"{key} = a number, true, false or none", quote(item))
            params[keys[key]] = words[value] if value in words else int(value)
            if key in METHODS:
                params["method"] = key
        quantizer = cls(**params, seed=seed)
        quantizer.check_params()
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
        self.check_params()
        where = "Quantizer.fit(X)"
        self.out_of_core_ = is_array(X) and 8 * math.prod(np.shape(X)) > self.max_memory
        given: Any = X if self.out_of_core_ else _flat(where, X)
        n_samples, n_features = int(given.shape[0]), math.prod(map(int, given.shape[1:]))
        if n_samples < self.n_clusters:
            raise InputError(where, f"at least n_clusters = {self.n_clusters} samples", f"{n_samples}")
        reduces = self.n_components is not None and self.n_components < n_features
        if reduces and n_samples < int(self.n_components or 0):
            raise InputError(where, f"at least n_components = {self.n_components} samples", f"{n_samples}")
        width = int(self.n_components or 0) if reduces else n_features
        if self.method != "kmeans" and self.n_clusters**width > MAX_BINS:
            got = f"{self.n_clusters} bins of each of {width} components"
            raise InputError(where, f"at most {MAX_BINS} cells", got, "keep fewer components, or use kmeans")
        self.n_features_in_ = n_features
        # A common factor changes no ratio of distances, and a power of two changes no digit; squares stay finite.
        largest = max(max(piece.max(), -piece.min()) for piece in _pieces(where, given, self._piece_bytes()))
        self.exponent_ = int(np.frexp(float(largest))[1])
        # The order in which threads add decides the last digit, and the last digit can decide a cell.
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # cells that stay empty are in the record
            if self.out_of_core_:
                self._fit_pieces(where, given, width, reduces)
            else:
                points = self._scaled(given)
                if (distinct := _distinct_rows(points, enough=self.n_clusters)) < self.n_clusters:
                    raise InputError(where, f"at least n_clusters = {self.n_clusters} distinct samples", f"{distinct}")
                self.pca_ = PCA(self.n_components, random_state=self.seed).fit(points) if reduces else None
                self.cells_ = self._cells().fit(points if self.pca_ is None else self.pca_.transform(points))
        self.n_samples_ = n_samples
        self.cells_used_ = (
            len(np.unique(self.transform(X))) if self.out_of_core_ else len(np.unique(self.cells_.labels_))
        )
        return self

    def _fit_pieces(self, where: str, given: Any, width: int, reduces: bool) -> None:
        """The same for what does not fit into memory: components first, then cells."""
        n_samples, n_features = int(given.shape[0]), self.n_features_in_
        self.pca_ = None
        if reduces:
            pieces = map(self._scaled, _pieces(where, given, self._piece_bytes()))
            if 8 * n_features**2 <= self.max_memory // 4:
                self.pca_ = CovariancePCA(width).fit(pieces)
            else:
                self.pca_ = IncrementalPCA(width)
                for batch in batches(pieces, at_least=5 * width):
                    self.pca_.partial_fit(batch)
        step = math.ceil(8 * n_samples * width / (self.max_memory // 4 + 1))
        if step > 1 and self.method != "kmeans":
            hint = "raise max_memory, or keep fewer components"
            raise InputError(where, f"components of {self.max_memory // 4} bytes", f"{8 * n_samples * width}", hint)
        some = np.concatenate([piece[::step] for piece in self._reduced(where, given)])
        if (distinct := _distinct_rows(some, enough=self.n_clusters)) < self.n_clusters:
            raise InputError(where, f"at least n_clusters = {self.n_clusters} distinct samples", f"{distinct}")
        self.cells_ = self._cells().fit(some)
        if step > 1:
            # From the best of several starts on some samples, on to all of them.
            start = self.cells_.cluster_centers_
            self.cells_ = MiniBatchKMeans(self.n_clusters, init=start, n_init=1, random_state=self.seed)
            for _ in range(PASSES):
                for batch in batches(self._reduced(where, given), at_least=10 * self.n_clusters):
                    self.cells_.partial_fit(batch)

    def _cells(self) -> Any:
        if self.method == "kmeans":
            return KMeans(self.n_clusters, n_init=self.n_init, random_state=self.seed)
        return Bins(self.n_clusters, self.method)

    def _reduced(self, where: str, given: Any) -> Iterator[FloatArray]:
        for piece in _pieces(where, given, self._piece_bytes()):
            points = self._scaled(piece)
            yield points if self.pca_ is None else self.pca_.transform(points)

    def _piece_bytes(self) -> int:
        """A piece is copied a few times on its way."""
        return max(1, min(CHUNK_BYTES, self.max_memory // 16))

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
        given: Any = X if is_array(X) else _flat(where, X)
        if not given.shape or (found := math.prod(map(int, given.shape[1:]))) != self.n_features_in_:
            got = f"{found}" if given.shape else "a single number"
            raise InputError(where, f"{self.n_features_in_} features, as in fit", got)
        with threadpool_limits(1):
            codes = [self.cells_.predict(points) for points in self._reduced(where, given)]
        return np.concatenate(codes).astype(np.int64)

    @property
    def record(self) -> dict[str, Any]:
        """Provenance of the codes, as plain data."""
        check_is_fitted(self)
        return {
            "method": f"pca+{self.method}" if self.pca_ is not None else self.method,
            "normalise": self.normalise,
            "n_features": self.n_features_in_,
            "n_components": self.n_features_in_ if self.pca_ is None else self.pca_.n_components_,
            "variance_kept": 1.0 if self.pca_ is None else float(self.pca_.explained_variance_ratio_.sum()),
            "n_clusters": self.n_clusters,
            "cells_used": self.cells_used_,
            "n_init": self.n_init,
            "fitted_on": self.n_samples_,
            "out_of_core": self._switch(),
            "seed": self.seed,
        }

    def _switch(self) -> str | None:
        """Deviations from the exact algorithms because the samples exceed the memory."""
        if not self.out_of_core_:
            return None
        names = {CovariancePCA: "PCA from the covariance", IncrementalPCA: "incremental PCA"}
        steps = [] if self.pca_ is None else [names[type(self.pca_)]]
        steps += ["mini-batch k-means"] if isinstance(self.cells_, MiniBatchKMeans) else []
        return ", ".join(steps) or "read in pieces"

    def _scaled(self, given: FloatArray) -> FloatArray:
        """``given`` itself, scaled in place."""
        np.ldexp(given, -self.exponent_, out=given)
        if self.normalise:
            norms = np.linalg.norm(given, axis=1, keepdims=True)
            given /= np.where(norms == 0.0, 1.0, norms)
            # Samples on one ray are one point again, whatever their last digits.
            np.round(given, 12, out=given)
        return given


def _pieces(where: str, values: Any, n_bytes: int) -> Iterator[FloatArray]:
    """Checked copies of the rows, shape (n, d) each."""
    for start, chunk in iter_chunks(values, where, n_bytes):
        try:
            yield _flat(where, chunk)
        except InputError as error:
            raise error.at(f"{where}, rows from {start}") from error


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
