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
from typing import Any, ClassVar, Literal, TypeAlias

from pidkd.arrays import as_activations, as_array, as_labels, describe, is_array, is_float, is_whole
from pidkd.codec import fields_from_plain, plain
from pidkd.errors import Argument, IncompatibleInputError, InputError, Keyword, PidkdWarning
from pidkd.estimator import Context, Estimator
from pidkd.registry import get_estimator, list_estimators
from pidkd.result import NATS_PER, Units, check_units

Bound: TypeAlias = Literal["exact", "lower", "upper", "none"]


@dataclass(frozen=True)
class MIResult:
    """An estimate of I(X;Y), and what it can be relied on for.

    Parameters
    ----------
    value : float
        In ``units``; as estimated, so it can be negative where the truth is small.
    bound : {"exact", "lower", "upper", "none"}
        What the value is of the truth. ``exact``: the mutual information of the empirical table itself, so exact where
        that is the distribution; ``lower``, ``upper``: a bound in expectation, up to the interval; ``none``: an
        estimate that may err either way.
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
        Of an estimator that is trained: its splits, and the history of each training run, in nats.
    """

    value: float
    bound: Bound
    units: Units
    method: str
    params: Mapping[str, Any]
    interval: tuple[float, float] | None
    se: float | None
    n_samples: int
    seconds: float
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, Any] | None = None

    def to(self, units: Units) -> MIResult:
        """The same result in other units."""
        check_units("to(units)", units)
        factor = NATS_PER[self.units] / NATS_PER[units]
        interval = None if self.interval is None else (self.interval[0] * factor, self.interval[1] * factor)
        se = None if self.se is None else self.se * factor
        return dataclasses.replace(self, value=self.value * factor, units=units, interval=interval, se=se)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: no NaN or Infinity literal, numbers that are not finite become strings."""
        data: dict[str, Any] = plain(self)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MIResult:
        """Rebuild what ``to_dict`` wrote.

        Raises
        ------
        InputError
            When ``data`` is not what ``to_dict`` writes.
        """
        return cls(**fields_from_plain(cls, data))

    def __hash__(self) -> int:
        """By the numbers; the parameters stay out."""
        return hash((self.method, self.units, self.value, self.n_samples))

    def __str__(self) -> str:
        text = f"I(X;Y) {self.value:z.6f} {self.units}"
        if self.interval is not None:
            text += f"  [{self.interval[0]:z.6f}, {self.interval[1]:z.6f}]"
        kind = {"exact": "of the table itself", "lower": "a lower bound", "upper": "an upper bound"}
        return f"{text}\n{self.method}: {kind.get(self.bound, 'an estimate')}, n={self.n_samples}"


@dataclass(frozen=True, eq=False)
class Pairs:
    """Samples of two variables, each row of one with the same row of the other."""

    x: Any
    y: Any

    words: ClassVar[str]
    """What they are, for messages."""

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.x)


class DiscretePairs(Pairs):
    """Labels of two discrete variables, shape (n_samples,) each."""

    words = "two of labels"


class ContinuousPairs(Pairs):
    """Floats of two variables, shape (n_samples,) or (n_samples, d)."""

    words = "two of floats"


class MixedPairs(Pairs):
    """Floats x, shape (n_samples,) or (n_samples, d), and labels y, shape (n_samples,)."""

    words = "floats and labels"


def as_pairs(x: Any, y: Any) -> Pairs:
    """Two arrays as the kind of pairs that they are: floats are continuous, everything else is labels.

    Raises
    ------
    InputError
        When lengths differ, or an array is neither labels nor floats.
    """
    where = Argument("mutual_information", "x, y")
    held, floats = {}, {}
    for name, value in {"x": x, "y": y}.items():
        array = value if is_array(value) else as_array(Argument("mutual_information", name), value)
        floats[name] = is_float(array)
        held[name] = (as_activations if floats[name] else as_labels)(f"mutual_information({name})", array)
    if len(held["x"]) != len(held["y"]):
        raise InputError(where, "equal lengths", f"x {len(held['x'])}, y {len(held['y'])}")
    for name in ("x", "y"):
        if floats[name] and is_whole(held[name]):
            raise InputError(
                Argument("mutual_information", name),
                "labels (integers, bools, strings) or a continuous variable",
                f"{describe(held[name])} that holds whole numbers only",
                f"if these are labels, write {name}.astype(int)",
            )
    if all(floats.values()):
        return ContinuousPairs(held["x"], held["y"])
    if not any(floats.values()):
        return DiscretePairs(held["x"], held["y"])
    return MixedPairs(held["x"], held["y"]) if floats["x"] else MixedPairs(held["y"], held["x"])


@dataclass(frozen=True)
class RawMI:
    """What an estimator hands to its base class, in nats."""

    value: float
    se: float | None = None
    interval: tuple[float, float] | None = None
    concerns: Sequence[tuple[type[PidkdWarning], str]] = ()
    provenance: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class MIEstimator(Estimator):
    """One way to estimate mutual information. Subclasses write ``_estimate``; units, timing and checks are here.

    Class attributes beside those of ``Estimator``: ``measure`` says in words how it is estimated, and ``bound`` what
    the value is of the truth (see ``MIResult``).
    """

    kind = "mi"
    measure: ClassVar[str]
    bound: ClassVar[Bound]

    @abc.abstractmethod
    def _estimate(self, data: Any, ctx: Context) -> RawMI:
        """Estimate from pairs of an accepted kind."""

    def estimate(self, data: Pairs, units: Units = "bits", ctx: Context | None = None) -> MIResult:
        """Run on one set of pairs. ``pidkd.mutual_information`` is the same with every convenience.

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
        raw = self._estimate(data, ctx)
        for category, text in raw.concerns:
            warnings.warn(text, category, stacklevel=3)
        return MIResult(
            value=float(raw.value),
            bound=self.bound,
            units="nats",
            method=self.name,
            params=self.get_params(),
            interval=raw.interval,
            se=raw.se,
            n_samples=data.n_samples,
            seconds=time.perf_counter() - started,
            warnings=tuple(text for _, text in raw.concerns),
            provenance=raw.provenance,
        ).to(units)


def _described(kind: type[Any]) -> str:
    return f"{kind.__name__} ({kind.words})"


def fitting(data: Pairs) -> str:
    """The estimators that accept such pairs, for a message."""
    kind = type(data).__name__
    names = [name for name in list_estimators("mi") if kind in get_estimator(name, "mi").accepted_kinds()]
    return f"estimators that accept {kind}: {', '.join(names)}"
