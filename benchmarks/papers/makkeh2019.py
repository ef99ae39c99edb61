"""The gates of MAXENT3D_PID: maximum-entropy decompositions of three sources.

Synergy, unique and shared parts follow from union informations of the sources, each certified. The paper's table of
gates was not at hand, so nothing is published here; the truth of most gates is plain from their construction.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from pidkd import Pmf, union_information
from pidkd.benchmarks.papers import CLOSED_FORM, Number, Paper, Setting
from pidkd.benchmarks.papers._tables import Masses, entropy, of_rule, pmf
from pidkd.info import table_information
from pidkd.result import NATS_PER


def parts(make: Callable[[], Masses], truths: Mapping[str, float]) -> Iterator[Number]:
    """CI, SI, the unique parts, and those of two sources, from union informations."""
    p = pmf(make()).p
    union, gap = {}, 0.0
    for size in (1, 2, 3):
        for sources in itertools.combinations((1, 2, 3), size):
            others = tuple({1, 2, 3} - set(sources))
            result = union_information(Pmf(p.sum(axis=others))) if size > 1 else None
            union[sources] = (
                table_information(p.sum(axis=others)) / NATS_PER["bits"] if result is None else result.value
            )
            gap += 0.0 if result is None else result.certificate.gap
    total = union[1, 2, 3]
    joint = table_information(p.reshape(len(p), -1)) / NATS_PER["bits"]
    values = {"CI": joint - total}
    for i, j in ((2, 3), (1, 3), (1, 2)):
        [k] = {1, 2, 3} - {i, j}
        values[f"UI {k}"] = total - union[i, j]
        pairs = sum(union[tuple(sorted((k, one)))] for one in (i, j))
        values[f"UI {i}{j}"] = pairs - total - union[k,]
    values["SI"] = joint - sum(values.values())
    for quantity, value in values.items():
        truth = truths.get(quantity, 0.0) if truths else None
        yield Number(quantity, value, None, truth, CLOSED_FORM if truths else "", (value - gap, value + gap))


AND = entropy(1 / 4, 3 / 4) - 1 / 2
AND_OF_THREE = entropy(1 / 8, 7 / 8) - entropy(1 / 4, 3 / 4) / 2
"""I(Y;X1) of the AND of two and of three bits."""

GATES: dict[str, tuple[Callable[[], Masses], dict[str, float]]] = {
    "XOR": (lambda: of_rule(lambda a, b, c: (a ^ b ^ c, a, b, c), 3), {"CI": 1.0}),
    "AND": (
        lambda: of_rule(lambda a, b, c: (a & b & c, a, b, c), 3),
        # The pair marginals are those of three copies of one source.
        {"SI": AND_OF_THREE, "CI": entropy(1 / 8, 7 / 8) - AND_OF_THREE},
    ),
    "XOR, duplicate": (lambda: of_rule(lambda a, b: (a ^ b, a, b, a), 2), {"CI": 1.0}),
    "XOR, loses": (lambda: of_rule(lambda a, b: (a ^ b, a, b, a ^ b), 2), {"UI 3": 1.0}),
    "XOR, multi-coalition": (lambda: of_rule(lambda a, b, c: (a ^ b ^ c, (a, b), (a, c), (b, c)), 3), {"CI": 1.0}),
    "AND, duplicate": (lambda: of_rule(lambda a, b: (a & b, a, b, a), 2), {"SI": AND, "CI": 1 / 2}),
}
"""Masses, and the parts that are not zero."""

PAPER = Paper([Setting(name, "tiny", partial(parts, make, truths)) for name, (make, truths) in GATES.items()])
