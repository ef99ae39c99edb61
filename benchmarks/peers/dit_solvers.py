"""dit: its cone program for BROJA (dit-cone), its other two solvers (dit-scipy, dit-admui), and its measures.

The cone program's plan and multipliers are read off its solver, so that what it proves can be compared. The other
solvers, and the measures, give four atoms and prove nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest import mock

import numpy as np

from pidkd.arrays import Array
from pidkd.benchmarks.peers import AtomsPeer, ConvexPeer, Peer, Solution, Solves
from pidkd.errors import MissingDependencyError, import_extra
from pidkd.estimator import Estimator
from pidkd.estimators.pid.dit_measure import list_measures
from pidkd.estimators.solvers.union.certificate import Potentials
from pidkd.inputs import Pmf


def estimators() -> dict[str, Estimator]:
    """The solvers of BROJA, and every measure that is not BROJA."""
    solvers: dict[str, Estimator] = {
        "dit-cone": ConvexPeer(_solve),
        "dit-scipy": AtomsPeer(partial(_atoms, "PID_BROJA", method="scipy")),
        "dit-admui": AtomsPeer(partial(_atoms, "PID_BROJA", method="admui")),
    }
    try:
        measures = {name: cls for name, cls in list_measures().items() if name != "broja"}
    except MissingDependencyError:
        measures = {}
    return solvers | {
        f"dit-{name}": AtomsPeer(partial(_atoms, cls), Solves((Pmf,), f"{name} of dit"))
        for name, cls in measures.items()
    }


def _joint(pmf: Pmf) -> Any:
    """Joint distribution in dit's form: sources first, no cell of mass zero."""
    dit = import_extra("dit", "bench", needed_by="peer 'dit'")
    table = np.moveaxis(pmf.p, 0, 2)
    outcomes = [tuple(int(i) for i in cell) for cell in np.argwhere(table > 0)]
    return dit.Distribution(outcomes, table[table > 0])


def _atoms(measure: str, pmf: Pmf, **options: str) -> dict[str, float]:
    joint = _joint(pmf)
    measures = import_extra("dit.pid", "bench", needed_by="peer 'dit'")
    answer = getattr(measures, measure)(joint, [[0], [1]], [2], **options)
    nodes = {"redundant": ((0,), (1,)), "unique_t": ((0,),), "unique_s": ((1,),), "synergistic": ((0, 1),)}
    return {atom: answer[node] for atom, node in nodes.items()}


def _solve(pmf: Pmf) -> Solution:
    joint = _joint(pmf)
    broja_cone = import_extra("dit.algorithms.broja_cone", "bench", needed_by="peer 'dit-cone'")
    import_extra("ecos", "bench", needed_by="peer 'dit-cone'")
    kept: list[Any] = []

    class Keeping(broja_cone._BrojaConeSolver):  # type: ignore[name-defined,misc]
        """dit returns the plan only; the multipliers, which prove its lower bound, are read off its solver."""

        def create_model(self) -> None:
            kept.append(self)
            super().create_model()

    with mock.patch.object(broja_cone, "_BrojaConeSolver", Keeping):
        _, meta = broja_cone.broja_cone_solve(joint, [[0], [1]], [2])
    answer = kept[0]
    alphabets = [np.flatnonzero(pmf.p.sum(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    plan = np.zeros(pmf.shape)
    for cell, q in answer.joint_q().items():
        plan[tuple(alphabet[i] for alphabet, i in zip(alphabets, cell, strict=True))] = q
    status = answer.sol_info.get("infostring", "") + ("" if meta["converged"] else ", not converged")
    timing = answer.sol_info["timing"]
    potentials = _potentials(answer, alphabets, pmf)
    return Solution(plan, potentials, status, answer.sol_info.get("iter"), timing["tsetup"] + timing["tsolve"])


def _potentials(found: Any, alphabets: list[Array], pmf: Pmf) -> Potentials:
    """Minus the multipliers of the marginals, which follow those of the cells, pair by pair in order."""
    multipliers = -np.asarray(found.sol_lambda)[len(found.trip_of_idx) :]
    y, t, s = alphabets
    a, b = np.zeros(pmf.p.shape[:2]), np.zeros(pmf.p.shape[::2])
    pairs_t, pairs_s = sorted(found.b_xy), sorted(found.b_xz)
    for (i, j), value in zip(pairs_t, multipliers, strict=False):
        a[y[i], t[j]] = value
    for (i, j), value in zip(pairs_s, multipliers[len(pairs_t) :], strict=True):
        b[y[i], s[j]] = value
    return Potentials(a, b)


PEER = Peer("dit-", estimators)
