"""Labels with exact posteriors of two sources and of both, as models put them out, of problems whose atoms are known.

Half of the samples serve whoever trains on some and evaluates others; an estimator with folds reads all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from pidkd import synthetic
from pidkd.benchmarks.problems import Asks, Family, Problem, Size, Truth
from pidkd.inputs import Posteriors
from pidkd.synthetic import Component, levels, shift

N_SAMPLES = 2 * 4_096

KNOWN = {
    one.name: one
    for one in (
        synthetic.Problem("sharp-2", "one bit, seen almost without error", [Component(shift(2.5), shift(2.0))]),
        synthetic.problem("bin-cross"),
        synthetic.problem("k4-unique"),
        synthetic.Problem(
            "k4-copy", "four classes, S a near-copy of T", [Component(levels(4, 0.3), levels(4, 0.31), chained=True)]
        ),
        synthetic.Problem(
            "bin-same", "one bit, both sources the same", [Component(shift(1.2), shift(1.2), chained=True)]
        ),
    )
}
"""Problems by name."""


def drawn(name: str, n_samples: int) -> Sequence[Posteriors]:
    """Posteriors of samples."""
    return [KNOWN[name].posteriors(n_samples)]


def _truth(name: str, data: Sequence[Any]) -> Sequence[Truth]:
    return [{atom: value / np.log(2) for atom, value in KNOWN[name].atoms.items()}] * len(data)


def _problem(name: str, n_samples: int, size: Size) -> Problem:
    return Problem(
        f"{name}, posteriors of {n_samples:,} samples",
        size,
        partial(drawn, name, n_samples),
        partial(_truth, name),
        "closed form: integrals in one and two dimensions",
    )


PROBLEMS = (_problem("bin-cross", 512, "tiny"), *(_problem(name, N_SAMPLES, "full") for name in KNOWN))

FAMILY = Family(PROBLEMS, Asks(Posteriors), section="atoms")
