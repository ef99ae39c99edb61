"""Problems with known truth or known difficulty, one file per family.

A family is a module with a ``FAMILY``, which holds its problems, says what it asks of whoever takes part, and in which
section of the report it is shown. It is found by its file's name, or by an entry point of another package in the group
``pidkd.problems``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pidkd.estimator import Estimator
from pidkd.mi import Pairs
from pidkd.registry import Registry
from pidkd.uncertainty import Method

Size: TypeAlias = Literal["tiny", "small", "full"]
SIZES: tuple[Size, ...] = ("tiny", "small", "full")
Truth: TypeAlias = Mapping[str, float]
"""The four atoms, or "mi", in bits."""


@dataclass(frozen=True)
class Problem:
    """One input, or several that are solved one after the other.

    Parameters
    ----------
    name : str
    size : {"tiny", "small", "full"}
        How long it takes the slower estimators: seconds, a minute, or longer.
    make : callable
        Makes the inputs, or pairs of variables; the same ones at each call.
    truth : callable, optional
        Of these inputs, the truth of each.
    known : str
        How the truth is known, in words.
    axis : tuple of (str, float), optional
        What grows from problem to problem, and its value here: problems with one axis make one line of a picture.
    uncertainty : Method, optional
        Intervals to ask for, whose coverage is then measured.
    """

    name: str
    size: Size
    make: Callable[[], Sequence[Any]]
    truth: Callable[[Sequence[Any]], Sequence[Truth]] | None = None
    known: str = ""
    axis: tuple[str, float] | None = None
    uncertainty: Method | None = None


Section: TypeAlias = Literal["", "mutual information", "atoms", "measures", "speed"]

SAMPLES, TRUE_NATS = "samples of ", "true nats"
"""How the axis of problems begins that are of one truth and more and more samples, or of a truth that rises."""


@dataclass(frozen=True)
class Asks:
    """Requirements of a family on estimators of pidkd, of other packages and of peers.

    Parameters
    ----------
    input : type
        The kind of input that is solved.
    measure : str, optional
        The measure, as the estimators call it; otherwise any, and of peers those that pidkd does not have itself.
    target : {"any", "discrete", "continuous"}
        The kind of target, where the input is activations.
    cross_checks : bool
        Whether estimators take part that solve what another one solves, to check it.
    peers : bool
        Whether peers take part at all: not where a problem is thousands of inputs.
    """

    input: type
    measure: str | None = None
    target: Literal["any", "discrete", "continuous"] = "any"
    cross_checks: bool = False
    peers: bool = True

    def suits(self, cls: type[Estimator]) -> bool:
        """Whether an estimator of pidkd, or of another package, solves this."""
        return (
            issubclass(self.input, cls.accepts)
            and self.measure in (None, cls.measure)
            and (self.target == "any" or cls.target in ("any", self.target))
            and (self.cross_checks or not cls.cross_check)
        )


@dataclass(frozen=True)
class Family:
    """Problems of one kind, and who is to solve them.

    Parameters
    ----------
    problems : sequence of Problem
    asks : Asks, optional
        Who takes part unless named. Without it, ``names`` do.
    section : {"", "mutual information", "atoms", "measures", "speed"}
        The section of the report that shows its answers, beside those that show every family.
    settings : sequence of mappings
        Parameters that are compared: each estimator takes part with each of these of which it has all parameters, and
        otherwise at its defaults.
    names : sequence of str
        What takes part without being asked for anything: ``auto``, or what ``measure`` knows.
    measure : callable, optional
        Takes one of ``names``, the data and the device, and returns fields of a ``Row``; for a family of what is no
        estimation.
    """

    problems: Sequence[Problem]
    asks: Asks | None = None
    section: Section = ""
    settings: Sequence[Mapping[str, Any]] = ()
    names: Sequence[str] = ()
    measure: Callable[[str, Sequence[Any], str], dict[str, Any]] | None = None

    @property
    def kind(self) -> Literal["pid", "mi", "timing"]:
        """Measured quantity: atoms, mutual information, or a timing of the family's own."""
        if self.measure is not None:
            return "timing"
        return "mi" if self.asks is not None and issubclass(self.asks.input, Pairs) else "pid"


FAMILIES = Registry(
    "a family of problems",
    "pidkd.benchmarks.problems",
    "pidkd.problems",
    "FAMILY, a Family of problems",
    "FAMILY",
    lambda family, name: isinstance(family, Family),
)


def certified_truth(data: Sequence[Any]) -> list[Truth]:
    """The atoms of the estimator for this kind of input, each proven by a lower and an upper bound."""
    from pidkd.decomposition import decompose

    return [decompose(item).atoms for item in data]


CERTIFIED_TRUTH = "certified: lower and upper bound at most 1e-9 bits apart"


def list_families() -> list[str]:
    """Names of the families, built in and from other packages, in alphabetic order."""
    return FAMILIES.names()


def get_family(name: str) -> Family:
    """The family of this name.

    Raises
    ------
    UnknownNameError
        When there is none; the message lists those there are.
    PidkdError
        When that of another package cannot be loaded, or is none.
    """
    family: Family = FAMILIES.get(name, "bench")
    return family
