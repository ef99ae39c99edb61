"""The contract of an estimator of mutual information: what goes in, what it says of itself, what comes out.

To add one, write ``estimators/mi/<name>.py`` with one subclass of ``MIEstimator`` in it (or name such a class in the
entry-point group ``pidkd.estimators.mi`` of another package).
"""

from __future__ import annotations

import abc
import dataclasses
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

import numpy as np

from pidkd.arrays import (
    TARGETS,
    FloatArray,
    IntArray,
    as_activations,
    as_array,
    as_labels,
    as_target,
    check_not_codes,
    check_same_rows,
    is_array,
    is_float,
)
from pidkd.codec import PlainData
from pidkd.constraints import COUNT, NonNegative
from pidkd.errors import Argument, IncompatibleInputError, InputError, Keyword, PidkdWarning, SmallSampleWarning
from pidkd.estimator import Context, Estimator
from pidkd.export import axis, bars, data_frame, html_table, latex_table, whiskers
from pidkd.groups import as_groups, joined, one_of_each, repeats, told
from pidkd.inputs.activations import Target
from pidkd.parameters import check_choice
from pidkd.registry import get_estimator, list_estimators
from pidkd.result import NATS_PER, Units, check_units

Bound: TypeAlias = Literal["exact", "lower", "upper", "none"]

DRAWS = 10
"""Draws of one row of each group, over which an estimator that knows of no groups is averaged."""


