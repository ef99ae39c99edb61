"""The contract of a measure of partial information: input, declarations, raw answer, result.

To add a measure, write ``estimators/pid/<name>.py`` with one subclass of ``PIDEstimator`` in it (or name such a class
in the entry-point group ``pidkd.estimators.pid`` of another package). No list is edited anywhere.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import math
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.batch import PIDBatch
from pidkd.by_label import LabelAtoms
from pidkd.errors import (
    ConvergenceWarning,
    InputError,
    Keyword,
    NegativeAtomWarning,
    PidkdError,
    PidkdWarning,
    SmallSampleWarning,
    SolverError,
)
from pidkd.estimator import KEEPABLE, Context, Estimator
from pidkd.info import information, local_of_set, too_few_samples
from pidkd.inputs import Codes, Input
from pidkd.registry import get_estimator, list_estimators
from pidkd.result import NATS_PER, Certificate, Information, PIDResult, Status, Units, check_units

LAWS = {
    "symmetric": "swapping T and S swaps the unique atoms",
    "relabelling": "renaming the values of Y, T or S changes nothing",
    "zero_rows": "values of probability zero change nothing",
    "nonnegative": "no atom is negative",
    "copy": "S a copy of T leaves T nothing unique",
    "constant": "a constant S leaves all of I(Y;T) unique to T",
    "identity": "of Y = (T, S) the redundancy is I(T;S)",
    "independent_identity": "of Y = (T, S) with independent T and S the redundancy is 0",
    "additive": "two independent tables side by side have the sums of their atoms",
}
"""Laws that an estimator may declare; the contract tests run each one that it does."""

SAMPLING_ERRORS = 3
"""Standard errors by which an estimate may fall below zero before it is worth a warning."""


@dataclass(frozen=True)
class Raw:
    r"""Answer of an estimator to its base class, in nats and float64.

    Parameters
    ----------
    unique_t : float
        Uni(Y:T\S), from which the identities give the other atoms.
    information : Information
        I(Y;T), I(Y;S) and I(Y;T,S).
    certificate : Certificate
        In nats.
    interval, se, bias, parts, plan, potentials, local
        As in ``PIDResult``; ``local`` of a table has its shape.
    atoms : mapping, optional
        All four, from an estimator that knows them apart: where information is infinite, the identities give none.
    concerns : sequence of (category, text)
        What a user must be warned of, in the estimator's own words.
    stats : mapping from str to float
        Effort of the solver, as in ``PIDResult``.
    finished_on_cpu : bool
        Whether an accelerator was asked for and left this to the CPU.
    by : tuple of LabelAtoms
        Means by label, where a cross-fitted estimator was asked for them.
    """

    unique_t: float
    information: Information
    certificate: Certificate
    interval: Mapping[str, tuple[float, float]] | None = None
    plan: FloatArray | None = None
    potentials: tuple[FloatArray, FloatArray] | None = None
    local: Mapping[str, FloatArray] | None = None
    se: Mapping[str, float] | None = None
    bias: Mapping[str, float] | None = None
    parts: Mapping[str, Mapping[str, float]] | None = None
    atoms: Mapping[str, float] | None = None
    concerns: Sequence[tuple[type[PidkdWarning], str]] = ()
    stats: Mapping[str, float] = dataclasses.field(default_factory=dict)
    finished_on_cpu: bool = False
    by: tuple[LabelAtoms, ...] = ()


@dataclass(frozen=True)
class RawLattice:
    """Redundancies of all antichains, as a measure hands them to ``decompose_lattice``: nats and float64.

    Parameters
    ----------
    redundancies : array, shape (n_antichains,)
        In the order of ``pidkd.antichains.lattice``.
    parts : mapping from str to array, shape (n_antichains,), optional
        Signed parts whose difference the redundancies are: "informative" and "misinformative".
    local : array, shape (n_antichains, n_y, n_1, ..., n_n), optional
        Pointwise redundancies, where ``keep`` asks for "local".
    status : str
        As of a ``Certificate``.
    message : str
        Limits of the numbers, in words.
    """

    redundancies: FloatArray
    parts: Mapping[str, FloatArray] | None = None
    local: FloatArray | None = None
    status: Status = "exact"
    message: str = "closed form"


@dataclass(frozen=True)
class PIDEstimator(Estimator):
    """A measure of partial information. Subclasses write ``_decompose``; conversion, units and checks are here.

    Class attributes beside those of ``Estimator``: ``measure`` names what is computed, ``certifies`` says whether its
    certificates are two-sided, and ``laws`` names those of ``LAWS`` that hold. A measure that defines a
    redundancy for every antichain of sources writes ``_redundancies``, too.
    """

    kind = "pid"
    measure: ClassVar[str]
    certifies: ClassVar[bool]
    laws: ClassVar[frozenset[str]]
    lattice_hint: ClassVar[str | None] = None
    """What to take instead of a lattice, of a measure that defines no redundancy of antichains."""

    @classmethod
    def has_lattice(cls) -> bool:
        """Whether the measure defines a redundancy for every antichain of sources."""
        return cls._redundancies is not PIDEstimator._redundancies

    def _redundancies(self, p: FloatArray, ctx: Context) -> RawLattice:
        """Redundancy of every antichain, of a table of shape (n_y, n_1, ..., n_n)."""
        raise NotImplementedError(f"{self.name} defines no redundancy of antichains")

    @abc.abstractmethod
    def _decompose(self, data: Any, ctx: Context) -> Raw:
        """Decompose one input of an accepted kind.

        Where there is no finite feasible answer the raw result says so with atoms that are not finite, and the base
        class raises; so one member of a batch cannot stop the others.
        """

    def _decompose_batch(self, data: Sequence[Any], ctx: Context) -> list[Raw]:
        """Decompose many; the default is a loop, in which each member draws what it would draw alone."""
        raws = []
        for item in data:
            raws.append(self._decompose(item, dataclasses.replace(ctx, progress=None)))
            if ctx.progress is not None:
                ctx.progress(len(raws) / len(data))
        return raws

    def decompose(self, data: Input, units: Units = "bits", ctx: Context | None = None) -> PIDResult:
        """Run on one input. ``pidkd.decompose`` is the same with every convenience.

        Raises
        ------
        IncompatibleInputError
            When this estimator does not accept the kind of ``data``.
        SolverError
            When there is no finite feasible answer.
        """
        ctx = ctx or Context()
        check_units(Keyword("decompose", "units"), units)
        ctx = self.prepared(ctx)
        started = time.perf_counter()
        accepted = self._accept(data)
        raw = self._decompose(accepted, ctx)
        result, concerns = self._result(raw, _samples(accepted), units, ctx, time.perf_counter() - started, data)
        if not all(math.isfinite(value) for value in result.atoms.values()) and result.certificate.status != "exact":
            raise SolverError(f"{self.name}: no finite answer; {result.certificate.message}", result)
        for category, text in concerns:
            warnings.warn(text, category, stacklevel=3)
        return result

    def decompose_batch(self, data: Sequence[Input], units: Units = "bits", ctx: Context | None = None) -> PIDBatch:
        """Run on many inputs. No member can fail the others: each carries its own status and warnings.

        Raises
        ------
        InputError
            When a member cannot be used; the message says which.
        """
        ctx = ctx or Context()
        check_units(Keyword("decompose_batch", "units"), units)
        ctx = self.prepared(ctx)
        started = time.perf_counter()
        accepted = []
        for index, item in enumerate(data):
            try:
                accepted.append(self._accept(item))
            except InputError as error:
                raise error.at(f"decompose_batch(data)[{index}]") from None
        raws = self._decompose_batch(accepted, ctx)
        seconds = time.perf_counter() - started
        each = seconds / max(1, len(raws))
        solved = zip(raws, accepted, data, strict=True)
        outcomes = [self._result(raw, _samples(item), units, ctx, each, given) for raw, item, given in solved]
        results = [result for result, _ in outcomes]
        concerned = Counter(category for _, concerns in outcomes for category in {category for category, _ in concerns})
        for category, count in concerned.items():
            text = f"{self.name}: {count} of {len(results)} members carry a {category.__name__}, see result.warnings"
            warnings.warn(text, category, stacklevel=3)
        return PIDBatch(results, seconds, sum(raw.finished_on_cpu for raw in raws))

    def _result(
        self,
        raw: Raw,
        n_samples: int | None,
        units: Units,
        ctx: Context,
        seconds: float,
        data: Input | None = None,
    ) -> tuple[PIDResult, list[tuple[type[PidkdWarning], str]]]:
        """The result in the units of the user, and what the user must be warned of."""
        self._check_kept(raw, ctx)
        redundant = raw.information.t - raw.unique_t
        atoms = raw.atoms or {
            "redundant": redundant,
            "unique_t": raw.unique_t,
            "unique_s": raw.information.s - redundant,
            "synergistic": raw.information.both - raw.information.s - raw.unique_t,
        }
        result = PIDResult(
            redundant=atoms["redundant"],
            unique_t=atoms["unique_t"],
            unique_s=atoms["unique_s"],
            synergistic=atoms["synergistic"],
            information=raw.information,
            units="nats",
            method=self.name,
            params=self.get_params(),
            certificate=raw.certificate,
            n_samples=n_samples,
            seconds=seconds,
            stats=dict(raw.stats),
            interval=raw.interval,
            se=raw.se,
            bias=raw.bias,
            parts=raw.parts,
            plan=raw.plan if "plan" in ctx.keep else None,
            potentials=(*raw.potentials,) if raw.potentials is not None and "potentials" in ctx.keep else None,
            local=_of_rows(raw.local, data) if "local" in ctx.keep else None,
            by=raw.by,
        ).to(units)
        concerns = [*raw.concerns, *self._concerns(result)]
        if data is not None and (few := too_few_samples(data, raw.information.both / NATS_PER["bits"])):
            concerns.append((SmallSampleWarning, few))
        if concerns:
            result = dataclasses.replace(result, warnings=tuple(text for _, text in concerns))
        return result, concerns

    def _check_kept(self, raw: Raw, ctx: Context) -> None:
        """Refuse what was asked for and is not there: nobody shall take None for an answer."""
        has = [name for name in KEEPABLE if getattr(raw, name) is not None]
        for name in ctx.keep:
            if name not in has:
                got = f"{name!r}, which {self.name!r} does not have of this input"
                raise InputError(Keyword("decompose", "keep"), " or ".join(map(repr, has)) or "an empty list", got)

    def _concerns(self, result: PIDResult) -> list[tuple[type[PidkdWarning], str]]:
        """Warnings about a result, with their categories."""
        concerns: list[tuple[type[PidkdWarning], str]] = []
        certificate = result.certificate
        if certificate.status in ("max_iter", "uncertified"):
            gap = f"{certificate.gap:.3g} {result.units}" if math.isfinite(certificate.gap) else "unknown"
            text = f"{self.name}: not certified to its tolerance, gap {gap}; {certificate.message}"
            concerns.append((ConvergenceWarning, text))
        slack = (certificate.gap if math.isfinite(certificate.gap) else 0.0) + 1e-12
        if result.se:  # an estimate from samples falls below zero by chance where nothing is
            slack += SAMPLING_ERRORS * max(result.se.values()) + 1 / (result.n_samples or 1)
        negative = {name: value for name, value in result.atoms.items() if value < -slack}
        if negative and result.parts is None:  # signed parts say what a negative atom consists of
            listed = ", ".join(f"{name} {value:.3g}" for name, value in negative.items())
            beyond = f"{SAMPLING_ERRORS} standard errors" if result.se else "the gap"
            text = f"{self.name}: negative beyond {beyond}: {listed} {result.units}"
            concerns.append((NegativeAtomWarning, text))
        return concerns


def _samples(data: Input) -> int | None:
    """Number of samples of an input; None where it is exact."""
    return getattr(data, "n_samples", None)


def _of_rows(local: Mapping[str, FloatArray] | None, data: Input | None) -> Mapping[str, FloatArray] | None:
    """Local atoms of every row, of labels that were counted into a table."""
    if local is None or not isinstance(data, Codes):
        return local
    return {name: cells[data.cells] for name, cells in local.items()}


def between_raw(known: Information, low: float, high: float, tol: float, how: str) -> Raw:
    """The raw result of a measure whose redundancy is proven to lie from ``low``, which is reported, to ``high``."""
    lower, upper = known.t - max(low, high), known.t - low
    if upper - lower <= tol:
        return Raw(upper, known, Certificate(lower, upper, "optimal", how))
    advice = f"{how}; the interval is proven, for a narrower one raise time_limit or max_rays"
    return Raw(upper, known, Certificate(lower, upper, "bound", advice))


def table_raw(p: FloatArray, redundant: float, local: Mapping[str, FloatArray] | None = None) -> Raw:
    """The raw result of a measure that has its redundancy in closed form, on a table of shape (n_y, n_t, n_s)."""
    known = information(p)
    unique_t = known.t - redundant
    return Raw(unique_t, known, Certificate(unique_t, unique_t, "exact", "closed form"), local=local)


def local_atoms(p: FloatArray, redundant: FloatArray) -> dict[str, FloatArray]:
    """Pointwise atoms from the pointwise redundancy, in nats; NaN at cells of probability zero.

    Parameters
    ----------
    p : array, shape (n_y, n_t, n_s)
    redundant : array that broadcasts to the shape of ``p``
    """
    t, s, both = (local_of_set(p, sources) for sources in (0b01, 0b10, 0b11))
    with np.errstate(invalid="ignore"):
        atoms = {
            "redundant": redundant,
            "unique_t": t - redundant,
            "unique_s": s - redundant,
            "synergistic": both - t - s + redundant,
        }
    return {name: np.where(p > 0, values, np.nan) for name, values in atoms.items()}


def lattice_measures() -> list[str]:
    """Names of the estimators whose measure defines a redundancy for every antichain, of two classes at least.

    Examples
    --------
    >>> "sx" in lattice_measures(), "i_alpha" in lattice_measures()
    (True, False)
    """
    return [name for name in _loadable() if get_estimator(name).has_lattice()]


def _loadable() -> list[str]:
    """Names of the estimators whose packages can be loaded."""
    names = []
    for name in list_estimators():
        with contextlib.suppress(PidkdError):  # asked for by name, a plug-in says why it cannot be loaded
            get_estimator(name)
            names.append(name)
    return names
