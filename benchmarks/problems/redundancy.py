"""Measures of redundancy on the same tables: no truth, for each answers a question of its"""

from __future__ import annotations

from functools import partial

from pidkd.benchmarks.problems import Asks, Family, Problem
from pidkd.inputs import Pmf
from pidkd.synthetic import gate, random_pmf


def named(name: str) -> list[Pmf]:
    """One gate."""
    return [gate(name).pmf]


def random(shape: tuple[int, int, int]) -> list[Pmf]:
    """One flat Dirichlet draw."""
    return [random_pmf(shape)]


PROBLEMS = (
    Problem("and", "tiny", partial(named, "and")),
    *(Problem(name, "full", partial(named, name)) for name in ("xor", "rdn", "unq", "sum", "rdnxor", "imperfect_rdn")),
    Problem("random (2,3,3)", "full", partial(random, (2, 3, 3))),
)

FAMILY = Family(PROBLEMS, Asks(Pmf), section="measures")
