"""Clarabel and ECOS called directly, without a modelling language: conic-<solver>-<formulation>, and -tight.

The exponential cone holds (r, q, w) with q exp(r / q) <= w, so r <= -q log(q / w); minimise -sum r subject to the
marginals of q, where w is either a variable with the equation w = q_ts ("aux") or that sum itself ("inline"). "-tight"
asks for tolerances of 1e-11, the others run at their defaults.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from pidkd.arrays import FloatArray
from pidkd.benchmarks.peers import BROJA_OF_TABLES, ConvexPeer, Peer, Solution
from pidkd.errors import import_extra
from pidkd.estimators.solvers.union.marginals import MarginalEquations
from pidkd.inputs import Pmf

TIGHT = 1e-11


def estimators() -> dict[str, ConvexPeer]:
    """Each solver with both formulations, at its default tolerances and at tight ones."""
    solves = {"aux": BROJA_OF_TABLES, "inline": replace(BROJA_OF_TABLES, variant=True)}
    return {
        f"conic-{solver}-{form}{'-tight' if tight else ''}": ConvexPeer(partial(solve, form, tight), solves[form])
        for solver, solve in (("clarabel", _clarabel), ("ecos", _ecos))
        for form in ("aux", "inline")
        for tight in (False, True)
    }


class _Program:
    """Minimise cost x subject to equations x = rhs and (r, q, w) = cone x in exponential cones, for x = (r, q, ...)."""

    def __init__(self, marginals: MarginalEquations, formulation: str) -> None:
        n_blocks, n = marginals.sum_y.shape
        identity, spread = sparse.identity(n, format="csc"), marginals.sum_y.T
        n_totals = n_blocks if formulation == "aux" else 0
        no_r, no_totals = sparse.csc_matrix((len(marginals.rhs), n)), sparse.csc_matrix((len(marginals.rhs), n_totals))
        self.n = n
        self.cost = np.concatenate([-np.ones(n), np.zeros(n + n_totals)])
        self.equations = sparse.hstack([no_r, marginals.matrix, no_totals])
        self.rhs = marginals.rhs
        r = sparse.hstack([identity, sparse.csc_matrix((n, n + n_totals))])
        q = sparse.hstack([sparse.csc_matrix((n, n)), identity, sparse.csc_matrix((n, n_totals))])
        if formulation == "aux":
            tie = [sparse.csc_matrix((n_blocks, n)), marginals.sum_y, -sparse.identity(n_blocks)]
            self.equations = sparse.vstack([self.equations, sparse.hstack(tie)])
            self.rhs = np.concatenate([self.rhs, np.zeros(n_blocks)])
            w = sparse.hstack([sparse.csc_matrix((n, 2 * n)), spread])
        else:
            w = sparse.hstack([sparse.csc_matrix((n, n)), spread @ marginals.sum_y])
        self.rows = [sparse.csc_matrix(rows) for rows in (r, q, w)]

    def cone(self, order: tuple[int, int, int]) -> sparse.csc_matrix:
        """The rows of every cone together, its three members in the order that a solver wants."""
        stacked = sparse.vstack([self.rows[member] for member in order], format="csr")
        interleaved = np.arange(3 * self.n).reshape(3, self.n).T.ravel()
        return sparse.csc_matrix(stacked[interleaved])

    def q(self, x: FloatArray) -> FloatArray:
        return x[self.n : 2 * self.n]


def _clarabel(formulation: str, tight: bool, pmf: Pmf) -> Solution:
    clarabel = import_extra("clarabel", "cvx", needed_by="solver 'conic-clarabel'")
    marginals = MarginalEquations(pmf.p)
    program = _Program(marginals, formulation)
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    if tight:
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = TIGHT
    rows = sparse.csc_matrix(sparse.vstack([program.equations, -program.cone((0, 1, 2))]))
    right = np.concatenate([program.rhs, np.zeros(3 * program.n)])
    cones = [clarabel.ZeroConeT(len(program.rhs)), *[clarabel.ExponentialConeT()] * program.n]
    size = len(program.cost)
    solver = clarabel.DefaultSolver(sparse.csc_matrix((size, size)), program.cost, rows, right, cones, settings)
    answer = solver.solve()
    multipliers = np.array(answer.z)[: len(marginals.rhs)]
    plan, potentials = marginals.plan(program.q(np.array(answer.x))), marginals.potentials(multipliers)
    return Solution(plan, potentials, str(answer.status), answer.iterations, answer.solve_time)


def _ecos(formulation: str, tight: bool, pmf: Pmf) -> Solution:
    ecos = import_extra("ecos", "bench", needed_by="solver 'conic-ecos'")
    marginals = MarginalEquations(pmf.p)
    program = _Program(marginals, formulation)
    cone = -program.cone((0, 2, 1))
    options: dict[str, Any] = {"abstol": TIGHT, "reltol": TIGHT, "feastol": TIGHT} if tight else {}
    answer = ecos.solve(
        program.cost,
        cone,
        np.zeros(3 * program.n),
        {"l": 0, "q": [], "e": program.n},
        sparse.csc_matrix(program.equations),
        program.rhs,
        verbose=False,
        **options,
    )
    info = answer["info"]
    plan = marginals.plan(program.q(answer["x"]))
    potentials = marginals.potentials(answer["y"][: len(marginals.rhs)])
    seconds = info["timing"]["tsetup"] + info["timing"]["tsolve"]
    return Solution(plan, potentials, info["infostring"], info["iter"], seconds)


PEER = Peer("conic-", estimators)
