"""BROJA of tables as they are given: reduced, solved by the chain, lifted back, and certified."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.union.certificate import Bounds, bounds
from pidkd.estimators.solvers.union.chain import Solution, solve_chain
from pidkd.estimators.solvers.union.reduction import Reduction
from pidkd.info import information
from pidkd.pid import Raw
from pidkd.result import Certificate


def decompose_tables(
    tables: Sequence[FloatArray], tol: float, max_memory: int, progress: Callable[[float], None] | None = None
) -> list[Raw]:
    """BROJA of each table.

    Parameters
    ----------
    tables : sequence of arrays, shape (n_y, n_t, n_s)
        Probabilities.
    tol : float
        Gap in bits at which an answer counts as optimal.
    max_memory : int
        Bytes that the solver may use beyond a table itself.
    progress : callable, optional
        Called with the fraction done.
    """
    reduced = [Reduction(p) for p in tables]
    raws = []
    # Half of the gap is left for what lifting back may cost.
    solutions = solve_chain(reduced, tol * math.log(2) / 2, max_memory, progress)
    for p, table, solution in zip(tables, reduced, solutions, strict=True):
        proven = bounds(p, *table.lift(solution.q, solution.a, solution.b))
        certificate = _certificate(proven, tol * math.log(2), max_memory, solution)
        raws.append(
            Raw(
                proven.upper,
                information(p),
                certificate,
                plan=proven.plan,
                potentials=proven.potentials,
                stats={"iterations": solution.iterations},
            )
        )
    return raws


def _certificate(proven: Bounds, tol: float, max_memory: int, solution: Solution) -> Certificate:
    effort = f"{solution.iterations} iterations, {solution.route} route"
    if proven.upper - proven.lower <= tol:
        return Certificate(proven.lower, proven.upper, "optimal", effort)
    advice = (
        f"Newton's method would need more than max_memory={max_memory:.3g} bytes; raise it, or merge cells"
        if solution.route == "alternating"
        else "loosen tol, or compare with estimator='broja_cvx'"
    )
    return Certificate(proven.lower, proven.upper, "max_iter", f"{effort}; {advice}")
