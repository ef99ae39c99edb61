"""Problems with known truth or known difficulty, one file per family.

A family is a module with ``PROBLEMS``, a sequence of ``Problem``, and ``SOLVERS``, patterns of the names of the solvers
(see ``pidkd.benchmarks.peers``) that it is meant for. It is found by its file's name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, TypeAlias

from pidkd.errors import UnknownNameError
from pidkd.inputs import Pmf

Size: TypeAlias = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = ("small", "medium", "large")


@dataclass(frozen=True)
class Problem:
    """One table, or a set of tables that are solved one after the other.

    Parameters
    ----------
    name : str
    size : {"small", "medium", "large"}
        How long it takes the slower solvers: seconds, a minute, or longer.
    make : callable
        Makes the tables; the same ones at each call.
    """

    name: str
    size: Size
    make: Callable[[], Sequence[Pmf]]


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
