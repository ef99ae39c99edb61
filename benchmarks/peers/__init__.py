"""Other implementations, one file each, behind one interface.

A solver takes tables and gives one ``Answer`` for each. A peer is a module with a function ``solvers()``, which gives
its solvers by name, and the ``PREFIX`` that the names share; it is found by being here. Besides, every estimator of
pidkd that certifies is a solver under its own name, and ``package.module:callable`` is one from elsewhere.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import TypeAlias

from pidkd.errors import MissingDependencyError, PidkdError, UnknownNameError
from pidkd.estimators.solvers.union.certificate import Potentials, bounds
from pidkd.inputs import FloatArray, Pmf
from pidkd.registry import get_estimator, list_estimators
from pidkd.result import NATS_PER, PIDResult


@dataclass(frozen=True)
class Answer:
    r"""What a solver said of one table, and what that proves about Uni(Y:T\\S) of the table as given.

    Parameters
    ----------
    lower, upper : float
        In bits, rigorous; infinite where nothing is proven.
    status : str
        In the solver's own words.
    seconds : float, optional
        The solver's own account of its time.
    iterations : int, optional
    """

    lower: float
    upper: float
    status: str
    seconds: float | None = None
    iterations: int | None = None

    @property
    def gap(self) -> float:
        """Upper minus lower bound, in bits."""
        return self.upper - self.lower

    @classmethod
    def certified(
        cls,
        pmf: Pmf,
        plan: FloatArray | None,
        potentials: Potentials | None,
        status: str,
        seconds: float | None = None,
        iterations: int | None = None,
    ) -> Answer:
        """Whatever a solver found, repaired and bounded; a plan or potentials that it lacks prove nothing."""
        if plan is None or potentials is None:
            return cls(-math.inf, math.inf, status, seconds, iterations)
        found = bounds(pmf.p, plan, potentials)
        return cls(found.lower / NATS_PER["bits"], found.upper / NATS_PER["bits"], status, seconds, iterations)


Solver: TypeAlias = Callable[[Sequence[Pmf]], list[Answer]]


def one_by_one(solve: Callable[[Pmf], Answer]) -> Solver:
    """A solver of many tables from one of a single table; an exception is the answer to its table only."""

    def solve_all(tables: Sequence[Pmf]) -> list[Answer]:
        answers = []
        for table in tables:
            try:
                answers.append(solve(table))
            except (MissingDependencyError, MemoryError):
                raise
            except Exception as error:
                answers.append(Answer(-math.inf, math.inf, f"{type(error).__name__}: {error}"))
        return answers

    return solve_all


def list_solvers() -> list[str]:
    """Names of all solvers: estimators first, then peers."""
    certifying = [name for name in list_estimators("pid") if getattr(get_estimator(name), "certifies", False)]
    return [*certifying, *(name for peer in _peers() for name in peer.solvers())]


def get_solver(name: str) -> Solver:
    """A solver by name; a name of the form ``package.module:callable`` imports, and so runs, that module.

    Raises
    ------
    UnknownNameError
        When there is none; the message lists those there are.
    """
    if ":" in name:
        module, _, attribute = name.partition(":")
        named: Solver = getattr(importlib.import_module(module), attribute)
        return named
    if name in list_estimators("pid"):
        return partial(_estimate, name)
    for peer in _peers():
        # Asked for one solver, no other's packages are loaded: they would count as its memory.
        if name.startswith(peer.PREFIX) and name in peer.solvers():
            solver: Solver = peer.solvers()[name]
            return solver
    raise UnknownNameError("bench --solver", "a solver", name, list_solvers())


def _peers() -> list[ModuleType]:
    return [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]


def _estimate(name: str, tables: Sequence[Pmf]) -> list[Answer]:
    estimator = get_estimator(name)()
    if len(tables) > 1:
        return [_answer(result) for result in estimator.decompose_batch(tables)]
    try:
        return [_answer(estimator.decompose(tables[0]))]
    except MissingDependencyError:
        raise
    except PidkdError as error:
        return [Answer(-math.inf, math.inf, f"{type(error).__name__}: {error}")]


def _answer(result: PIDResult) -> Answer:
    certificate = result.certificate
    effort = re.search(r"(\d+) iterations", certificate.message)
    iterations = int(effort[1]) if effort else None
    return Answer(certificate.lower, certificate.upper, certificate.status, iterations=iterations)
