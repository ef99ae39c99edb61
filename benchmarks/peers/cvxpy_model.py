"""The model of ``broja_cvx`` with every installed cone solver: cvxpy-<solver>-<formulation>."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from pidkd.benchmarks.peers import BROJA_OF_TABLES, ConvexPeer, Peer, Solution
from pidkd.errors import MissingDependencyError
from pidkd.estimators.pid.broja_cvx import BROJACvx, exponential_cone_solvers
from pidkd.inputs import Pmf


def estimators() -> dict[str, ConvexPeer]:
    """Both formulations; only the faster one for SCS, a first-order method that takes long for either."""
    try:
        installed = [name for name in exponential_cone_solvers() if name != "ECOS_BB"]  # ECOS, for mixed integers
    except MissingDependencyError:
        installed = ["CLARABEL"]  # its row then says what is missing
    named = [(name, form) for name in installed for form in ("aux", "inline") if (name, form) != ("SCS", "inline")]
    solves = {"aux": BROJA_OF_TABLES, "inline": replace(BROJA_OF_TABLES, variant=True)}
    return {
        f"cvxpy-{name.lower()}-{form}": ConvexPeer(partial(_solve, {"solver": name, "formulation": form}), solves[form])
        for name, form in named
    }


def _solve(params: dict[str, Any], pmf: Pmf) -> Solution:
    solution = BROJACvx(**params).solve(pmf)
    return Solution(solution.plan, solution.potentials, solution.status, solution.iterations, solution.seconds)


PEER = Peer("cvxpy-", estimators)
