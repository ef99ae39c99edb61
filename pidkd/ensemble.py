"""The verbs of several sources: what they know together, and what each of them adds."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from pidkd.arrays import IntArray
from pidkd.contribution_result import ContributionResult, Quantity, Step
from pidkd.errors import InputError, Keyword, PidkdWarning, UnknownNameError
from pidkd.estimator import Context
from pidkd.inputs.several import Kind, NamedGaussian, PairTables, Several, SourceActivations, as_several
from pidkd.registry import get_estimator
from pidkd.result import Units, check_units
from pidkd.uncertainty.bootstrap import Bootstrap
from pidkd.uncertainty.unions import ResampledUnions, UnionsOfRows, rows_by_label
from pidkd.union import RawUnion, Subset, UnionEstimator, UnionSolver
from pidkd.union_result import UnionResult

MAX_SUBSETS = 1024
"""Unions beyond those of single sources, pairs, greedy steps and leave-one-out that a call may ask for."""
SHARED = 5
"""Sources up to which Shapley shares, whose subsets are 2^n, are computed unasked."""


def union_information(
    y: Any,
    sources: Any = None,
    *,
    kind: Kind = "auto",
    estimator: str | UnionEstimator = "auto",
    units: Units = "bits",
    seed: int = 0,
    device: str = "cpu",
    keep: Sequence[str] = (),
    progress: Callable[[float], None] | None = None,
    uncertainty: Bootstrap | None = None,
    groups: Any = None,
    **params: Any,
) -> UnionResult:
    r""":math:`I_\cup(Y;X_1,\dots,X_n) = \min \{ I_Q(Y;X_1,\dots,X_n) : Q(y,x_i) = P(y,x_i)\ \forall i \}`.

    Parameters
    ----------
    y : array, shape (n_samples,) or (n_samples, d_y)
        The target. Instead of samples, one ``Pmf`` ``p[y, x_1, .., x_n]``, one ``Gaussian``, or pair tables
        ``p[y, x_i]``, by name or as a list, go in alone.
    sources : mapping from name to array, or sequence of arrays
        Two sources or more: labels, shape (n_samples,), floats, shape (n_samples, d), or class probabilities. With a
        ``Pmf`` or a ``Gaussian``, the names of its sources.
    kind : {"auto", "codes", "activations", "posteriors"}
        What arrays are; "auto" takes floats for activations. Class probabilities must be named so.
    estimator : str or UnionEstimator, default "auto"
        A name of ``list_estimators("union")``. "auto" is ``broja`` for tables and codes, ``posterior`` for activations
        with labels and for posteriors, ``gaussian`` for covariances and activations with a continuous target.
    units : {"bits", "nats"}
    seed : int, default 0
    device : {"cpu", "cuda", "auto"}
    keep : sequence of {"plan", "potentials"}
        What the result shall carry besides, where the estimator has it.
    progress : callable, optional
        Called with the fraction done.
    uncertainty : Bootstrap, optional
        Of codes and counts: standard errors and normal intervals from samples drawn with replacement, the same for
        every union, so that those of differences are paired. The upward bias of counting stays in the values.
        ``posterior`` and ``gaussian`` have intervals of their own.
    groups : array of labels, shape (n_samples,), optional
        Samples that belong together, such as views of one image: they are drawn, or fitted to and scored, together.
    **params
        Parameters of the estimator.

    Returns
    -------
    UnionResult

    Raises
    ------
    InputError
        When data or options cannot be used.

    Examples
    --------
    Each source knows one bit of the target:

    >>> import pidkd
    >>> y, a, b = [0, 1, 2, 3] * 50, [0, 0, 1, 1] * 50, [0, 1, 0, 1] * 50
    >>> print(f"{pidkd.union_information(y, {'a': a, 'b': b}).value:.6f}")
    2.000000
    """
    settings = kind, estimator, units, seed, device, keep, progress, uncertainty, groups, params
    session = UnionSession.of_call("union_information", y, sources, *settings)
    names = session.names
    raw = session.raw(names)
    joint = session.solver.joint()
    result = UnionResult(
        value=raw.value,
        sources=names,
        information={name: session.raw((name,)).value for name in names},
        mi=None if joint is None else joint.value,
        units="nats",
        method=session.estimator.name,
        params=session.estimator.get_params(),
        certificate=raw.certificate,
        n_samples=session.n_samples,
        seconds=time.perf_counter() - session.started,
        warnings=session.warn(),
        stats=dict(raw.stats),
        interval=session.quantity({names: 1.0}).interval,
        se=session.quantity({names: 1.0}).se,
        bias=raw.bias,
        plan=raw.plan if "plan" in session.ctx.keep else None,
        potentials=dict(zip(names, raw.potentials, strict=True))
        if raw.potentials is not None and "potentials" in session.ctx.keep
        else None,
    )
    return result.to(units)


def contributions(
    y: Any,
    sources: Any = None,
    *,
    given: str | None = None,
    subsets: Iterable[Iterable[str]] = (),
    shapley: bool | None = None,
    kind: Kind = "auto",
    estimator: str | UnionEstimator = "auto",
    units: Units = "bits",
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[float], None] | None = None,
    uncertainty: Bootstrap | None = None,
    groups: Any = None,
    by: Any = None,
    **params: Any,
) -> ContributionResult:
    r"""Contribution of each source: :math:`I_\cup(all) - I_\cup(all \setminus i)`, and more of the kind.

    Parameters
    ----------
    y, sources, kind, estimator, units, seed, device, progress, uncertainty, groups, **params
        As for ``union_information``.
    given : str, optional
        The source against which the others are held, such as the student; the others are then what could be added.
    subsets : iterable of iterables of names, optional
        Further unions to report, at most 1,024.
    shapley : bool, optional
        Whether to divide the union fairly: the mean gain of a source over all orders. It takes the union of every
        subset, 2^n; None does so for at most 5 sources, and no call does for more than 1,024 subsets.
    by : array of labels, shape (n_samples,), optional
        Of samples: the same for the rows of each label, such as each class, in ``result.by``. These are means of what
        the potentials say of single rows; they average to the whole, and where the optimum is not unique they are one
        choice among many. No bound is known of them.

    Returns
    -------
    ContributionResult

    Raises
    ------
    InputError
        When data or options cannot be used.

    Examples
    --------
    >>> import pidkd
    >>> y, high, low = [0, 1, 2, 3] * 50, [0, 0, 1, 1] * 50, [0, 1, 0, 1] * 50
    >>> sources = {"student": high, "copy": high, "other": low}
    >>> result = pidkd.contributions(y, sources, given="student")
    >>> [(step.source, round(step.gain.value, 6)) for step in result.order]
    [('other', 1.0), ('copy', 0.0)]
    """
    call, keep = "contributions", () if by is None else ("local",)
    settings = kind, estimator, units, seed, device, keep, progress, uncertainty, groups, params
    session = UnionSession.of_call(call, y, sources, *settings)
    parts = {} if by is None else rows_by_label(call, session.data, by, session.estimator.name)
    result = contributions_of(session, given, subsets, shapley)
    if by is not None:
        slices = ((label, session.of_rows(*rows)) for label, rows in parts.items())
        named = {label: contributions_of(one, given, subsets, shapley) for label, one in slices}
        result = dataclasses.replace(result, by=named)
    return result.to(units)


def contributions_of(
    session: UnionSession,
    given: str | None = None,
    subsets: Iterable[Iterable[str]] = (),
    shapley: bool | None = None,
) -> ContributionResult:
    """Contributions of the sources of a session, in nats; parameters as those of ``contributions``."""
    call, everything = "contributions", session.names
    if given is not None and given not in everything:
        raise UnknownNameError(Keyword(call, "given"), "a source", given, everything)
    start: Subset = () if given is None else (given,)
    names = tuple(name for name in everything if name != given)
    asked = _asked(call, subsets, everything)
    coalitions = _coalitions(call, shapley, names, start)
    singles = [(name,) for name in everything]
    pairs = list(itertools.combinations(everything, 2))
    without = {name: tuple(other for other in everything if other != name) for name in names}
    session.solve([*singles, *pairs, everything, *without.values(), *asked, *coalitions])
    total, q = {everything: 1.0}, session.quantity
    joint = session.solver.joint()
    return ContributionResult(
        sources=names,
        given=given,
        union=q(total),
        remaining=None if given is None else q({everything: 1.0, start: -1.0}),
        information={name: q({(name,): 1.0}) for name in everything},
        unique={name: q({everything: 1.0, rest: -1.0}) for name, rest in without.items()},
        without={name: q({rest: 1.0}) for name, rest in without.items()},
        against=None
        if given is None
        else {name: q({session.sorted({name, given}): 1.0, start: -1.0}) for name in names},
        shapley=_shapley(session, names, start) if coalitions else None,
        order=tuple(_greedy(session, names, start)),
        pairs={one: {other: q({session.sorted({one, other}): 1.0}) for other in everything} for one in everything},
        subsets={", ".join(subset): q({subset: 1.0}) for subset in asked},
        synergy=None if joint is None else session.combined([(1.0, joint), (-1.0, session.raw(everything))]),
        units="nats",
        method=session.estimator.name,
        params=session.estimator.get_params(),
        n_samples=session.n_samples,
        seconds=time.perf_counter() - session.started,
        warnings=session.warn(),
    )


def _asked(call: str, subsets: Iterable[Iterable[str]], names: Subset) -> list[Subset]:
    asked = []
    for subset in subsets:
        wanted = {subset} if isinstance(subset, str) else set(subset)
        for name in wanted:
            if name not in names:
                raise UnknownNameError(Keyword(call, "subsets"), "a source", name, names)
        asked.append(tuple(name for name in names if name in wanted))
    if len(asked) > MAX_SUBSETS:
        raise InputError(Keyword(call, "subsets"), f"at most {MAX_SUBSETS}", f"{len(asked)}")
    return asked


def _coalitions(call: str, shapley: bool | None, names: Subset, start: Subset) -> list[Subset]:
    """All subsets of the names, each with those of the start, where Shapley shares are wanted."""
    if shapley is None:
        shapley = len(names) <= SHARED
    if not shapley:
        return []
    if 2 ** len(names) > MAX_SUBSETS:
        got = f"{len(names)} sources, whose subsets are {2 ** len(names)}"
        hint = "unique, the greedy order and given subsets need no more than n^2"
        raise InputError(Keyword(call, "shapley"), f"at most {MAX_SUBSETS} subsets", got, hint)
    sizes = range(1, len(names) + 1)
    return [start + subset for size in sizes for subset in itertools.combinations(names, size)]


def _shapley(session: UnionSession, names: Subset, start: Subset) -> dict[str, Quantity]:
    n, shares = len(names), {}
    for name in names:
        terms: dict[Subset, float] = {}
        others = [other for other in names if other != name]
        for size in range(n):
            weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for before in itertools.combinations(others, size):
                for subset, sign in (
                    (session.sorted({*start, *before, name}), 1.0),
                    (session.sorted({*start, *before}), -1.0),
                ):
                    terms[subset] = terms.get(subset, 0.0) + sign * weight
        shares[name] = session.quantity(terms)
    return shares


def _greedy(session: UnionSession, names: Subset, start: Subset) -> Iterable[Step]:
    taken, left = set(start), list(names)
    while left:
        before = session.sorted(taken)
        candidates = {name: session.sorted({*taken, name}) for name in left}
        session.solve(list(candidates.values()))
        best = max(left, key=lambda name: session.raw(candidates[name]).value)
        terms = {candidates[best]: 1.0} | ({before: -1.0} if before else {})
        yield Step(best, session.quantity(terms), session.quantity({candidates[best]: 1.0}))
        taken.add(best)
        left.remove(best)


@dataclass
class UnionSession:
    """State of a call: data, estimator and the unions solved for it, in nats."""

    names: Subset
    n_samples: int | None
    estimator: UnionEstimator
    solver: UnionSolver
    ctx: Context = field(default_factory=Context)
    started: float = field(default_factory=time.perf_counter)
    known: dict[Subset, RawUnion] = field(default_factory=dict)
    level: float | None = None
    data: Several | None = None

    @classmethod
    def of_call(
        cls,
        call: str,
        y: Any,
        sources: Any,
        kind: Kind,
        estimator: str | UnionEstimator,
        units: str,
        seed: int,
        device: str,
        keep: Sequence[str],
        progress: Callable[[float], None] | None,
        uncertainty: Bootstrap | None,
        groups: Any,
        params: Mapping[str, Any],
    ) -> UnionSession:
        """The session of a call of a verb, its arguments checked."""
        started = time.perf_counter()
        check_units(Keyword(call, "units"), units)
        if "measure" in params or "lattice" in params:
            hint = "the lattice of more than two sources has no agreed atoms; decompose(y, t, s) splits two"
            raise InputError(f"{call}(...)", "no measure: union information needs none", "one", hint)
        data = as_several(call, y, sources, kind, groups)
        chosen = UnionEstimator.from_name(call, estimator, params, lambda: get_estimator(_automatic(data), "union"))
        ctx = Context.of_call(call, seed, device, keep, progress)
        known = tuple(data.names), data.n_samples, chosen
        if uncertainty is not None:
            solver = ResampledUnions.of(call, chosen, data, uncertainty, ctx)
            return cls(*known, solver, ctx, started, level=uncertainty.level, data=data)
        if groups is not None and isinstance(data, PairTables):
            raise InputError(Keyword(call, "uncertainty"), "Bootstrap() beside groups of codes", "None")
        return cls(*known, chosen.start(call, data, ctx), ctx, started, data=data)

    def of_rows(self, rows: IntArray, groups: IntArray | None) -> UnionSession:
        """The same of some rows, by the potentials of all."""
        return dataclasses.replace(self, n_samples=len(rows), solver=UnionsOfRows(self.solver, rows, groups), known={})

    def sorted(self, names: Iterable[str]) -> Subset:
        """The names in the order of the data."""
        wanted = set(names)
        return tuple(name for name in self.names if name in wanted)

    def solve(self, subsets: Sequence[Subset]) -> None:
        """Solve those that are not solved yet, together."""
        new = [subset for subset in dict.fromkeys(map(self.sorted, subsets)) if subset and subset not in self.known]
        if new:
            self.known |= dict(zip(new, self.solver.unions(new), strict=True))

    def raw(self, subset: Subset) -> RawUnion:
        """The union of one subset."""
        self.solve([subset])
        return self.known[self.sorted(subset)]

    def quantity(self, terms: Mapping[Subset, float]) -> Quantity:
        """A combination of unions; that of no source is zero."""
        return self.combined([(weight, self.raw(subset)) for subset, weight in terms.items() if subset])

    def combined(self, terms: Sequence[tuple[float, RawUnion]]) -> Quantity:
        """A combination of values, with bounds and, where all are estimates, the error of the paired combination."""
        value = sum(weight * raw.value for weight, raw in terms)
        lower, upper = (
            sum(w * (raw.certificate.lower if (w > 0) == low else raw.certificate.upper) for w, raw in terms)
            for low in (True, False)
        )
        deviations = [weight * raw.deviations for weight, raw in terms if raw.deviations is not None]
        if len(deviations) < len(terms) or not terms:
            return Quantity(value, lower, upper)
        se = float(np.sum(deviations, axis=0).std())
        level = getattr(self.estimator, "level", 0.95) if self.level is None else self.level
        z = NormalDist().inv_cdf((1 + level) / 2)
        return Quantity(value, lower, upper, se, (value - z * se, value + z * se))

    def warn(self) -> tuple[str, ...]:
        """Warn of what the estimator is concerned about, and return the texts."""
        concerns: dict[str, type[PidkdWarning]] = {}
        for raw in self.known.values():
            concerns |= {text: category for category, text in raw.concerns}
        for text, category in concerns.items():
            warnings.warn(text, category, stacklevel=3)
        return tuple(concerns)


def _automatic(data: Several) -> str:
    if isinstance(data, PairTables):
        return "broja"
    if isinstance(data, NamedGaussian):
        return "gaussian"
    return "gaussian" if isinstance(data, SourceActivations) and not data.discrete_target else "posterior"
