"""The chain that does not fail: which Newton system, how many tables together, and what to try when one falls short.

Elimination of the classes and alternating minimisation know two sources only; more go by elimination of the cells.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.estimators.solvers.union.alternating import alternate
from pidkd.estimators.solvers.union.interior_point import Attempt, Best, solve
from pidkd.estimators.solvers.union.iterate import Marginals
from pidkd.estimators.solvers.union.newton_cells import CellSystem
from pidkd.estimators.solvers.union.newton_classes import ClassSystem
from pidkd.estimators.solvers.union.newton_extended import ExtendedSystem
from pidkd.estimators.solvers.union.reduction import Reduction

CHUNK_BYTES = 2**21
"""Tables are solved so many at a time that what Newton's method touches stays in cache."""
EXTENDED_UNKNOWNS = 600
"""The whole system in extended precision is tried up to this size; beyond, it would take minutes."""
SWEEPS = 2000
"""Sweeps of the alternating route."""

SYSTEMS = {
    "cells": [
        Attempt(CellSystem),
        Attempt(CellSystem, clip=True, refine=True, caution=1.0),
        Attempt(CellSystem, weights="root", refine=True),
        Attempt(CellSystem, weights="root", clip=True, refine=True, caution=1.0),
    ],
    "classes": [
        Attempt(ClassSystem),
        Attempt(ClassSystem, clip=True, caution=1.0),
    ],
}
EXTENDED = [
    Attempt(ExtendedSystem, clip=True, caution=1.0),
    Attempt(ExtendedSystem, weights="root"),
]


@dataclass(frozen=True)
class Solution:
    """Solution of the fallback chain for one table, in the layout of its ``Reduction``."""

    q: FloatArray
    a: FloatArray
    b: FloatArray
    route: str
    iterations: int


def solve_chain(
    tables: Sequence[Reduction],
    tol: float,
    max_memory: int,
    progress: Callable[[float], None] | None = None,
    compiled: bool = False,
) -> list[Solution]:
    """Solve every table to a gap of ``tol`` (nats) where any route within ``max_memory`` bytes can.

    Tables of one shape are solved together, small ones of two sources with ``compiled`` one by one. A table that
    Newton's method cannot hold goes by alternating minimisation.
    """
    solutions: list[Solution | None] = [None] * len(tables)
    by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, table in enumerate(tables):
        by_shape[table.shape].append(index)
    done = 0
    for shape, indices in by_shape.items():
        together = max(1, CHUNK_BYTES // needed_memory(shape)["cells"])
        for start in range(0, len(indices), together):
            chunk = indices[start : start + together]
            for index, solution in zip(
                chunk, _solve([tables[i] for i in chunk], max_memory, tol, progress, compiled), strict=True
            ):
                solutions[index] = solution
            done += len(chunk)
            if progress is not None:
                progress(done / len(tables))
    return [solution for solution in solutions if solution is not None]


def _solve(
    tables: list[Reduction], max_memory: int, tol: float, progress: Callable[[float], None] | None, compiled: bool
) -> list[Solution]:
    route = _routes(tables[0].shape, max_memory)[0]
    if route == "alternating":
        within = progress if len(tables) == 1 else None
        return [
            Solution(q, a, b, route, done)
            for q, a, b, done in (alternate(table.yt, table.ys, tol, SWEEPS, within) for table in tables)
        ]
    yt, ys = (np.stack([getattr(table, name) for table in tables]) for name in ("yt", "ys"))
    marginals = Marginals(yt, ys, tables[0].sizes)
    best = Best.start(marginals)
    if compiled and route == "cells" and len(marginals.sizes) == 1:
        _solve_compiled(marginals, best, tol)
    for attempt in _attempts(tables[0].shape, max_memory):
        if (best.gap <= tol).all():
            break
        solve(marginals, best, tol, attempt)
    return [Solution(best.q[i], best.a[i], best.b[i], route, int(best.iterations[i])) for i in range(len(tables))]


def _solve_compiled(marginals: Marginals, best: Best, tol: float) -> None:
    """Run the compiled attempt on every member, if they are small; what is found goes into ``best``."""
    from pidkd.estimators.solvers.union.compiled import MOST_UNKNOWNS, attempt

    if math.prod(marginals.ys.shape[1:]) > MOST_UNKNOWNS:
        return
    for i in range(len(marginals)):
        yt, ys = np.ascontiguousarray(marginals.yt[i]), np.ascontiguousarray(marginals.ys[i])
        start = marginals.a[i].copy(), marginals.b[i].copy()
        best.upper[i], best.lower[i], best.q[i], best.a[i], best.b[i], best.iterations[i] = attempt(
            yt, ys, *start, marginals.pinned[i], tol
        )


def _attempts(shape: tuple[int, ...], max_memory: int) -> list[Attempt]:
    """Attempts on tables of a shape, in order: the quickest system that fits, the other one, extended precision."""
    attempts = [attempt for route in _routes(shape, max_memory) for attempt in SYSTEMS[route]]
    return attempts + (EXTENDED if shape[0] * sum(shape[1:]) <= EXTENDED_UNKNOWNS else [])


def _routes(shape: tuple[int, ...], max_memory: int) -> list[str]:
    """The routes that fit, quickest first; the constants are ratios of measured times per operation."""
    memory = needed_memory(shape)
    if len(shape) > 3:
        return ["cells"]
    n_y, n_t, n_s = shape
    cells = n_y**3 * n_t * n_s**2 / 2 + (n_y * n_s) ** 3 / 6
    classes = 1e6 + 1.6 * (n_y * n_s * (n_t * n_s) ** 2 / 2 + (n_t * n_s) ** 3 / 6)
    fitting = [route for _, route in sorted([(cells, "cells"), (classes, "classes")]) if memory[route] <= max_memory]
    return fitting or ["alternating"]


def needed_memory(shape: tuple[int, ...]) -> dict[str, int]:
    """Bytes that each route of Newton's method holds at its peak.

    Parameters
    ----------
    shape : tuple of int
        As of ``Reduction``: classes, cells of the largest source, cells of each other.
    """
    n_y, n_t, *others = shape
    table, side = n_y * n_t * math.prod(others), sum(others)
    if len(others) > 1:
        return {"cells": 8 * (20 * table + 2 * n_y**2 * n_t * side + 3 * (n_y * side) ** 2)}
    return {
        "cells": 8 * (2 * n_y * table + 10 * table + 3 * (n_y * side) ** 2),
        "classes": 8 * (12 * table + 2 * (n_t * side) ** 2 + 2**23),
    }
