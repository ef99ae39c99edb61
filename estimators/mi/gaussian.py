"""Mutual information of jointly Gaussian variables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.errors import Argument, InputError
from pidkd.estimator import Context
from pidkd.estimators.solvers.gaussian.factor import basis, rank_tolerance, residual, scatter_root, widths
from pidkd.estimators.solvers.gaussian.wishart import information_bias
from pidkd.mi import ContinuousPairs, MIEstimator, RawMI


@dataclass(frozen=True)
class GaussianMI(MIEstimator):
    r""":math:`I(X;Y) = -\tfrac12 \sum_i \log(1 - \rho_i^2)`, the canonical correlations of X and Y.

    Of variables that are not Gaussian it is no bound, but what their linear dependence would be worth if they were.
    Collinear and constant columns are dropped; where X determines a direction of Y, the information is infinite. Given
    floats Z the correlations are those of what a regression on Z leaves over: partial canonical correlations.

    Parameters
    ----------
    debias : bool
        Subtract the bias, which is known exactly for Gaussian samples.

    References
    ----------
    ahmed1989

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 10_000))
    >>> print(f"{pidkd.mutual_information(x, x + noise, estimator='gaussian').value:.1f}")  # half a bit
    0.5
    """

    debias: bool = True

    name = "gaussian"
    measure = "canonical correlations"
    reference = "ahmed1989"
    accepts = (ContinuousPairs,)
    bound = "none"

    def _estimate(self, data: ContinuousPairs, ctx: Context) -> RawMI:
        blocks = [data.y, data.x]
        n_samples, (d_y, d_x) = data.n_samples, widths(blocks)
        tolerance = rank_tolerance(blocks)
        root = scatter_root(blocks)
        y, x = (basis(columns, tolerance) for columns in (root[:, :d_y], root[:, d_y:]))
        rank_y, rank_x = y.shape[1], x.shape[1]
        if n_samples <= rank_x + rank_y:
            hint = "any such data look deterministic; reduce the dimensions first"
            raise InputError(
                Argument("mutual_information", "x, y"),
                f"more samples than the {d_x + d_y} columns of x and y",
                f"{n_samples}",
                hint,
            )
        if not min(rank_x, rank_y):
            return RawMI(0.0)
        uncertain = np.linalg.svd(residual(y, x), compute_uv=False)
        if uncertain[-1] <= tolerance:
            return RawMI(np.inf)
        value = -float(np.log(uncertain).sum())
        se = float(np.sqrt((1 - uncertain**2).sum() / n_samples))
        return RawMI(value - (information_bias(n_samples, rank_x, rank_y) if self.debias else 0.0), se)

    def _estimate_given(self, data: ContinuousPairs, z: FloatArray, ctx: Context) -> RawMI:
        blocks = [data.y, data.x, z]
        n_samples, (d_y, d_x, d_z) = data.n_samples, widths(blocks)
        tolerance = rank_tolerance(blocks)
        root = scatter_root(blocks)
        known = basis(root[:, d_y + d_x :], tolerance)
        # What the directions of z leave over of the rest; twice, for what rounding left in them.
        rest = root[:, : d_y + d_x] - known @ (known.T @ root[:, : d_y + d_x])
        rest -= known @ (known.T @ rest)
        scale = np.linalg.norm(root[:, : d_y + d_x], axis=0)
        rest[:, np.linalg.norm(rest, axis=0) <= tolerance * scale] = 0.0  # z determines these columns
        y, x = (basis(columns, tolerance) for columns in (rest[:, :d_y], rest[:, d_y:]))
        rank_y, rank_x, rank_z = y.shape[1], x.shape[1], known.shape[1]
        if n_samples <= rank_x + rank_y + rank_z:
            expected = f"more samples than the {d_x + d_y + d_z} columns of x, y and given"
            hint = "any such data look deterministic; reduce the dimensions first"
            raise InputError(Argument("mutual_information", "x, y, given"), expected, f"{n_samples}", hint)
        if not min(rank_x, rank_y):
            return RawMI(0.0)
        uncertain = np.linalg.svd(residual(y, x), compute_uv=False)
        if uncertain[-1] <= tolerance:
            return RawMI(np.inf)
        value = -float(np.log(uncertain).sum())
        se = float(np.sqrt((1 - uncertain**2).sum() / n_samples))
        # Residuals of a regression on z have as many degrees of freedom less.
        return RawMI(value - (information_bias(n_samples - rank_z, rank_x, rank_y) if self.debias else 0.0), se)
