"""The gates of shared exclusions, of two and of three sources.

Makkeh, Gutknecht and Wibral give the pointwise atoms of their gates as logarithms of fractions, in the tests of their
package SxPID. Published here are the means of these logarithms; the truth is the definition, evaluated in fractions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial

from pidkd import decompose_lattice
from pidkd.antichains import lattice
from pidkd.benchmarks.papers import CLOSED_FORM, Number, Paper, Setting
from pidkd.benchmarks.papers._tables import Masses, Outcome, of_rule, pmf, uniform

TWO = ("{1}", "{2}", "{12}", "{1}{2}")
_FIRST = ("{1}", "{2}", "{3}", "{12}", "{13}", "{23}", "{123}", "{1}{2}", "{1}{3}", "{1}{23}", "{2}{3}")
THREE = (*_FIRST, "{2}{13}", "{3}{12}", "{12}{13}", "{12}{23}", "{13}{23}", "{1}{2}{3}", "{12}{13}{23}")
"""Antichains in the order of the printed values."""

Printed = Mapping[Outcome | None, str]
"""Fractions whose logarithms are the pointwise atoms, by outcome (y, x1, ...); None stands for every other outcome."""


def definition(masses: Masses) -> dict[str, float]:
    """Mean atoms in bits: every probability is a fraction, summed over the outcomes of its event."""
    n = len(next(iter(masses))) - 1
    order = lattice(n)
    redundancies = []
    for antichain in order.antichains:
        members = [[i for i in range(n) if sources >> i & 1] for sources in antichain]
        terms = []
        for outcome, mass in masses.items():
            told = {
                other: of
                for other, of in masses.items()
                if any(all(other[i + 1] == outcome[i + 1] for i in member) for member in members)
            }
            both = sum((of for other, of in told.items() if other[0] == outcome[0]), Fraction(0))
            of_y = sum((of for other, of in masses.items() if other[0] == outcome[0]), Fraction(0))
            terms.append(float(mass) * math.log2(both / sum(told.values(), Fraction(0)) / of_y))
        redundancies.append(math.fsum(terms))
    return dict(zip(order.labels, (order.moebius @ redundancies).tolist(), strict=True))


def numbers(make: Callable[[], Masses], printed: Printed, antichains: tuple[str, ...]) -> Iterator[Number]:
    """Mean atoms of a gate."""
    masses = make()
    ours, truths = decompose_lattice(pmf(masses), measure="sx").atoms, definition(masses)
    for place, antichain in enumerate(antichains):
        logarithms = (
            float(mass) * math.log2(Fraction(printed.get(outcome, printed.get(None, "")).split()[place]))
            for outcome, mass in masses.items()
        )
        yield Number(antichain, ours[antichain], math.fsum(logarithms), truths[antichain], CLOSED_FORM)


UNIQUE = "3/2 3/2 4/3 4/3"
"""Printed of every outcome of several gates of independent bits."""

GATES: dict[str, tuple[Callable[[], Masses], Printed]] = {
    "Xor": (lambda: of_rule(lambda a, b: (a ^ b, a, b), 2), {None: "3/2 3/2 4/3 2/3"}),
    "And": (
        lambda: of_rule(lambda a, b: (a & b, a, b), 2),
        {
            (0, 0, 0): "1 1 1 4/3",
            (0, 0, 1): "3/2 3/4 4/3 8/9",
            (0, 1, 0): "3/4 3/2 4/3 8/9",
            (1, 1, 1): "3/2 3/2 4/3 4/3",
        },
    ),
    "Unq": (lambda: of_rule(lambda a, b: (a, a, b), 2), {None: "3/2 3/4 4/3 4/3"}),
    "Rnd": (lambda: of_rule(lambda a: (a, a, a), 1), {None: "1 1 1 2"}),
    "Copy": (lambda: of_rule(lambda a, b: ((a, b), a, b), 2), {None: UNIQUE}),
    "(S1, Xor)": (lambda: of_rule(lambda a, b: ((a, a ^ b), a, b), 2), {None: UNIQUE}),
    "(S2, Xor)": (lambda: of_rule(lambda a, b: ((a ^ b, b), a, b), 2), {None: UNIQUE}),
    "PwUnq": (
        lambda: uniform((1, 0, 1), (1, 1, 0), (2, 0, 2), (2, 2, 0)),
        {(1, 0, 1): "1 2 1 1", (2, 0, 2): "1 2 1 1", (1, 1, 0): "2 1 1 1", (2, 2, 0): "2 1 1 1"},
    ),
    "RndErr": (
        lambda: {
            (0, 0, 0): Fraction(3, 8),
            (1, 1, 1): Fraction(3, 8),
            (0, 0, 1): Fraction(1, 8),
            (1, 1, 0): Fraction(1, 8),
        },
        {
            (0, 0, 0): "5/4 15/16 16/15 8/5",
            (1, 1, 1): "5/4 15/16 16/15 8/5",
            (0, 0, 1): "7/4 7/16 16/7 8/7",
            (1, 1, 0): "7/4 7/16 16/7 8/7",
        },
    ),
    "RndUnqXor": (
        lambda: of_rule(lambda r, a, b, u, v: ((r, a, b, u ^ v), (r, a, u), (r, b, v)), 5),
        {None: "7/4 7/4 16/7 16/7"},
    ),
    "Sum": (
        lambda: of_rule(lambda a, b: (a + b, a, b), 2),
        {None: UNIQUE, (1, 0, 1): "3/2 3/2 4/3 2/3", (1, 1, 0): "3/2 3/2 4/3 2/3"},
    ),
    "ReducedOr": (
        lambda: uniform((0, 0, 0), (0, 0, 0), (1, 0, 1), (1, 1, 0)),
        {(0, 0, 0): "4/3 4/3 9/8 1", (1, 0, 1): "1 3 1 2/3", (1, 1, 0): "3 1 1 2/3"},
    ),
    "RndXor": (lambda: of_rule(lambda r, u, v: ((r, u ^ v), (r, u), (r, v)), 3), {None: UNIQUE}),
    "Williams and Beer A": (
        lambda: uniform((0, 0, 0), (1, 0, 1), (2, 1, 0)),
        {(0, 0, 0): "3/2 3/2 4/3 1", (1, 0, 1): "1 2 1 3/2", (2, 1, 0): "2 1 1 3/2"},
    ),
    "Williams and Beer B": (
        lambda: uniform((0, 0, 0), (1, 0, 1), (2, 1, 0), (1, 1, 1)),
        {None: UNIQUE, (1, 0, 1): "3/4 3/2 4/3 4/3", (1, 1, 1): "3/4 3/2 4/3 4/3"},
    ),
    "Williams and Beer C": (
        lambda: uniform((0, 0, 0), (1, 0, 1), (2, 0, 1), (2, 1, 0), (0, 1, 1), (1, 1, 1)),
        {
            (0, 0, 0): "4/3 2 3/2 3/4",
            (1, 0, 1): "5/6 5/4 6/5 6/5",
            (2, 0, 1): "5/3 5/4 6/5 3/5",
            (2, 1, 0): "4/3 2 3/2 3/4",
            (0, 1, 1): "5/3 5/4 6/5 3/5",
            (1, 1, 1): "5/6 5/4 6/5 6/5",
        },
    ),
    "TriHash": (
        lambda: of_rule(lambda a, b, c: (a ^ b ^ c, a, b, c), 3),
        {None: "5/4 5/4 5/4 9/8 9/8 9/8 32/27 7/8 7/8 32/35 7/8 32/35 32/35 16/15 16/15 16/15 8/7 875/1024"},
    ),
    "TriRnd": (lambda: of_rule(lambda a: (a, a, a, a), 1), {None: "1 " * 16 + "2 1"}),
    "DblXor": (
        lambda: of_rule(lambda a, b, c: ((a ^ b, b ^ c), a, b, c), 3),
        {None: "5/4 5/4 5/4 9/8 9/8 9/8 32/27 7/6 7/6 36/35 7/6 36/35 36/35 16/15 16/15 16/15 4/7 875/864"},
    ),
    "XorCopy": (
        lambda: of_rule(lambda a, b: ((a, b), a, b, a ^ b), 2),
        {None: "1 1 1 1 1 1 1 4/3 4/3 9/8 4/3 9/8 9/8 1 1 1 1 32/27"},
    ),
}
"""Masses of each gate, and the fractions printed of its outcomes."""

PAPER = Paper(
    [
        Setting(
            name,
            "tiny",
            partial(numbers, make, printed, THREE if name.startswith(("Tri", "Dbl", "XorCopy")) else TWO),
            "SxPID, testing/test_gates.py",
        )
        for name, (make, printed) in GATES.items()
    ]
)