@dataclass(frozen=True)
class MIResult(PlainData):
    """An estimate of I(X;Y), and what it can be relied on for.

    Parameters
    ----------
    value : float
        In ``units``; as estimated, so it can be negative where the truth is small.
    bound : {"exact", "lower", "upper", "none"}
        Relation of the value to the truth. ``exact``: that of the empirical table itself; ``lower``, ``upper``: a bound
        in expectation, up to the interval; ``none``: an estimate that may err either way.
    units : {"bits", "nats"}
    method : str
        Name of the estimator.
    params : mapping
        Its parameters.
    interval : tuple of float, optional
        Sampling interval (low, high) at the level of ``params``, where known.
    se : float, optional
        Standard error, where known.
    n_samples : int
    seconds : float
        Wall time of the estimation.
    warnings : tuple of str
        What a reader of the number must know.
    provenance : mapping, optional
        Of an estimator that is trained: its splits, and the history of each training run, in nats. Given labels: the
        number of samples of each label.
    conditional : bool
        Whether it is I(X;Y|Z).
    """

    value: float
    bound: Bound
    units: Units
    method: str
    params: Mapping[str, Any]
    interval: tuple[float, float] | None
    se: float | None
    n_samples: Annotated[int, COUNT]
    seconds: Annotated[float, NonNegative()]
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, Any] | None = None
    conditional: bool = False

    def to(self, units: Units) -> MIResult:
        """The same result in other units."""
        check_units("to(units)", units)
        factor = NATS_PER[self.units] / NATS_PER[units]
        interval = None if self.interval is None else (self.interval[0] * factor, self.interval[1] * factor)
        se = None if self.se is None else self.se * factor
        return dataclasses.replace(self, value=self.value * factor, units=units, interval=interval, se=se)

    def to_dataframe(self) -> Any:
        """A ``pandas.DataFrame`` of one row: value, what it is of the truth, units, interval, standard error, method.

        Raises
        ------
        MissingDependencyError
            When pandas is not installed.
        """
        low, high = self.interval or (None, None)
        names = ("value", "bound", "units", "se", "method", "n_samples")
        return data_frame([{**{name: getattr(self, name) for name in names}, "low": low, "high": high}])

    def to_latex(self, digits: int = 3) -> str:
        r"""A LaTeX ``tabular`` of one row.

        Parameters
        ----------
        digits : int, default 3
            After the point.
        """
        headings, row = ["", self.units, "bound"], ["$I(X;Y)$", self.value, self.bound]
        if self.interval is not None:
            headings, row = [*headings, "interval"], [*row, self.interval]
        return latex_table(headings, [row], digits)

    def plot(self, ax: Any = None) -> Any:
        """The value as a bar, with its interval.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Default: that of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        ax = axis(ax)
        bars(ax, [self.method], [self.value], ["#56b4e9"])
        whiskers(ax, [self.method], [self.interval])
        ax.set_ylabel(f"I(X;Y) ({self.units})")
        return ax

    def __hash__(self) -> int:
        """By the numbers; the parameters stay out."""
        return hash((self.method, self.units, self.value, self.n_samples))

    def _row(self) -> tuple[str, str]:
        text = f"{self.value:z.6f} {self.units}"
        if self.interval is not None:
            text += f"  [{self.interval[0]:z.6f}, {self.interval[1]:z.6f}]"
        return f"I(X;Y{'|Z' if self.conditional else ''})", text

    def _footer(self) -> str:
        kind = {"exact": "of the table itself", "lower": "a lower bound", "upper": "an upper bound"}
        return f"{self.method}: {kind.get(self.bound, 'an estimate')}, n={self.n_samples}"

    def __str__(self) -> str:
        return f"{' '.join(self._row())}\n{self._footer()}"

    def _repr_html_(self) -> str:
        return html_table([self._row()], self._footer())


@dataclass(frozen=True, eq=False)
class Pairs:
    """Samples of two variables, each row of one with the same row of the other."""

    x: Any
    y: Any
    groups: IntArray | None = None
    """The number of the group of each row; only groups are independent of each other."""

    words: ClassVar[str]
    """What they are, for messages."""

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.x)

    def taken(self, rows: IntArray) -> Self:
        """Some of the rows, without their groups."""
        x, y = (as_array(Argument("mutual_information", name), getattr(self, name))[rows] for name in ("x", "y"))
        return type(self)(x, y)

    def repeats(self) -> IntArray | None:
        """Groups of rows that repeat others exactly; labels alone repeat by their nature."""
        sources = [values for values in (self.x, self.y) if is_float(values)]
        return repeats(*sources) if sources else None


class DiscretePairs(Pairs):
    """Labels of two discrete variables, shape (n_samples,) each."""

    words = "two of labels"


class ContinuousPairs(Pairs):
    """Floats of two variables, shape (n_samples,) or (n_samples, d)."""

    words = "two of floats"


class MixedPairs(Pairs):
    """Floats x, shape (n_samples,) or (n_samples, d), and labels y, shape (n_samples,)."""

    words = "floats and labels"


def as_pairs(x: Any, y: Any, target: Target = "auto", groups: Any = None, call: str = "mutual_information") -> Pairs:
    """Two arrays as the kind of pairs that they are: floats are continuous, everything else is labels.

    Parameters
    ----------
    x, y : array
    target : {"auto", "discrete", "continuous"}
        What y is; "auto" goes by its type.
    groups : array of labels, shape (n_samples,), optional
    call : str
        For messages.

    Raises
    ------
    InputError
        When lengths differ, an array is neither labels nor floats, or indexes of pandas are in different orders.
    """
    where = Argument(call, "x, y")
    check_choice(Keyword(call, "target"), target, TARGETS)
    check_same_rows(where, x=x, y=y, groups=groups)
    fields: dict[str, Any] = {}
    for name, value in {"x": x, "y": y}.items():
        array = value if is_array(value) else as_array(Argument(call, name), value)
        if name == "y" and target != "auto":
            fields[name] = as_target(Argument(call, "y"), array, target, call)
        else:
            fields[name] = (as_activations if is_float(array) else as_labels)(Argument(call, name), array)
    if len(fields["x"]) != len(fields["y"]):
        raise InputError(where, "equal lengths", f"x {len(fields['x'])}, y {len(fields['y'])}")
    numbers = None if groups is None else as_groups(Keyword(call, "groups"), groups, len(fields["x"]))
    floats = [is_float(fields["x"]), is_float(fields["y"])]
    if all(floats):
        return ContinuousPairs(fields["x"], fields["y"], numbers)
    if not any(floats):
        return DiscretePairs(fields["x"], fields["y"], numbers)
    x, y = (fields["x"], fields["y"]) if floats[0] else (fields["y"], fields["x"])
    return MixedPairs(x, y, numbers)


def refuse_codes(x: Any, y: Any, target: Target, call: str = "mutual_information") -> None:
    """Refuse floats that may be codes, before an estimator takes them for positions.

    Raises
    ------
    InputError
        The message names both ways out.
    """
    x, y = (value if is_array(value) else as_array(Argument(call, name), value) for name, value in (("x", x), ("y", y)))
    if is_float(x):
        check_not_codes(Argument(call, "x"), x, "standardise them: (x - x.mean()) / x.std()")
    if is_float(y) and target == "auto":
        as_target(Argument(call, "y"), y, target, call)


@dataclass(frozen=True)
class RawMI:
    """Estimate in nats, as an estimator hands it to its base class; ``local`` holds a value for each sample."""

    value: float
    se: float | None = None
    interval: tuple[float, float] | None = None
    concerns: Sequence[tuple[type[PidkdWarning], str]] = ()
    provenance: Mapping[str, Any] | None = None
    local: FloatArray | None = None


@dataclass(frozen=True)
class MIEstimator(Estimator):
    """An estimator of mutual information. Subclasses write ``_estimate``; units, timing and checks are here.

    Class attributes beside those of ``Estimator``: ``measure`` says in words how it is estimated, and ``bound`` what
    the value is of the truth (see ``MIResult``).
    """

    kind = "mi"
    measure: ClassVar[str]
    bound: ClassVar[Bound]
    respects_groups: ClassVar[bool] = False
    """Whether it keeps the rows of a group together by itself; others are given one row of each group at a time."""

    @property
    def allows_ties(self) -> bool:
        """Whether equal values and numbers of few values are the same to it as any others."""
        return False

    @abc.abstractmethod
    def _estimate(self, data: Any, ctx: Context) -> RawMI:
        """Estimate from pairs of an accepted kind."""

    def _of_groups(self, data: Pairs, ctx: Context) -> RawMI:
        """Estimate with rows that repeat others, or belong together, counted as one."""
        notes: list[tuple[type[PidkdWarning], str]] = []
        repeated = None if isinstance(data, DiscretePairs) else data.repeats()
        if repeated is not None and (data.groups is None or not _is_within(repeated, data.groups)):
            notes.append((SmallSampleWarning, f"{self.name}: {told(repeated)}"))
            data = type(data)(data.x, data.y, joined(data.groups, repeated))
        if data.groups is None or self.respects_groups:
            raw = self._estimate(data, ctx)
        else:
            n_draws = DRAWS if repeated is None or data.groups.max() < repeated.max() else 1
            draws = [data.taken(one_of_each(data.groups, ctx.generator)) for _ in range(n_draws)]
            raw = _mean_of([self._estimate(draw, ctx) for draw in draws], int(data.groups.max()) + 1)
        return dataclasses.replace(raw, concerns=(*notes, *raw.concerns))

    def _estimate_given(self, data: Any, z: FloatArray, ctx: Context) -> RawMI:
        """Estimate I(X;Y|Z) given floats of shape (n_samples, d); of estimators that can."""
        raise NotImplementedError(f"{self.name} does not condition on floats")

    @classmethod
    def conditions(cls) -> bool:
        """Whether it can condition on floats; on labels every estimator can, sample by sample."""
        return cls._estimate_given is not MIEstimator._estimate_given

    def estimate(
        self, data: Pairs, units: Units = "bits", ctx: Context | None = None, given: FloatArray | None = None
    ) -> MIResult:
        """Run on one set of pairs, and given floats of shape (n_samples, d) where there are any.

        ``pidkd.mutual_information`` is the same with every convenience.

        Raises
        ------
        IncompatibleInputError
            When this estimator does not accept the kind of ``data``.
        """
        ctx = ctx or Context()
        check_units(Keyword("mutual_information", "units"), units)
        ctx = self.prepared(ctx)
        if not isinstance(data, self.accepts):
            expected, got = (" or ".join(map(_described, kinds)) for kinds in (self.accepts, [type(data)]))
            where = Keyword("mutual_information", "estimator", self.name)
            raise IncompatibleInputError(where, expected, got, fitting(data))
        started = time.perf_counter()
        if given is None:
            raw = self._of_groups(data, ctx)
        elif data.groups is None or self.respects_groups:
            raw = self._estimate_given(data, given, ctx)
        else:
            expected = "None beside given floats, with an estimator that knows of no groups"
            raise InputError(Keyword("mutual_information", "groups"), expected, f"groups with estimator {self.name!r}")
        for category, text in raw.concerns:
            warnings.warn(text, category, stacklevel=3)
        return MIResult(
            value=float(raw.value),
            bound=self.bound if given is None else "none",  # a difference of bounds bounds nothing
            units="nats",
            method=self.name,
            params=self.get_params(),
            interval=raw.interval,
            se=raw.se,
            n_samples=data.n_samples,
            seconds=time.perf_counter() - started,
            warnings=tuple(text for _, text in raw.concerns),
            provenance=raw.provenance,
            conditional=given is not None,
        ).to(units)


def _is_within(groups: IntArray, others: IntArray) -> bool:
    """Whether rows that are together in one grouping are so in the other."""
    both = joined(groups, others)
    return both is not None and int(both.max()) == int(others.max())


def _mean_of(raws: Sequence[RawMI], n_groups: int) -> RawMI:
    """The mean of estimates from one row of each group; its error is that of a single one, no less by this."""
    value = float(np.mean([raw.value for raw in raws]))
    se = None if raws[0].se is None else float(np.mean([raw.se for raw in raws if raw.se is not None]))
    provenance = {**(raws[0].provenance or {}), "groups": n_groups, "draws": len(raws)}
    concerns = dict.fromkeys(concern for raw in raws for concern in raw.concerns)
    return RawMI(value, se, concerns=tuple(concerns), provenance=provenance)


def _described(kind: type[Any]) -> str:
    return f"{kind.__name__} ({kind.words})"


def fitting(data: Pairs) -> str:
    """The estimators that accept such pairs, for a message."""
    kind = type(data).__name__
    names = [name for name in list_estimators("mi") if kind in get_estimator(name, "mi").accepted_kinds()]
    return f"estimators that accept {kind}: {', '.join(names)}"
