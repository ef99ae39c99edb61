"""The gates of the literature, whose atoms are closed forms."""

from __future__ import annotations

from pidkd.benchmarks.problems import Problem
from pidkd.inputs import Pmf
from pidkd.synthetic import gate, list_gates

INPUT = Pmf
ESTIMATORS = ("broja", "broja_cvx")
PEERS = ("conic-clarabel-aux", "conic-ecos-aux", "dit-cone", "dit-scipy", "dit-admui", "2pid-*")


def gates() -> list[Pmf]:
    """All of them."""
    return [gate(name).pmf for name in list_gates()]


PROBLEMS = (Problem("gates", "tiny", gates, lambda data: [gate(name).atoms for name in list_gates()], "closed form"),)
