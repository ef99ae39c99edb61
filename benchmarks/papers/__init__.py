"""Published numbers beside the truth, one file a paper, named by its key in ``pidkd/references.bib``.

A paper is a module with a ``PAPER``: its settings, each of which makes the published setting from its definition and
gives the numbers printed there, the truth where it is known, and what pidkd answers. It is found by its file's name, or
by an entry point of another package in the group ``pidkd.papers``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pidkd.benchmarks.problems import Size
from pidkd.registry import Registry

CLOSED_FORM = "closed form"
SUM = "finite sum"
CERTIFIED = "certified to 1e-9 bits"

EXACT = 1e-9
"""Distance up to which a number that is printed as an expression agrees with another."""


@dataclass(frozen=True)
class Number:
    """One quantity of a setting.

    Parameters
    ----------
    quantity : str
    ours : float, optional
        The answer of pidkd; None where it has none.
    published : str or float, optional
        As printed, so that its digits are known, or the value of a printed expression. None where it is not known for
        sure.
    truth : float, optional
    known : str
        How the truth is known.
    interval : tuple of float, optional
        Of our answer: certified bounds, or a sampling interval.
    units : str
    within : float, optional
        Distance from the truth up to which the printed number agrees; by default half a unit of its last digit.
    source : str
        Where the number is printed, if elsewhere than the setting says.
    note : str
    """

    quantity: str
    ours: float | None
    published: str | float | None = None
    truth: float | None = None
    known: str = ""
    interval: tuple[float, float] | None = None
    units: str = "bits"
    within: float | None = None
    source: str = ""
    note: str = ""

    @property
    def value(self) -> float | None:
        """The published number."""
        return None if self.published is None else float(self.published)

    @property
    def tolerance(self) -> float:
        """Distance up to which the published number agrees with another."""
        if self.within is not None:
            return self.within
        if isinstance(self.published, str):
            return 0.5 * 10.0 ** int(Decimal(self.published).as_tuple().exponent) + 1e-12
        return EXACT

    @property
    def reproduces(self) -> bool | None:
        """Whether the published number agrees with the truth, or, where there is none, with ours."""
        reference = self.truth if self.truth is not None else self.ours
        if self.value is None or reference is None:
            return None
        return abs(self.value - reference) <= self.tolerance


@dataclass(frozen=True)
class Setting:
    """A setting of a paper.

    Parameters
    ----------
    name : str
    size : {"tiny", "small", "full"}
        How long it takes: seconds, a minute, or longer.
    numbers : callable
        Makes the setting and measures it.
    source : str
        Where its published numbers are printed.
    """

    name: str
    size: Size
    numbers: Callable[[], Iterable[Number]]
    source: str = ""


@dataclass(frozen=True)
class Paper:
    """The settings of a paper; what it is, and what does not reproduce, the module's documentation says."""

    settings: Sequence[Setting]


PAPERS = Registry(
    "a paper",
    "pidkd.benchmarks.papers",
    "pidkd.papers",
    "PAPER, a Paper",
    "PAPER",
    lambda paper, name: isinstance(paper, Paper),
)


def list_papers() -> list[str]:
    """Names of the papers, built in and from other packages, in alphabetic order."""
    return PAPERS.names()


def get_paper(name: str) -> Paper:
    """The paper of this name.

    Raises
    ------
    UnknownNameError
        When there is none; the message lists those there are.
    """
    paper: Paper = PAPERS.get(name, "bench papers")
    return paper
