"""Covariances of jointly Gaussian variables, checked at the border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pidkd.arrays import (
    FloatArray,
    as_numbers,
    read_only,
)
from pidkd.errors import InputError, quote
from pidkd.parameters import is_integer, is_number

ASYMMETRY_TOLERANCE = 1e-8
"""How far a correlation may be from its mirror image, and beyond one, as estimates in lower precision are."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    r"""A jointly Gaussian (Y, T, S), or a Y with any sources, by its covariance in that order.

    Parameters
    ----------
    cov : array, shape (d, d), d = d_y + d_t + d_s
        Symmetric, positive semidefinite; the blocks of Y and of each source positive definite.
    dims : tuple of int, (d_y, d_t, d_s), or (d_y, d_1, .., d_n)
    tolerance : float, default 1e-12
        Eigenvalues of the correlation matrix, whole or of one block, are compared with this multiple of the largest.
    n_samples : int, optional
        Number of samples that the covariance was estimated from; None for an exact one.

    Raises
    ------
    InputError
        When ``cov`` is none of this; an indefinite one is named by its smallest eigenvalue.
    """

    cov: FloatArray
    dims: tuple[int, ...]
    tolerance: float = 1e-12
    n_samples: int | None = None

    def __post_init__(self) -> None:
        where = "Gaussian(cov, dims)"
        cov = as_numbers(where, self.cov)
        if cov.ndim != 2 or cov.shape[0] != cov.shape[1]:
            raise InputError(where, "a square covariance", f"shape {cov.shape}")
        dims = tuple(self.dims) if isinstance(self.dims, tuple | list) else ()
        if len(dims) < 3 or not all(is_integer(d) and d >= 1 for d in dims) or sum(dims) != len(cov):
            raise InputError(where, f"dims >= 1 (d_y, d_t, d_s) with sum {len(cov)}", f"{self.dims}")
        if not (is_number(self.tolerance) and 0 <= self.tolerance < 1):
            raise InputError("Gaussian(tolerance)", "a number from 0 up to 1", f"{self.tolerance}")
        if self.n_samples is not None and not (is_integer(self.n_samples) and self.n_samples > len(cov)):
            raise InputError(
                "Gaussian(n_samples)",
                f"None, or a whole number > {len(cov)}, the number of variables",
                quote(self.n_samples),
                "with fewer samples than that every information is infinite: reduce the dimensions first",
            )
        object.__setattr__(self, "dims", tuple(int(d) for d in dims))
        variances = np.diag(cov)
        if not (variances > 0).all():
            at = int(np.argmin(variances))
            hint = "remove constant columns" if variances[at] == 0 else None
            raise InputError(where, "positive variances", f"{variances[at]:.6g} at ({at}, {at})", hint)
        # Correlations, so that nothing depends on the units of the columns.
        scale = np.sqrt(variances)
        with np.errstate(over="ignore", invalid="ignore"):
            correlation = cov / scale / scale[:, None]
            asymmetry = float(np.abs(correlation - correlation.T).max())
        if not asymmetry <= ASYMMETRY_TOLERANCE:
            got = f"correlations that differ from their mirror by {asymmetry:.3g}"
            raise InputError(where, "a symmetric covariance", got)
        largest = float(np.abs(correlation).max())
        if not largest <= 1 + ASYMMETRY_TOLERANCE:
            raise InputError(where, "a positive semidefinite covariance", f"a correlation of {largest:.6g}")
        object.__setattr__(self, "cov", read_only(cov / 2 + cov.T / 2))
        if _is_definite((correlation + correlation.T) / 2, self.tolerance):
            return  # and so is each block, since its eigenvalues lie between those of the whole
        spectrum = np.linalg.eigvalsh((correlation + correlation.T) / 2)
        if spectrum[0] < -self.tolerance * spectrum[-1]:
            got = f"correlations with smallest eigenvalue {spectrum[0]:.6g}"
            raise InputError(where, "a positive semidefinite covariance", got)
        start = 0
        names = "yts" if len(dims) == 3 else ["y", *(f"x{i + 1}" for i in range(len(dims) - 1))]
        for name, dim in zip(names, dims, strict=True):
            block = np.linalg.eigvalsh(correlation[start : start + dim, start : start + dim])
            if block[0] <= self.tolerance * block[-1]:
                got = f"correlations with smallest eigenvalue {block[0]:.6g}"
                raise InputError(f"{where}, block of {name}", "positive definite", got, "remove collinear columns")
            start += dim

    @classmethod
    def stack(cls, covs: npt.ArrayLike, dims: tuple[int, ...], tolerance: float = 1e-12) -> list[Gaussian]:
        """Many covariances at once, each checked as if it stood alone.

        Parameters
        ----------
        covs : array, shape (n_batch, d, d)
        dims, tolerance
            As for one.

        Raises
        ------
        InputError
            When one cannot be used; the message says which.
        """
        where = "Gaussian.stack(covs, dims)"
        stack = as_numbers(where, covs)
        if stack.ndim != 3 or stack.shape[1] != stack.shape[2]:
            raise InputError(where, "shape (n_batch, d, d)", f"{stack.shape}")
        members = []
        try:
            members.append(cls(stack[0], dims, tolerance))  # checks what all share
            variances = np.diagonal(stack, axis1=1, axis2=2)
            with np.errstate(divide="ignore", invalid="ignore"):
                scale = np.sqrt(variances)
                correlations = stack / scale[:, None, :] / scale[:, :, None]
                mirrored = np.abs(correlations - correlations.swapaxes(1, 2)).max(axis=(1, 2)) <= ASYMMETRY_TOLERANCE
            checked = mirrored.all() and _is_definite(correlations, tolerance)
            symmetric = read_only(stack / 2 + stack.swapaxes(1, 2) / 2)
            for cov in symmetric[1:] if checked else ():
                member = object.__new__(cls)
                member.__dict__.update(members[0].__dict__, cov=cov)
                members.append(member)
            for cov in () if checked else stack[1:]:
                members.append(cls(cov, dims, tolerance))
        except InputError as error:
            raise error.at(f"covs[{len(members)}]") from None
        return members

    @property
    def n_sources(self) -> int:
        """Number of blocks besides that of y."""
        return len(self.dims) - 1

    def __repr__(self) -> str:
        samples = "" if self.n_samples is None else f", n_samples={self.n_samples}"
        return f"Gaussian(dims={self.dims}{samples})"


def _is_definite(matrices: FloatArray, tolerance: float) -> bool:
    """Whether the eigenvalues of each matrix certainly exceed this multiple of the largest."""
    size = matrices.shape[-1]
    margin = tolerance * np.abs(matrices).sum(axis=-1).max(axis=-1)
    try:
        np.linalg.cholesky(matrices - margin[..., None, None] * np.eye(size))
    except np.linalg.LinAlgError:
        return False
    return bool(np.isfinite(margin).all())
