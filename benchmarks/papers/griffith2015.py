"""Griffith and Ho's redundancy, I_alpha, of the gates.

Published are the values that dit's tests expect of its optimiser; the paper's own table was not at hand. pidkd has
this measure for two sources only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from pidkd.benchmarks.papers import Number, Paper, Setting
from pidkd.benchmarks.papers._tables import Masses, atoms, every_measure, in_order, of_rule, uniform

GATES: dict[str, tuple[Callable[[], Masses], str]] = {
    "AND": (lambda: of_rule(lambda a, b: (a & b, a, b), 2), "0.1226 0.1887 0.1887 0.3113"),
    "SUM": (lambda: of_rule(lambda a, b: (a + b, a, b), 2), "0.0 0.5 0.5 0.5"),
    "PwUnq": (lambda: uniform((1, 0, 1), (1, 1, 0), (2, 0, 2), (2, 2, 0)), "0.0 0.5 0.5 0.0"),
}

RDNXOR = of_rule(lambda r, u, v: ((r, u ^ v), (r, u), (r, v)), 3)


def of_gate(make: Callable[[], Masses], printed: str) -> Iterator[Number]:
    """Atoms by I_alpha."""
    return atoms(make(), "i_alpha", in_order(printed.split()))


PAPER = Paper(
    [
        *(
            Setting(name, "tiny", partial(of_gate, make, printed), "dit, tests/pid/test_igh.py")
            for name, (make, printed) in GATES.items()
        ),
        Setting("RDNXOR, every measure", "tiny", partial(every_measure, RDNXOR)),
    ]
)
