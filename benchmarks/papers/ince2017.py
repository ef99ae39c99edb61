"""Two and three sources by I_min and BROJA, as printed by the companion code of Ince's I_ccs.

The examples are those of Williams and Beer, of Griffith and Koch, and of Bertschinger et al. Printed are four
decimals. The columns of I_ccs, and the BROJA that the code does not have for three sources, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial

from pidkd.benchmarks.papers import Number, Paper, Setting
from pidkd.benchmarks.papers._tables import Masses, atoms, in_order, lattice_atoms, of_rule, uniform

TWO_SOURCES = "partial-info-decomp, examples2d_output.txt"
THREE_SOURCES = "partial-info-decomp, examples3d_output.txt"


def of_two(make: Callable[[], Masses], i_min: str, broja: str) -> Iterator[Number]:
    """Atoms by both measures."""
    for measure, printed in {"i_min": i_min, "broja": broja}.items():
        yield from atoms(make(), measure, in_order(printed.split()))


def of_three(make: Callable[[], Masses], printed: Mapping[str, str]) -> Iterator[Number]:
    """Atoms of the lattice by I_min."""
    yield from lattice_atoms(make(), "i_min", "i_min", printed)


GATES: dict[str, tuple[Callable[[], Masses], str, str]] = {
    "RDN": (lambda: of_rule(lambda a: (a, a, a), 1), "1.0000 0.0000 0.0000 0.0000", "1.0000 0.0000 0.0000 0.0000"),
    "Williams and Beer, figure 4A": (
        lambda: uniform((0, 0, 0), (1, 0, 1), (2, 1, 0)),
        "0.5850 0.3333 0.3333 0.3333",
        "0.2516 0.6667 0.6667 0.0000",
    ),
    "Williams and Beer, figure 4B": (
        lambda: uniform((0, 0, 0), (1, 0, 1), (1, 1, 1), (2, 1, 0)),
        "0.5000 0.0000 0.5000 0.5000",
        "0.0000 0.5000 1.0000 0.0000",
    ),
    "Williams and Beer, figure 4, modified 1": (
        lambda: uniform((0, 0, 0), (1, 0, 1), (1, 1, 1), (2, 1, 0), (0, 1, 1), (2, 0, 1)),
        "0.0000 0.0000 0.2516 0.6667",
        "0.0000 0.0000 0.2516 0.6667",
    ),
    "Williams and Beer, figure 4, modified 2": (
        lambda: uniform((0, 0, 0), (1, 0, 1), (1, 1, 1), (2, 1, 0), (0, 1, 1)),
        "0.1710 0.0000 0.4000 0.5510",
        "0.0903 0.0806 0.4806 0.4704",
    ),
    "one-bit copy": (
        lambda: of_rule(lambda a, b: (a, a, b), 2),
        "0.0000 1.0000 0.0000 0.0000",
        "0.0000 1.0000 0.0000 0.0000",
    ),
    "two-bit copy, independent": (
        lambda: of_rule(lambda a, b: ((a, b), a, b), 2),
        "1.0000 0.0000 0.0000 1.0000",
        "0.0000 1.0000 1.0000 0.0000",
    ),
    "two-bit copy, redundant": (
        lambda: of_rule(lambda a, u: ((a, u), a, a), 2),
        "1.0000 0.0000 0.0000 0.0000",
        "1.0000 0.0000 0.0000 0.0000",
    ),
    "unequal independent copy": (
        lambda: of_rule(lambda a, b, c: ((a, b, c), (a, b), c), 3),
        "1.0000 1.0000 0.0000 1.0000",
        "0.0000 2.0000 1.0000 0.0000",
    ),
    "OR": (
        lambda: of_rule(lambda a, b: (a | b, a, b), 2),
        "0.3113 0.0000 0.0000 0.5000",
        "0.3113 0.0000 0.0000 0.5000",
    ),
    "XOR": (
        lambda: of_rule(lambda a, b: (a ^ b, a, b), 2),
        "0.0000 0.0000 0.0000 1.0000",
        "0.0000 0.0000 0.0000 1.0000",
    ),
    "AND": (
        lambda: of_rule(lambda a, b: (a & b, a, b), 2),
        "0.3113 0.0000 0.0000 0.5000",
        "0.3113 0.0000 0.0000 0.5000",
    ),
    "AND, its output a source": (
        lambda: of_rule(lambda a, b: (b, a, a & b), 2),
        "0.0000 0.0000 0.3113 0.1887",
        "0.0000 0.0000 0.3113 0.1887",
    ),
    "SUM": (
        lambda: of_rule(lambda a, b: (a + b, a, b), 2),
        "0.5000 0.0000 0.0000 1.0000",
        "0.5000 0.0000 0.0000 1.0000",
    ),
    "RDNXOR": (
        lambda: of_rule(lambda r, u, v: ((r, u ^ v), (r, u), (r, v)), 3),
        "1.0000 0.0000 0.0000 1.0000",
        "1.0000 0.0000 0.0000 1.0000",
    ),
    "IMPERFECTRDN": (
        lambda: {(0, 0, 0): Fraction(4, 10), (0, 0, 1): Fraction(1, 10), (1, 1, 1): Fraction(5, 10)},
        "0.6100 0.3900 0.0000 0.0000",
        "0.6100 0.3900 0.0000 0.0000",
    ),
    "SUBTLE": (
        lambda: uniform((0, 0, 0), (1, 0, 1), (3, 1, 1)),
        "0.5850 0.3333 0.3333 0.3333",
        "0.2516 0.6667 0.6667 0.0000",
    ),
    "XORAND": (
        lambda: of_rule(lambda a, b: ((a ^ b, a & b), a, b), 2),
        "0.5000 0.0000 0.0000 1.0000",
        "0.5000 0.0000 0.0000 1.0000",
    ),
    "RDNUNQXOR": (
        lambda: of_rule(lambda r, a, b, u, v: ((r, a, b, u ^ v), (r, a, u), (r, b, v)), 5),
        "2.0000 0.0000 0.0000 2.0000",
        "1.0000 1.0000 1.0000 1.0000",
    ),
    "reduced OR": (
        lambda: uniform((0, 0, 0), (0, 0, 0), (1, 0, 1), (1, 1, 0)),
        "0.3113 0.0000 0.0000 0.6887",
        "0.3113 0.0000 0.0000 0.6887",
    ),
}
"""Masses, and the atoms printed of I_min and of BROJA."""

LATTICES: dict[str, tuple[Callable[[], Masses], dict[str, str]]] = {
    "RDN, three sources": (lambda: of_rule(lambda a: (a, a, a, a), 1), {"{1}{2}{3}": "1.0000"}),
    "XORDUPLICATE": (lambda: of_rule(lambda a, b: (a ^ b, a, b, a), 2), {"{12}{23}": "1.0000"}),
    "two separate XORs": (
        lambda: of_rule(lambda a, b, c: ((a ^ b, b ^ c), a, b, c), 3),
        {"{12}{13}{23}": "1.0000", "{123}": "1.0000"},
    ),
    "XORLOSES": (lambda: of_rule(lambda a, b: (a ^ b, a, b, a ^ b), 2), {"{3}{12}": "1.0000"}),
    "ANDDUPLICATE": (
        lambda: of_rule(lambda a, b: (a & b, a, b, a), 2),
        {"{1}{2}{3}": "0.3113", "{12}{23}": "0.5000"},
    ),
    "XOR with an independent bit": (
        lambda: of_rule(lambda a, b, c: ((a ^ b, c), a, b, c), 3),
        {"{3}{12}": "1.0000", "{123}": "1.0000"},
    ),
    "XOR, inputs copied": (
        lambda: of_rule(lambda a, b: ((a, b), a, b, a ^ b), 2),
        {"{1}{2}{3}": "1.0000", "{12}{13}{23}": "1.0000"},
    ),
    "parity of three": (lambda: of_rule(lambda a, b, c: (a ^ b ^ c, a, b, c), 3), {"{123}": "1.0000"}),
    "AND of three": (
        lambda: of_rule(lambda a, b, c: (a & b & c, a, b, c), 3),
        {"{1}{2}{3}": "0.1379", "{12}{13}{23}": "0.1556", "{123}": "0.2500"},
    ),
    "XORMULTICOAL": (
        lambda: of_rule(lambda a, b, c: (a ^ b ^ c, (a, b), (a, c), (b, c)), 3),
        {"{12}{13}{23}": "1.0000"},
    ),
}
"""Masses, and the atoms printed of I_min that are not zero."""

PAPER = Paper(
    [
        *(
            Setting(name, "tiny", partial(of_two, make, i_min, broja), TWO_SOURCES)
            for name, (make, i_min, broja) in GATES.items()
        ),
        *(
            Setting(name, "tiny", partial(of_three, make, printed), THREE_SOURCES)
            for name, (make, printed) in LATTICES.items()
        ),
    ]
)
