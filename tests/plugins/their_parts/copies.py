"""Copies of one bit."""

from __future__ import annotations

from pidkd.benchmarks.problems import Asks, Family, Problem
from pidkd.inputs import Pmf
from pidkd.synthetic import gate

FAMILY = Family((Problem("rdn", "tiny", lambda: [gate("rdn").pmf]),), Asks(Pmf, "no redundancy"), section="measures")
