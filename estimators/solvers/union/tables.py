"""BROJA of tables as they are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.union.solving import solve_unions
from pidkd.info import information
from pidkd.pid import Raw
from pidkd.result import Certificate


def decompose_tables(
    tables: Sequence[FloatArray],
    tol: float,
    max_memory: int,
    progress: Callable[[float], None] | None = None,
    plan: bool = False,
    compiled: bool = False,
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
    plan : bool, default False
        Whether the plan is wanted of two classes too, which are solved without.
    compiled : bool, default False
        Whether small tables go by compiled code, which needs numba.
    """
    pairs = [(p.sum(axis=2), p.sum(axis=1)) for p in tables]
    raws = []
    unions = solve_unions(pairs, tol, max_memory, progress, plan, compiled)
    for p, pair, solved in zip(tables, pairs, unions, strict=True):
        known, union = information(p, pair), solved.certificate
        # No union is below what one source says: a bound that is, is so by rounding.
        lower, upper = (max(bound, known.t, known.s) - known.s for bound in (union.lower, union.upper))
        certificate = Certificate(lower, upper, union.status, union.message)
        a, b = solved.potentials
        raw = Raw(certificate.upper, known, certificate, plan=solved.plan, potentials=(a, b), stats=solved.stats)
        raws.append(raw)
    return raws
