"""Union information of three sources and more by size, and of two classes by the number of cells.

The tables are pair marginals of flat Dirichlet draws. ``maxent3d`` is MAXENT3D_PID of Makkeh, Chicharro, Theis and
Vicente, which knows three sources and lies in a folder that the user names; it solves four programs, of which the
union information is one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.benchmarks.peers import from_folder
from pidkd.benchmarks.problems import Family, Problem, Size

Tables = Sequence[FloatArray]
TOL = 1e-9
REPEATED_BELOW = 2.0
"""Seconds above which one run is enough."""


def dirichlet(n_y: int, cells: Sequence[int], n_systems: int = 1) -> Sequence[Tables]:
    """Pair marginals p(y, x_i) with flat p(y) and p(x_i|y)."""
    systems = []
    for seed in range(n_systems):
        rng = np.random.default_rng(seed)
        p_y = rng.dirichlet(np.ones(n_y))
        systems.append([rng.dirichlet(np.ones(size), size=n_y) * p_y[:, None] for size in cells])
    return systems


def measure(contestant: str, data: Sequence[Any], device: str) -> dict[str, Any]:
    """CPU and wall seconds for all systems, the largest certified gap, and the mean union in bits."""
    if contestant == "maxent3d" and len(data[0]) != 3:
        return {"status": "skipped", "message": "it knows three sources, no more and no less"}
    solve = {"union_information": _certified, "maxent3d": _maxent3d}[contestant]
    solve(data[0])  # imports, and what a first call sets up
    moments: list[tuple[float, float]] = []
    answers: list[tuple[float, float | None]] = []
    while len(moments) < 5 and sum(wall for _, wall in moments) < REPEATED_BELOW:
        cpu, wall = time.process_time(), time.perf_counter()
        answers = [solve(tables) for tables in data]
        moments.append((time.process_time() - cpu, time.perf_counter() - wall))
    gaps = [gap for _, gap in answers if gap is not None]
    return {
        "status": "solved",
        "members": len(data),
        "certified": sum(gap <= TOL for gap in gaps),
        "gap": max(gaps) if gaps else None,
        "estimate": {"union": float(np.mean([value for value, _ in answers]))},
        "cpu": statistics.median(cpu for cpu, _ in moments),
        "wall": statistics.median(wall for _, wall in moments),
        "repeats": len(moments),
    }


def _certified(tables: Tables) -> tuple[float, float | None]:
    from pidkd.ensemble import union_information

    result = union_information(list(tables))
    return result.value, result.certificate.gap


def _maxent3d(tables: Tables) -> tuple[float, float | None]:
    peer = from_folder("MAXENT3D_PID")
    p_y = tables[0].sum(axis=1)
    joint = np.einsum("ya,yb,yc->yabc", *tables) / (p_y**2)[:, None, None, None]
    cells = product(*map(range, joint.shape))
    answer = peer.pid({cell: float(joint[cell]) for cell in cells if joint[cell] > 0}, output=0)
    p_x = joint.sum(axis=0)
    together = float((joint * np.log2(joint / (p_y[:, None, None, None] * p_x))).sum())
    return together - float(answer["CI"]), None


def _problem(n_y: int, cells: Sequence[int], size: Size, n_systems: int = 1) -> Problem:
    name = f"({n_y}; {', '.join(f'{cell:,}' for cell in cells)})"
    if n_systems > 1:
        name = f"{n_systems} of {name}"
    return Problem(name, size, partial(dirichlet, n_y, cells, n_systems))


PROBLEMS = (
    _problem(4, (4, 4, 4), "tiny", 5),
    _problem(10, (10,) * 3, "small"),
    _problem(10, (6,) * 4, "small"),
    _problem(10, (10,) * 4, "small"),
    _problem(4, (4,) * 5, "small"),
    _problem(10, (20,) * 3, "small"),
    _problem(2, (100_000,) * 2, "small"),
    _problem(10, (30,) * 3, "full"),
    _problem(10, (10,) * 5, "full"),
    _problem(2, (100_000,) * 3, "full"),
    _problem(2, (1_000_000,) * 2, "full"),
)

FAMILY = Family(PROBLEMS, section="speed", names=("union_information", "maxent3d"), measure=measure)
