"""The union information of pair marginals as they are given: solved by the route that fits them, and certified."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, pairwise

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.estimators.solvers.union.certificate import PerSource, UnionBounds, union_bounds
from pidkd.estimators.solvers.union.chain import Solution, solve_chain
from pidkd.estimators.solvers.union.reduction import NEGLIGIBLE, Reduction
from pidkd.estimators.solvers.union.two_classes import solve_two_classes
from pidkd.result import NATS_PER, Certificate

CELLS_TOGETHER = 2**17
"""Cells of the tables whose bounds are evaluated at once, so that they stay in cache."""


@dataclass(frozen=True)
class Solved:
    """The union information of some sources: a certificate in nats, whose upper bound is the value, and its witnesses.

    Parameters
    ----------
    certificate : Certificate
    potentials : list of arrays, shape (n_y, m_i)
    plan : array, shape (n_y, m_1, .., m_n), optional
        None where the route needs none and none was asked for.
    stats : mapping
        How much work it was.
    """

    certificate: Certificate
    potentials: Sequence[FloatArray]
    plan: FloatArray | None
    stats: Mapping[str, int]


def solve_unions(
    problems: Sequence[PerSource],
    tol: float,
    max_memory: int,
    progress: Callable[[float], None] | None = None,
    plan: bool = False,
    compiled: bool = False,
) -> list[Solved]:
    """Solve many unions; those of one shape together.

    Parameters
    ----------
    problems : sequence of pair marginals
        Of each problem P(y, x_i), shape (n_y, m_i), of two sources or more; every source with the same P(y).
    tol : float
        Gap in bits at which an answer counts as optimal.
    max_memory : int
        Bytes that the solver may use beyond a table itself.
    progress : callable, optional
        Called with the fraction done.
    plan : bool, default False
        Whether the plan is wanted of two classes too, which are solved without.
    compiled : bool, default False
        Whether small tables of two sources go by compiled code, which needs numba.
    """
    nats = tol * NATS_PER["bits"]
    solved: dict[int, Solved] = {}
    left: list[int] = []
    for index, margins in enumerate(problems):
        classes = np.flatnonzero(margins[0].sum(axis=1) > 0)
        if len(classes) == 2:
            solved[index] = _two_classes(margins, classes, nats, plan)
        else:
            left.append(index)
    reduced = [Reduction(problems[index]) for index in left]
    # Half of the gap is left for what lifting back may cost.
    solutions = solve_chain(reduced, nats / 2, max_memory, progress, compiled)
    lifted = [table.lift(each.q, each.a, each.b) for table, each in zip(reduced, solutions, strict=True)]
    certified = _bounds([problems[index] for index in left], lifted)
    for index, proven, solution in zip(left, certified, solutions, strict=True):
        if not proven.upper - proven.lower <= nats and solution.route != "alternating":
            proven = _with_more_set_aside(problems[index], proven, nats, max_memory)
        certificate = _certificate(float(proven.lower), float(proven.upper), nats, max_memory, solution)
        solved[index] = Solved(certificate, proven.potentials, proven.plan, {"iterations": solution.iterations})
    return [solved[index] for index in range(len(problems))]


def _bounds(problems: Sequence[PerSource], witnesses: Sequence[tuple[FloatArray, PerSource]]) -> Iterator[UnionBounds]:
    """The bounds of each problem from its plan and potentials; small ones of one shape that come in a row together."""
    pairs = zip(problems, witnesses, strict=True)
    for shape, alike in groupby(pairs, lambda pair: pair[1][0].shape):
        most = max(1, CELLS_TOGETHER // math.prod(shape))
        while together := list(islice(alike, most)):
            margins = [_stacked(each) for each in zip(*(margins for margins, _ in together), strict=True)]
            plan = _stacked([plan for _, (plan, _) in together])
            potentials = [_stacked(each) for each in zip(*(each for _, (_, each) in together), strict=True)]
            lower, upper, plans, shifted = union_bounds(margins, plan, potentials)
            for i in range(len(together)):
                yield UnionBounds(lower[i], upper[i], plans[i], tuple(each[i] for each in shifted))


def _stacked(arrays: Sequence[FloatArray]) -> FloatArray:
    """The arrays along a new first axis; one alone is not copied."""
    return np.stack(arrays) if len(arrays) > 1 else arrays[0][None]


def _with_more_set_aside(margins: PerSource, proven: UnionBounds, tol: float, max_memory: int) -> UnionBounds:
    """The bounds, or closer ones from a solve with more of the small masses set aside."""
    for before, negligible in pairwise(NEGLIGIBLE):
        if not any(((margin >= before) & (margin < negligible)).any() for margin in margins):
            continue
        table = Reduction(margins, negligible)
        (solution,) = solve_chain([table], tol / 2, max_memory)
        closer = union_bounds(margins, *table.lift(solution.q, solution.a, solution.b))
        proven = UnionBounds(
            max(proven.lower, closer.lower),
            min(proven.upper, closer.upper),
            closer.plan if closer.upper < proven.upper else proven.plan,
            closer.potentials if closer.lower > proven.lower else proven.potentials,
        )
        if proven.upper - proven.lower <= tol:
            break
    return proven


def _two_classes(margins: PerSource, classes: Array, tol: float, plan: bool) -> Solved:
    whole = len(classes) == len(margins[0])
    inside = margins if whole else [margin[classes] for margin in margins]
    lower, upper, hull, own = solve_two_classes(inside)
    potentials: Sequence[FloatArray] = own
    witness = None
    if plan:
        proven = union_bounds(inside, hull.plan(inside), potentials)
        lower, upper, witness, potentials = float(proven.lower), float(proven.upper), proven.plan, proven.potentials
    if not whole:
        potentials = [_lifted(each, classes, len(margins[0]), -np.inf) for each in potentials]
        witness = None if witness is None else _lifted(witness, classes, len(margins[0]), 0.0)
    message = "closed form for two classes"
    certificate = Certificate(min(lower, upper), upper, "optimal", message)
    if not upper - lower <= tol:
        certificate = Certificate(lower, upper, "max_iter", f"{message}; loosen tol")
    return Solved(certificate, potentials, witness, {"edges": len(hull.edges)})


def _lifted(values: FloatArray, classes: Array, n_y: int, missing: float) -> FloatArray:
    whole = np.full((n_y, *values.shape[1:]), missing)
    whole[classes] = values
    return whole


def _certificate(lower: float, upper: float, tol: float, max_memory: int, solution: Solution) -> Certificate:
    effort = f"{solution.iterations} iterations, {solution.route} route"
    if upper - lower <= tol:
        return Certificate(lower, upper, "optimal", effort)
    advice = (
        f"Newton's method would need more than max_memory={max_memory:.3g} bytes; raise it, or merge cells"
        if solution.route == "alternating"
        else "loosen tol, or compare with estimator='broja_cvx'"
    )
    return Certificate(lower, upper, "max_iter", f"{effort}; {advice}")
