"""BROJA of jointly Gaussian variables, in closed form at any dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.errors import Argument, InputError, PidkdWarning, SmallSampleWarning
from pidkd.estimator import Context
from pidkd.estimators.solvers.gaussian.closed_form import (
    Conditionals,
    Split,
    bracket,
    conditionals,
    decomposed,
    decomposed_singular,
    on_device,
)
from pidkd.estimators.solvers.gaussian.factor import (
    bases,
    conditionals_of,
    covariance_root,
    normal_scores,
    rank_tolerance,
    rows,
    scatter_root,
    widths,
)
from pidkd.estimators.solvers.gaussian.wishart import corrected
from pidkd.inputs import Activations, Gaussian
from pidkd.parameters import Level, Whole
from pidkd.pid import PIDEstimator, Raw
from pidkd.result import ATOMS, NATS_PER, Certificate, Status

Debias = Literal["matching", "bootstrap", "venkatesh", "none"]
Marginals = Literal["as_given", "copula"]
Shrinkage = Literal["none", "oas", "ledoit_wolf"]

Concerns: TypeAlias = Sequence[tuple[type[PidkdWarning], str]]

SQUARED = 1e-10
"""The least share of a variance that a covariance still holds to a few digits."""

DEVICE_BYTES = 2**30
"""Covariances that an accelerator is given at a time."""

TOLERANCE = 1e-9
"""Gap in bits up to which the closed form counts as confirmed by its own bounds."""


@dataclass(frozen=True)
class GaussianBROJA(PIDEstimator):
    r""":math:`\mathrm{Uni}(Y:T\setminus S) = \tfrac12 \sum_j [\log v_j]_+`, v the eigenvalues of Cov(Y|T)^-1 Cov(Y|S).

    BROJA of jointly Gaussian variables: the least :math:`I_q(Y;T|S)` over all q with the same pair marginals, whose
    optimum is Gaussian. Of samples it is the decomposition of their second moments, less the bias that a sample
    covariance has: the informations are corrected exactly, their split between the atoms by parametric bootstrap, and
    where noise then leaves an atom negative, it becomes zero.
    Collinear and constant columns are dropped; what one variable determines of another is infinite information, and
    reported as ``inf``. A target of labels is refused: as numbers they are not Gaussian. ``device="cuda"`` is for
    batches of exact covariances; singular ones and samples are left to the CPU (``PIDBatch.finished_on_cpu``).

    Parameters
    ----------
    debias : {"matching", "bootstrap", "venkatesh", "none"}
        What is done about the bias of samples. ``matching`` finds the covariance, shrunk towards equal channels, whose
        samples have the observed unique information on average; ``bootstrap`` subtracts the mean excess of draws;
        ``venkatesh`` is the rule of the reference, for comparison; ``none`` leaves the plug-in atoms. The first three
        also give ``bias``, ``se`` and ``interval``. An exact covariance needs none.
    n_draws : int
        Sample covariances that are drawn.
    level : float
        Of the interval.
    marginals : {"as_given", "copula"}
        ``copula`` replaces each column of samples by the normal scores of its ranks. Information in tails and in
        symmetric dependence is lost, so the mutual informations are then lower bounds at best.
    shrinkage : {"none", "oas", "ledoit_wolf"}
        Shrinks the correlations of samples towards zero, which allows for fewer samples than variables. It moves
        information between the atoms, often more than the bias that it removes; only with ``debias="none"``.
    confirm : bool
        Whether the closed form is bracketed by a feasible point and a dual one (``certificate``).

    References
    ----------
    venkatesh2023, bertschinger2014

    Examples
    --------
    Two gains on each of two channels:

    >>> import numpy as np
    >>> import pidkd
    >>> h = np.vstack([np.diag([2, 1]), np.diag([1, 2**0.5])])
    >>> cov = np.block([[np.eye(2), h.T], [h, h @ h.T + np.eye(4)]])
    >>> result = pidkd.decompose(pidkd.Gaussian(cov, dims=(2, 2, 2)))
    >>> print(f"{result.redundant:.6f} {result.unique_t:.6f} {result.unique_s:.6f} {result.synergistic:.6f}")
    1.000000 0.660964 0.292481 0.339036
    """

    debias: Debias = "matching"
    n_draws: Annotated[int, Whole(2, 1_000_000)] = 200
    level: Annotated[float, Level()] = 0.95
    marginals: Marginals = "as_given"
    shrinkage: Shrinkage = "none"
    confirm: bool = True

    name = "gaussian"
    measure = "BROJA of Gaussian variables"
    reference = "venkatesh2023"
    accepts = (Gaussian, Activations)
    devices = ("cpu", "cuda")
    target = "continuous"
    certifies = True
    lattice_hint = "BROJA defines no redundancy of antichains; for more sources it has pidkd.union_information"
    laws = frozenset({"symmetric", "nonnegative", "copy", "constant"})
    exactness = "sampled"

    def check_params(self) -> None:
        """Refuse parameters out of range.

        Raises
        ------
        InputError
            The message names the parameter.
        """
        super().check_params()
        if self.shrinkage != "none" and self.debias != "none":
            got = f"debias={self.debias!r} with shrinkage={self.shrinkage!r}"
            raise InputError(self._named("debias"), "'none' where the covariance is shrunk", got)

    def _decompose(self, data: Gaussian | Activations, ctx: Context) -> Raw:
        if isinstance(data, Activations):
            return self._of_samples(data, ctx)
        d_y, d_t, d_s = dims = data.dims
        try:
            known, left = conditionals(data.cov, (d_y, d_t, d_s))
            regular = bool(left > data.tolerance)
        except np.linalg.LinAlgError:
            regular = False
        if not regular:
            # Rounding in a covariance is that of a square; its root is known to the root of the tolerance.
            tolerance = max(data.tolerance, 1e-15) ** 0.5
            factors = bases(covariance_root(data.cov), dims, tolerance)
            return _singular(conditionals_of(factors), tolerance, data.n_samples)
        if data.n_samples is None or self.debias == "none":
            return self._regular(known)
        return self._corrected(known, data.cov, (d_y, d_t, d_s), data.n_samples, ctx)

    def _decompose_batch(self, data: Sequence[Gaussian | Activations], ctx: Context) -> list[Raw]:
        plain = [item for item in data if isinstance(item, Gaussian) and item.n_samples is None]
        if len(plain) < len(data) or len({item.dims for item in plain}) > 1 or not plain:
            return self._one_by_one(data, ctx)
        step = len(plain) if ctx.device == "cpu" else max(1, DEVICE_BYTES // plain[0].cov.nbytes)
        return [raw for i in range(0, len(plain), step) for raw in self._at_once(plain[i : i + step], ctx)]

    def _at_once(self, data: Sequence[Gaussian], ctx: Context) -> list[Raw]:
        d_y, d_t, d_s = data[0].dims
        try:
            covs = on_device(np.stack([item.cov for item in data]), ctx.device)
            known, left = conditionals(covs, (d_y, d_t, d_s))
        except np.linalg.LinAlgError:
            return self._one_by_one(data, ctx)
        regular = np.array(left.tolist()) > [item.tolerance for item in data]
        known = Conditionals(*(factor[regular] for factor in known))
        columns = [*decomposed(known), *(bracket(known) if self.confirm else ())]
        solved = zip(*(column.tolist() for column in columns), strict=True)
        rest = iter(self._one_by_one([item for item, factors in zip(data, regular, strict=True) if not factors], ctx))
        return [_raw(Split(*(row := next(solved))[:7]), row[7:]) if factors else next(rest) for factors in regular]

    def _one_by_one(self, data: Sequence[Gaussian | Activations], ctx: Context) -> list[Raw]:
        raws = super()._decompose_batch(data, ctx)
        return [replace(raw, finished_on_cpu=True) for raw in raws] if ctx.device != "cpu" else raws

    def _of_samples(self, data: Activations, ctx: Context) -> Raw:
        blocks = [getattr(data, name) for name in "yts"]
        tolerance = rank_tolerance(blocks)
        if self.marginals == "copula":
            blocks = [normal_scores(np.concatenate(list(rows([block])))) for block in blocks]
        if self.shrinkage != "none":
            return self._shrunk(blocks)
        n_columns = sum(widths(blocks))
        n_samples = len(blocks[0]) if data.groups is None else int(data.groups.max()) + 1
        factors = bases(scatter_root(blocks), widths(blocks), tolerance)
        d_y, d_t, d_s, both = (basis.shape[1] for basis in factors)
        if not d_y:
            raise InputError(Argument("decompose", "y"), "a target that varies", "a constant one")
        if n_samples <= d_y + both:
            raise InputError(
                Argument("decompose", "y, t, s"),
                f"more {'samples' if data.groups is None else 'groups'} than the {n_columns} columns of y, t and s",
                f"{n_samples}",
                "any such data look deterministic; reduce the dimensions, or name a shrinkage",
            )
        concerns: list[tuple[type[PidkdWarning], str]] = []
        if data.groups is not None and n_samples < len(blocks[0]):
            text = f"gaussian: bias and errors are those of {n_samples} independent samples, one for each group"
            concerns.append((PidkdWarning, text))
        if n_samples < 2 * (d_y + both):
            text = f"gaussian: {n_samples} samples of {d_y + both} independent columns; the atoms are uncertain"
            concerns.append((SmallSampleWarning, text))
        known = conditionals_of(factors)
        if not min(d_t, d_s) or both < d_t + d_s or np.linalg.svd(known.both, compute_uv=False)[-1] <= tolerance:
            return _singular(known, tolerance, n_samples, concerns)
        if self.debias == "none":
            return self._regular(known, concerns)
        columns = np.concatenate(factors[:3], axis=1)
        cov, dims = columns.T @ columns, (d_y, d_t, d_s)
        if not _is_regular(cov, dims):
            text = "gaussian: too near to singular to be corrected for bias; these are plug-in atoms"
            return self._regular(known, [*concerns, (SmallSampleWarning, text)])
        return self._corrected(known, cov, dims, n_samples, ctx, concerns)

    def _shrunk(self, blocks: Sequence[Any]) -> Raw:
        from sklearn.covariance import ledoit_wolf, oas

        whole = np.concatenate(list(rows(blocks)))
        spread = whole.std(axis=0)
        cov, _ = {"oas": oas, "ledoit_wolf": ledoit_wolf}[self.shrinkage](whole / np.where(spread > 0, spread, 1.0))
        d_y, d_t, d_s = widths(blocks)
        known, _ = conditionals(cov, (d_y, d_t, d_s))
        return self._regular(known)

    def _regular(self, known: Conditionals, concerns: Concerns = ()) -> Raw:
        return _raw(decomposed(known), bracket(known) if self.confirm else (), concerns)

    def _corrected(
        self,
        known: Conditionals,
        cov: FloatArray,
        dims: tuple[int, int, int],
        n_samples: int,
        ctx: Context,
        concerns: Concerns = (),
    ) -> Raw:
        """The atoms of a sample covariance without their bias."""
        split, fluctuation = corrected(cov, dims, n_samples, self.debias, self.n_draws, ctx.seed)
        tails = np.quantile(fluctuation, [(1 + self.level) / 2, (1 - self.level) / 2], axis=0)
        low, high = split.atoms - tails
        unique_t = float(split.unique_t)
        note = f"closed form of the sample covariance, then corrected for bias ({self.debias}); see interval"
        return Raw(
            unique_t,
            split.information,
            Certificate(unique_t, unique_t, "exact", note),
            interval={name: (float(low[i]), float(high[i])) for i, name in enumerate(ATOMS)},
            se=_named(fluctuation.std(axis=0, ddof=1)),
            bias=_named(decomposed(known).atoms - split.atoms),
            atoms=_named(split.atoms),
            concerns=concerns,
        )


def _raw(split: Split, bounds: Sequence[Any], concerns: Concerns = ()) -> Raw:
    unique_t = float(split.unique_t)
    certificate = Certificate(unique_t, unique_t, "exact", "closed form")
    if bounds:
        lower, upper = (float(bound) for bound in bounds)
        within = upper - lower <= TOLERANCE * NATS_PER["bits"]
        message = "closed form, confirmed by a feasible point and a dual one"
        if not within:
            message = "the covariance is too near to singular for closer bounds; leave out nearly collinear columns"
        status: Status = "optimal" if within else "max_iter"
        certificate = Certificate(lower, upper, status, message)
    atoms = {
        "redundant": float(split.redundant),
        "unique_t": unique_t,
        "unique_s": float(split.unique_s),
        "synergistic": float(split.synergistic),
    }
    return Raw(unique_t, split.information, certificate, atoms=atoms, concerns=concerns)


def _singular(known: Conditionals, tolerance: float, n_samples: int | None, concerns: Concerns = ()) -> Raw:
    split = decomposed_singular(known, tolerance)
    infinite = [f"I(Y;{name})" for name, value in zip(("T", "S", "T,S"), split[:3], strict=True) if np.isinf(value)]
    message = "closed form of singular covariances" + (", not corrected for bias" if n_samples else "")
    if infinite:
        message += f"; {', '.join(infinite)} infinite: directions of y are determined to within {tolerance:.1g}"
    unique_t = float(split.unique_t)
    certificate = Certificate(unique_t, unique_t, "exact", message)
    return Raw(unique_t, split.information, certificate, atoms=_named(split.atoms), concerns=concerns)


def _is_regular(cov: FloatArray, dims: tuple[int, int, int]) -> bool:
    """Whether sample covariances can be drawn from it, which are formed as squares."""
    try:
        return bool(conditionals(cov, dims)[1] > SQUARED)
    except np.linalg.LinAlgError:
        return False


def _named(values: FloatArray) -> dict[str, float]:
    return dict(zip(ATOMS, map(float, values), strict=True))
