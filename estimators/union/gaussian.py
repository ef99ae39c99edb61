"""Union information of jointly Gaussian variables, by the largest ellipsoid below those of the sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.errors import Argument, InputError, Keyword, PidkdWarning, SmallSampleWarning
from pidkd.estimator import Context
from pidkd.estimators.solvers.gaussian.ellipsoids import gaussian_union
from pidkd.estimators.solvers.gaussian.factor import (
    basis,
    covariance_root,
    rank_tolerance,
    residual,
    scatter_root,
    widths,
)
from pidkd.estimators.solvers.gaussian.wishart import information_bias, sample_covariances
from pidkd.inputs.several import NamedGaussian, SourceActivations
from pidkd.parameters import Level, Positive, Whole
from pidkd.result import NATS_PER, Certificate
from pidkd.union import RawUnion, Subset, UnionEstimator


@dataclass(frozen=True)
class UnionGaussian(UnionEstimator):
    r""":math:`I_\cup = \tfrac12\log\det\mathrm{Cov}(Y) - \tfrac12\max\{\log\det C : C\preceq\mathrm{Cov}(Y|X_i)\}`.

    BROJA's union of jointly Gaussian variables, whose optimum is Gaussian. With one column of y it is the largest
    mutual information of a source. Of samples it is that of their second moments, less the bias of a sample covariance.

    Parameters
    ----------
    tol : float, default 1e-9
        Certified gap, in bits, at which the answer counts as optimal.
    debias : {"bootstrap", "none"}
        Of samples: the informations of single sources lose their exact bias, unions the mean excess of sample
        covariances that are drawn from the fitted one.
    n_draws : int, default 50
        Sample covariances that are drawn.
    level : float, default 0.95
        Of the intervals.

    References
    ----------
    venkatesh2023, bertschinger2014

    Examples
    --------
    A scalar target: the best source.

    >>> import numpy as np
    >>> import pidkd
    >>> gains = np.array([1.0, 2.0, 3.0])
    >>> cov = np.block([[np.eye(1), gains[None]], [gains[:, None], np.outer(gains, gains) + np.eye(3)]])
    >>> result = pidkd.union_information(pidkd.Gaussian(cov, dims=(1, 1, 1, 1)))
    >>> print(f"{result.value:.6f} {result.information['x3']:.6f}")
    1.660964 1.660964
    """

    tol: Annotated[float, Positive("a gap in bits")] = 1e-9
    debias: Literal["bootstrap", "none"] = "bootstrap"
    n_draws: Annotated[int, Whole(2)] = 50
    level: Annotated[float, Level()] = 0.95

    name = "gaussian"
    measure = "BROJA's union information of Gaussian variables"
    reference = "venkatesh2023"
    accepts = (NamedGaussian, SourceActivations)
    target = "continuous"
    exactness = "sampled"

    @classmethod
    def takes(cls, data: Any) -> bool:
        """Whether it can be given this input: a covariance, or activations with a continuous target."""
        return isinstance(data, NamedGaussian) or (isinstance(data, SourceActivations) and not data.discrete_target)

    def _solver(self, data: NamedGaussian | SourceActivations, ctx: Context) -> _Covariances:
        if isinstance(data, NamedGaussian):
            root, dims = covariance_root(data.data.cov), list(data.data.dims)
            tolerance = max(data.data.tolerance, 1e-15) ** 0.5
        else:
            if data.groups is not None:
                hint = "keep one row of each group"
                raise InputError(Keyword("union_information", "groups"), "None with 'gaussian'", "groups", hint)
            blocks = [data.y, *data.sources.values()]
            root, dims, tolerance = scatter_root(blocks), widths(blocks), rank_tolerance(blocks)
        edges = np.cumsum([0, *dims])
        y, *sources = (basis(root[:, start:stop], tolerance) for start, stop in pairwise(edges))
        if not y.shape[1]:
            raise InputError(Argument("union_information", "y"), "a target that varies", "a constant one")
        n_samples = data.n_samples
        columns = y.shape[1] + sum(each.shape[1] for each in sources)
        if n_samples is not None and n_samples <= columns:
            expected = f"more samples than the {columns} independent columns of y and the sources"
            where = Argument("union_information", "y, sources")
            raise InputError(where, expected, f"{n_samples}", "reduce the dimensions")
        factors = {name: residual(y, each) for name, each in zip(data.names, sources, strict=True)}
        for name, factor in factors.items():
            if np.linalg.svd(factor, compute_uv=False)[-1] <= tolerance:
                hint = "its information is infinite, and so is the union; decompose(data) splits two such sources"
                raise InputError(
                    Argument("union_information", name), "a source that leaves y uncertain", "one that does not", hint
                )
        joint = residual(y, basis(np.concatenate(sources, axis=1), tolerance))
        whole = np.concatenate([y, *sources], axis=1)
        dims = [y.shape[1], *(each.shape[1] for each in sources)]
        return _Covariances(self, data.names, factors, joint, whole.T @ whole, dims, n_samples, ctx.seed)


@dataclass
class _Covariances:
    """Factors of Cov(Y|X_i) relative to a white Y, and of sample covariances that are drawn from the fitted one."""

    estimator: UnionGaussian
    names: Subset
    factors: dict[str, FloatArray]
    both: FloatArray
    cov: FloatArray
    dims: list[int]
    n_samples: int | None
    seed: int
    draws: list[dict[str, FloatArray]] = field(default_factory=list)
    concerns: list[tuple[type[PidkdWarning], str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.n_samples is None or self.estimator.debias == "none":
            return
        try:
            drawn = sample_covariances(self.cov, self.n_samples, self.estimator.n_draws, self.seed)
            self.draws = [self._conditionals(cov) for some in drawn for cov in some]
        except np.linalg.LinAlgError:
            text = "gaussian: too near to singular to be corrected for bias; these are plug-in values"
            self.concerns.append((SmallSampleWarning, text))

    def _conditionals(self, cov: FloatArray) -> dict[str, FloatArray]:
        """Cov(Y|X_i) relative to a white Y."""
        d_y, edges = self.dims[0], np.cumsum(self.dims)
        white = np.linalg.inv(np.linalg.cholesky(cov[:d_y, :d_y]))
        known = {}
        for name, (start, stop) in zip(self.names, pairwise(edges), strict=True):
            across = white @ cov[:d_y, start:stop]
            left = np.eye(d_y) - across @ np.linalg.solve(cov[start:stop, start:stop], across.T)
            known[name] = (left + left.T) / 2
        return known

    def unions(self, subsets: Sequence[Subset]) -> list[RawUnion]:
        """Each by its own program, and once for each draw."""
        return [self._union(subset) for subset in subsets]

    def _union(self, subset: Subset) -> RawUnion:
        tol = self.estimator.tol * NATS_PER["bits"]
        bounds = gaussian_union([self.factors[name] @ self.factors[name].T for name in subset], tol)
        within = bounds.upper - bounds.lower <= tol
        note = "barrier method, confirmed by a dual point" if within else "too near to singular for closer bounds"
        certificate = Certificate(bounds.lower, bounds.upper, "optimal" if within else "max_iter", note)
        if not self.draws:
            return RawUnion(bounds.upper, certificate, concerns=self.concerns)
        drawn = np.array([gaussian_union([draw[name] for name in subset], 1e-6).upper for draw in self.draws])
        bias = float(drawn.mean()) - bounds.upper
        if len(subset) == 1:
            d_x = self.dims[1 + self.names.index(subset[0])]
            bias = information_bias(int(self.n_samples or 0), d_x, self.dims[0])
        message = f"{note}, of the sample covariance, whose union this bounds; the value is less its bias"
        return RawUnion(
            bounds.upper - bias,
            Certificate(certificate.lower - bias, certificate.upper - bias, certificate.status, message),
            deviations=drawn - drawn.mean(),
            bias=bias,
            concerns=self.concerns,
        )

    def joint(self) -> RawUnion | None:
        """I(Y;X_1..X_n), less its exact bias; None where it is infinite."""
        sign, log = np.linalg.slogdet(self.both)
        if not np.isfinite(log) or sign == 0 or np.linalg.svd(self.both, compute_uv=False)[-1] <= 1e-8:
            return None
        value = -float(log)
        if not self.draws:
            return RawUnion(value, Certificate(value, value, "exact", "closed form"))
        value -= information_bias(int(self.n_samples or 0), sum(self.dims[1:]), self.dims[0])
        return RawUnion(value, Certificate(value, value, "exact", "closed form, less its bias"))
