"""Tables of two and three sources from rules, and what each measure of pidkd says of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from pidkd import decompose, decompose_lattice, get_estimator, list_estimators
from pidkd.benchmarks.papers import CERTIFIED, SUM, Number
from pidkd.inputs import Pmf
from pidkd.result import ATOMS

Outcome = tuple[Hashable, ...]
Masses = Mapping[Outcome, Fraction]
"""Mass of each outcome (y, x1, x2, ...)."""

BIVARIATE = {"redundant": "{1}{2}", "unique_t": "{1}", "unique_s": "{2}", "synergistic": "{12}"}
"""Antichain of each atom of two sources."""


def of_rule(rule: Callable[..., Outcome], n_bits: int) -> dict[Outcome, Fraction]:
    """Masses of a function of independent fair bits."""
    masses: dict[Outcome, Fraction] = {}
    for index in np.ndindex(*(2,) * n_bits):
        outcome = rule(*map(int, index))
        masses[outcome] = masses.get(outcome, Fraction(0)) + Fraction(1, 2**n_bits)
    return masses


def uniform(*outcomes: Outcome) -> dict[Outcome, Fraction]:
    """Equal masses of outcomes, as often as each is named."""
    masses: dict[Outcome, Fraction] = {}
    for outcome in outcomes:
        masses[outcome] = masses.get(outcome, Fraction(0)) + Fraction(1, len(outcomes))
    return masses


def pmf(masses: Masses) -> Pmf:
    """Table of the masses; the labels of each variable in the order of their first appearance."""
    labels = [list(dict.fromkeys(values)) for values in zip(*masses, strict=True)]
    p = np.zeros([len(values) for values in labels])
    for outcome, mass in masses.items():
        p[tuple(values.index(label) for values, label in zip(labels, outcome, strict=True))] += float(mass)
    return Pmf(p)


def entropy(*masses: float) -> float:
    """Entropy in bits."""
    return -math.fsum(mass * math.log2(mass) for mass in masses if mass)


@cache
def measures() -> tuple[str, ...]:
    """Names of pidkd's own measures of tables of two sources, each once."""
    classes = {name: get_estimator(name, "pid") for name in list_estimators("pid")}
    return tuple(
        name
        for name, cls in classes.items()
        if Pmf in cls.accepts and not cls.requires and not cls.cross_check and cls.certifies
    )


def atoms(
    masses: Masses,
    measure: str,
    printed: Mapping[str, str | float] | None = None,
    truths: Mapping[str, float] | None = None,
    source: str = "",
) -> Iterator[Number]:
    """The four atoms of a measure.

    Without a closed form the truth is our own answer, which is a finite sum, or an optimum between certified bounds.
    """
    result = decompose(pmf(masses), estimator=measure)
    exact = result.certificate.status == "exact"
    for atom in ATOMS:
        value, interval = getattr(result, atom), result.bounds(atom)
        known = SUM if exact else CERTIFIED if result.certificate.gap <= 1e-9 else ""
        truth = value if known else None
        if truths is not None:
            truth, known = truths[atom], "closed form"
        published = None if printed is None else printed.get(atom)
        yield Number(f"{atom}, {measure}", value, published, truth, known, interval, source=source)


def lattice_atoms(masses: Masses, measure: Any, name: str, printed: Mapping[str, str | float]) -> Iterator[Number]:
    """Atoms of a lattice that are printed or not zero."""
    result = decompose_lattice(pmf(masses), measure=measure)
    for antichain, value in result.atoms.items():
        if antichain in printed or abs(value) > 1e-9:
            yield Number(f"{antichain}, {name}", value, printed.get(antichain), value, SUM)


def every_measure(masses: Masses) -> Iterator[Number]:
    """The atoms of every measure of pidkd."""
    for measure in measures():
        yield from atoms(masses, measure)


def in_order(values: Iterable[str]) -> dict[str, str]:
    """Printed values of the four atoms, in the order redundant, unique, unique, synergistic."""
    return dict(zip(("redundant", "unique_t", "unique_s", "synergistic"), values, strict=True))
