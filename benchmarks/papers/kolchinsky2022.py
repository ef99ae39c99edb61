"""Kolchinsky's tables 2 and 3: the redundancies of gates, his Blackwell redundancy beside the others.

Published are the three decimals that the tests of his code expect of the Blackwell redundancy; the tables themselves
were not at hand. Of three sources the truth is a closed form where there is one, and pidkd has no answer of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial

from pidkd import decompose
from pidkd.benchmarks.papers import CERTIFIED, CLOSED_FORM, SUM, Number, Paper, Setting
from pidkd.benchmarks.papers._tables import Masses, entropy, measures, of_rule, pmf

ALPHA = Fraction(7, 10)
"""Probability that correlated sources are equal."""

CORRELATED = {(a, b): (ALPHA if a == b else 1 - ALPHA) / 2 for a in (0, 1) for b in (0, 1)}

TABLE_2: dict[str, tuple[Callable[[], Masses], str | None]] = {
    "Y = X1 and X2": (lambda: of_rule(lambda a, b: (a & b, a, b), 2), "0.311"),
    "Y = X1 + X2": (lambda: of_rule(lambda a, b: (a + b, a, b), 2), None),
    "Y = X1": (lambda: of_rule(lambda a, b: (a, a, b), 2), "0.000"),
    "Y = (X1, X2)": (lambda: of_rule(lambda a, b: ((a, b), a, b), 2), None),
    "Y = X1, correlated": (lambda: {(a, a, b): mass for (a, b), mass in CORRELATED.items()}, None),
    "Y = (X1, X2), correlated": (lambda: {((a, b), a, b): mass for (a, b), mass in CORRELATED.items()}, None),
}


def redundancies(make: Callable[[], Masses], printed: str | None) -> Iterator[Number]:
    """Redundancy by every measure."""
    for measure in measures():
        result = decompose(pmf(make()), estimator=measure)
        value, gap = result.redundant, result.certificate.gap
        known = SUM if result.certificate.status == "exact" else CERTIFIED if gap <= 1e-9 else ""
        published = printed if measure == "blackwell" else None
        truth = value if known else None
        yield Number(f"redundant, {measure}", value, published, truth, known, result.bounds("redundant"))


AND = entropy(1 / 8, 7 / 8) - entropy(1 / 4, 3 / 4) / 2
SUM_OF_THREE = entropy(1 / 8, 3 / 8, 3 / 8, 1 / 8) - entropy(1 / 4, 1 / 2, 1 / 4)

TABLE_3 = {
    "Y = X1 and X2 and X3": (AND, "0.138", "the sources have equal pair marginals: I(Y;X1)"),
    "Y = X1 + X2 + X3": (SUM_OF_THREE, "0.311", "the sources have equal pair marginals: I(Y;X1)"),
    "Y = ((A, B), (A, C), (A, D))": (1.0, "1.000", "the shared bit A"),
}


def of_three(truth: float, printed: str, known: str) -> Iterator[Number]:
    """Blackwell redundancy of three sources."""
    yield Number("redundant, blackwell", None, printed, truth, f"{CLOSED_FORM}: {known}")


SOURCE = "artemyk/redundancy, tests.py"

PAPER = Paper(
    [
        *(
            Setting(name, "tiny", partial(redundancies, make, printed), SOURCE)
            for name, (make, printed) in TABLE_2.items()
        ),
        *(Setting(name, "tiny", partial(of_three, *row), SOURCE) for name, row in TABLE_3.items()),
    ]
)
