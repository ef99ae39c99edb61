"""The gates of the literature, whose atoms are closed forms."""

from __future__ import annotations

from pidkd.benchmarks.problems import Asks, Family, Problem
from pidkd.inputs import Pmf
from pidkd.synthetic import gate, list_gates


def gates() -> list[Pmf]:
    """All of them."""
    return [gate(name).pmf for name in list_gates()]


PROBLEMS = (Problem("gates", "tiny", gates, lambda data: [gate(name).atoms for name in list_gates()], "closed form"),)

FAMILY = Family(PROBLEMS, Asks(Pmf, "BROJA", cross_checks=True))
