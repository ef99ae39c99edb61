"""Problems with known truth or known difficulty, one file per family.

A family is a module with ``PROBLEMS``, a sequence of ``Problem``; with ``INPUT``, the class of what is solved; and with
``ESTIMATORS`` and ``PEERS``, patterns of the names of estimators and of peers (see ``pidkd.benchmarks.selection``)
that it is meant for. A family of what is no estimation has a function ``measure(contestant, data, device)`` instead of
``INPUT``, which returns fields of a ``Row``. It is found by its file's name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, TypeAlias

from pidkd.errors import UnknownNameError
from pidkd.mi import Pairs
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


def certified_truth(data: Sequence[Any]) -> list[Truth]:
    """The atoms of the estimator for this kind of input, each proven by a lower and an upper bound."""
    from pidkd.decomposition import decompose

    return [decompose(item).atoms for item in data]


CERTIFIED_TRUTH = "certified: lower and upper bound at most 1e-9 bits apart"


def kind_of(family: ModuleType) -> str:
    """What is measured: atoms ("pid"), the information of pairs ("mi"), or what the family times itself ("timing")."""
    if hasattr(family, "measure"):
        return "timing"
    return "mi" if issubclass(family.INPUT, Pairs) else "pid"


def list_families() -> list[str]:
    """Names of the families, in alphabetic order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get_family(name: str) -> ModuleType:
    """The module of a family.

    Raises
    ------
    UnknownNameError
        When there is none; the message lists those there are.
    """
    if name not in list_families():
        raise UnknownNameError("bench", "a family of problems", name, list_families())
    return importlib.import_module(f"{__name__}.{name}")
