"""Means and covariances of data that arrive in pieces, or lie in several places."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from pidkd.arrays import FloatArray, as_activations, iter_chunks
from pidkd.errors import InputError
from pidkd.inputs import Gaussian

COLLINEAR = 1e-10
"""Eigenvalues of correlations up to this share of the largest are those of collinear columns."""


class Moments:
    r""":math:`\bar z` and :math:`\sum_i (z_i - \bar z)(z_i - \bar z)^\top` of the joint columns z = (y, t, s).

    In float64, a chunk of rows a time, each centred by itself before it is added, so that neither large means nor many
    samples cost digits. Accumulators of different shards or processes merge.

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> rng = np.random.default_rng(0)
    >>> moments = pidkd.Moments()
    >>> for _ in range(10):
    ...     t = rng.normal(size=(1_000, 2))
    ...     moments.update(t.sum(axis=1) + rng.normal(size=1_000), t, rng.normal(size=(1_000, 3)))
    >>> moments.n_samples, moments.dims
    (10000, (1, 2, 3))
    >>> result = pidkd.decompose(moments.finish())
    >>> print(f"{result.unique_t:.1f}")
    0.8
    """

    def __init__(self) -> None:
        self._n = 0
        self._dims: tuple[int, ...] = ()
        self._mean: FloatArray = np.zeros(0)
        self._scatter: FloatArray = np.zeros((0, 0))

    @property
    def n_samples(self) -> int:
        """Rows seen."""
        return self._n

    @property
    def dims(self) -> tuple[int, ...]:
        """Columns of each block."""
        return self._dims

    @property
    def mean(self) -> FloatArray:
        """Of the joint columns, shape (d,)."""
        return self._mean.copy()

    @property
    def cov(self) -> FloatArray:
        """Unbiased covariance of the joint columns, shape (d, d).

        Raises
        ------
        InputError
            When there are fewer than two samples.
        """
        if self._n < 2:
            raise InputError("Moments.cov", "at least 2 samples", f"{self._n}")
        return self._scatter / (self._n - 1)

    def update(self, *blocks: Any) -> None:
        """Add rows: one array for each variable, shape (n_rows,) or (n_rows, d), of equal lengths.

        Arrays of any kind that ``Activations`` takes; larger ones are read chunk by chunk.

        Raises
        ------
        InputError
            When blocks have unequal lengths or other columns than before, or a value is not finite.
        """
        names = "yts" if len(blocks) == 3 else range(len(blocks))
        checked = [as_activations(f"Moments.update({name})", block) for name, block in zip(names, blocks, strict=True)]
        lengths = {len(block) for block in checked}
        if len(lengths) != 1:
            got = ", ".join(str(len(block)) for block in checked) or "no block"
            raise InputError("Moments.update(y, t, s)", "blocks of equal lengths", got)
        dims = tuple(1 if len(block.shape) == 1 else int(block.shape[1]) for block in checked)
        self._agree("Moments.update(y, t, s)", dims)
        for rows in _rows(checked, dims):
            mean = rows.mean(axis=0)
            rows -= mean
            self._add(len(rows), mean, rows.T @ rows)

    def merge(self, other: Moments) -> Moments:
        """Add what another accumulator has seen, and return this one.

        Raises
        ------
        InputError
            When it is none, or has seen other columns.
        """
        if not isinstance(other, Moments):
            raise InputError("Moments.merge(other)", "Moments", type(other).__name__)
        if other._n:
            self._agree("Moments.merge(other)", other._dims)
            self._add(other._n, other._mean, other._scatter)
        return self

    def finish(self, drop_collinear: bool = False) -> Gaussian:
        """The covariance as input for ``decompose``; it remembers the number of samples.

        Parameters
        ----------
        drop_collinear : bool, default False
            Replace the columns of each block by their principal components, without those that are constant or follow
            from others of the block. Of them no decomposition depends, but a singular block is refused.

        Raises
        ------
        InputError
            When there are not three blocks (y, t, s), no more samples than columns, or a block that is singular.
        """
        if len(self._dims) != 3:
            raise InputError("Moments.finish()", "three blocks (y, t, s)", f"{len(self._dims)}")
        if not drop_collinear:
            d_y, d_t, d_s = self._dims
            return Gaussian(self.cov, dims=(d_y, d_t, d_s), n_samples=self._n)
        from scipy.linalg import block_diag

        cov, edges = self.cov, np.cumsum([0, *self._dims])
        scale = np.sqrt(np.diag(cov))
        # A column that is constant up to rounding would be noise if it were standardised.
        scale = np.where(scale > 1e-12 * np.abs(self._mean), scale, np.inf)
        cov = cov / scale / scale[:, None]
        parts = [_components(cov[i:j, i:j]) for i, j in pairwise(edges)]
        d_y, d_t, d_s = (part.shape[1] for part in parts)
        for name, part in zip("yts", parts, strict=True):
            if not part.shape[1]:
                raise InputError(f"Moments.finish({name})", "columns that vary", "constant ones")
        basis = block_diag(*parts)
        return Gaussian(basis.T @ cov @ basis, dims=(d_y, d_t, d_s), n_samples=self._n)

    def _agree(self, where: str, dims: tuple[int, ...]) -> None:
        if not self._n and not self._dims:
            d = sum(dims)
            self._dims, self._mean, self._scatter = dims, np.zeros(d), np.zeros((d, d))
        if dims != self._dims:
            raise InputError(where, f"blocks with {self._dims} columns, as before", f"{dims}")

    def _add(self, n: int, mean: FloatArray, scatter: FloatArray) -> None:
        step = mean - self._mean
        total = self._n + n
        self._scatter += scatter
        self._scatter += np.outer(step, step * (self._n * (n / total)))
        self._mean = self._mean + step * (n / total)
        self._n = total

    def __repr__(self) -> str:
        return f"Moments(n_samples={self._n}, dims={self._dims})"


def _rows(blocks: Sequence[Any], dims: tuple[int, ...]) -> Any:
    """Chunks of the blocks side by side, in float64."""
    widest = max(range(len(blocks)), key=dims.__getitem__)
    for start, chunk in iter_chunks(blocks[widest]):
        stop = start + len(chunk)
        parts = [next(iter_chunks(block[start:stop]))[1].reshape(stop - start, -1) for block in blocks]
        yield np.concatenate(parts, axis=1, dtype=np.float64)


def _components(correlation: FloatArray) -> FloatArray:
    """White principal components, less those that rounding of a square can make."""
    values, vectors = np.linalg.eigh(correlation)
    kept = values > COLLINEAR * max(values[-1], 0.0)
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]), dtype=np.float64)
