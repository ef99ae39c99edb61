"""dit's cone program for BROJA, solved by ECOS: dit-cone."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np

from pidkd.benchmarks.peers import Answer, Solver, one_by_one
from pidkd.errors import import_extra
from pidkd.estimators.solvers.union.certificate import Potentials
from pidkd.inputs import Array, Pmf

PREFIX = "dit-"


def solvers() -> dict[str, Solver]:
    """One: ``dit.algorithms.broja_cone.broja_cone_solve``, what ``PID_BROJA(..., method='cone')`` stands on."""
    return {"dit-cone": one_by_one(_solve)}


def _solve(pmf: Pmf) -> Answer:
    dit = import_extra("dit", "bench", needed_by="solver 'dit-cone'")
    broja_cone = import_extra("dit.algorithms.broja_cone", "bench", needed_by="solver 'dit-cone'")
    import_extra("ecos", "bench", needed_by="solver 'dit-cone'")
    kept: list[Any] = []

    class Keeping(broja_cone._BrojaConeSolver):  # type: ignore[name-defined,misc]
        """dit returns the plan only; the multipliers, which prove its lower bound, are read off its solver."""

        def create_model(self) -> None:
            kept.append(self)
            super().create_model()

    # dit orders sources first, and drops cells of mass zero by itself.
    table = np.moveaxis(pmf.p, 0, 2)
    outcomes = [tuple(int(i) for i in cell) for cell in np.argwhere(table > 0)]
    joint = dit.Distribution(outcomes, table[table > 0])
    with mock.patch.object(broja_cone, "_BrojaConeSolver", Keeping):
        _, meta = broja_cone.broja_cone_solve(joint, [[0], [1]], [2])
    found = kept[0]
    alphabets = [np.flatnonzero(pmf.p.sum(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    plan = np.zeros(pmf.shape)
    for cell, q in found.joint_q().items():
        plan[tuple(alphabet[i] for alphabet, i in zip(alphabets, cell, strict=True))] = q
    status = found.sol_info.get("infostring", "") + ("" if meta["converged"] else ", not converged")
    timing = found.sol_info["timing"]
    potentials = _potentials(found, alphabets, pmf)
    return Answer.certified(
        pmf, plan, potentials, status, timing["tsetup"] + timing["tsolve"], found.sol_info.get("iter")
    )


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
