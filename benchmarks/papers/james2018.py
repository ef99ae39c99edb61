"""The package dit: what its tests and its documentation print of its example distributions.

dit's measures are compared with pidkd's of the same name. Its real data sets (the Titanic, cars, votes, penguins,
chorales) are fetched from the network when they are asked for, which no command of pidkd does, so they have no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from math import log2

from pidkd.benchmarks.papers import Number, Paper, Setting
from pidkd.benchmarks.papers._tables import Masses, atoms, lattice_atoms, of_rule, uniform

ATOMS = ("redundant", "unique_t", "unique_s", "synergistic")

IMPERFECT: Masses = {(0, 0, 0): Fraction(499, 1000), (0, 0, 1): Fraction(1, 1000), (1, 1, 1): Fraction(1, 2)}
PROB_1 = uniform((0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 0, 1), (0, 1, 0))
REDUCED_OR = uniform((0, 0, 0), (0, 0, 0), (1, 0, 1), (1, 1, 0))
POINTWISE = uniform((1, 0, 1), (1, 1, 0), (2, 0, 2), (2, 2, 0))
CORRELATED: Masses = {(a, a, b): Fraction(35 if a == b else 15, 100) for a in (0, 1) for b in (0, 1)}

TWO: dict[str, tuple[Callable[[], Masses], str, dict[str, str | float], str]] = {
    "imperfect redundancy": (
        lambda: IMPERFECT,
        "gk",
        dict(zip(ATOMS, ("0.0", "1.0", "0.98959", "-0.98959"), strict=True)),
        "test_iwedge.py",
    ),
    "problem 1, mmi": (
        lambda: PROB_1,
        "mmi",
        dict(zip(ATOMS, ("0.019973094021", "0.150977500432", "0.0", "0.0"), strict=True)),
        "test_immi.py",
    ),
    "problem 1, i_min": (
        lambda: PROB_1,
        "i_min",
        dict(zip(ATOMS, ("0.019973094021", "0.150977500432", "0.0", "0.0"), strict=True)),
        "test_imin.py",
    ),
    "differs from the projection": (
        lambda: uniform((0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 1, 0)),
        "broja",
        dict(zip(ATOMS, ("0.1226", "0.1887", "0.1887", "0.0000"), strict=True)),
        "test_ibroja.py",
    ),
    "reduced or": (
        lambda: REDUCED_OR,
        "broja",
        dict(zip(ATOMS, ("0.3113", "0.0000", "0.0000", "0.6887"), strict=True)),
        "docs/measures/pid.rst",
    ),
    "two-bit copy": (
        lambda: of_rule(lambda a, b: ((a, b), a, b), 2),
        "i_min",
        dict(zip(ATOMS, ("1.0000", "0.0000", "0.0000", "1.0000"), strict=True)),
        "docs/measures/pid.rst",
    ),
    "pointwise unique": (lambda: POINTWISE, "sx", dict(zip(ATOMS, (0.0, 0.5, 0.5, 0.0), strict=True)), "test_isx.py"),
    "reduced or, sx": (
        lambda: REDUCED_OR,
        "sx",
        {
            "redundant": log2(4 / 3) / 2 - 1 / 2,
            "unique_t": log2(4 / 3) / 2 + log2(3) / 4,
            "unique_s": log2(4 / 3) / 2 + log2(3) / 4,
            "synergistic": log2(9 / 8) / 2,
        },
        "test_isx.py",
    ),
    "and": (
        lambda: of_rule(lambda a, b: (a & b, a, b), 2),
        "blackwell",
        dict(zip(ATOMS, ("0.311", "0.0", "0.0", "0.5"), strict=True)),
        "test_iprec.py",
    ),
    "sum": (
        lambda: of_rule(lambda a, b: (a + b, a, b), 2),
        "blackwell",
        dict(zip(ATOMS, ("0.5", "0.0", "0.0", "1.0"), strict=True)),
        "test_iprec.py",
    ),
    "unique, correlated": (lambda: CORRELATED, "blackwell", {"redundant": "0.119"}, "test_iprec.py"),
}
"""Masses, measure, printed atoms, and where."""

SUM_OF_THREE = {"{1}{2}{3}": "0.311278124459", "{12}{13}{23}": "0.5", "{123}": "1.0"}
WEDGE_OF_THREE = {
    **dict.fromkeys(("{123}", "{1}", "{2}", "{3}"), "0.311278124459"),
    **dict.fromkeys(("{12}", "{13}", "{23}"), "0.188721875540"),
}


def of_two(make: Callable[[], Masses], measure: str, printed: dict[str, str | float], where: str) -> Iterator[Number]:
    """Atoms of two sources."""
    source = f"dit, {where}" if "/" in where else f"dit, tests/pid/{where}"
    return atoms(make(), measure, printed, source=source)


def of_three(measure: str, printed: dict[str, str]) -> Iterator[Number]:
    """Atoms of the sum of three bits."""
    return lattice_atoms(of_rule(lambda a, b, c: (a + b + c, a, b, c), 3), measure, measure, printed)


PAPER = Paper(
    [
        *(Setting(name, "tiny", partial(of_two, *row)) for name, row in TWO.items()),
        *(
            Setting(f"sum of three, {measure}", "tiny", partial(of_three, measure, printed), f"dit, tests/pid/{where}")
            for measure, printed, where in (
                ("mmi", SUM_OF_THREE, "test_immi.py"),
                ("i_min", SUM_OF_THREE, "test_imin.py"),
                ("gk", WEDGE_OF_THREE, "test_iwedge.py"),
            )
        ),
    ]
)
