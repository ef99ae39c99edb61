"""Bertschinger et al.'s examples with every measure of pidkd: gates, and the sum of two correlated dice.

Two dice show the same face with probability lambda more than independent ones would, and Y is their weighted sum. The
paper draws its values as curves and prints no numbers; the truth is ours, certified.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial

from pidkd.benchmarks.papers import Number, Paper, Setting
from pidkd.benchmarks.papers._tables import Masses, every_measure, of_rule

FACES = range(1, 7)


def dice(weight: int, together: Fraction) -> Masses:
    """Y = T + weight S, where the dice fall together with a probability and are independent otherwise."""
    masses: dict[tuple[int, int, int], Fraction] = {}
    for t in FACES:
        for s in FACES:
            mass = (1 - together) / 36 + (together / 6 if t == s else 0)
            if mass:
                masses[t + weight * s, t, s] = mass
    return dict(sorted(masses.items()))


def summed(weight: int, together: Fraction) -> Iterator[Number]:
    """Every measure of a weighted sum of dice."""
    return every_measure(dice(weight, together))


GATES = {
    "XOR": lambda a, b: (a ^ b, a, b),
    "AND": lambda a, b: (a & b, a, b),
    "XORAND": lambda a, b: ((a ^ b, a & b), a, b),
    "copy": lambda a, b: ((a, b), a, b),
}

PAPER = Paper(
    [
        *(Setting(name, "tiny", partial(every_measure, of_rule(rule, 2))) for name, rule in GATES.items()),
        *(
            Setting(
                f"dice, Y = T + {weight} S, together with probability {together}",
                "small",
                partial(summed, weight, together),
            )
            for weight in (1, 6)
            for together in (Fraction(0), Fraction(1, 2), Fraction(1))
        ),
    ]
)
