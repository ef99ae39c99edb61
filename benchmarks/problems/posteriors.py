"""Labels with exact posteriors of two sources and of both, as models put them out, of problems whose atoms are known.

Half of the samples serve whoever trains on some and evaluates others; an estimator with folds reads all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np

from pidkd import synthetic
from pidkd.arrays import FloatArray
from pidkd.benchmarks.problems import CERTIFIED_TRUTH, Asks, Family, Problem, Size, Truth
from pidkd.decomposition import decompose
from pidkd.inputs import Pmf, Posteriors
from pidkd.synthetic import Component, levels, shift

N_SAMPLES = 2 * 4_096


@dataclass(frozen=True)
class Question:
    """Picture T of two things of four colours, and text S that asks for the colour Y of the first or of the second."""

    name = "k4-question"

    @cached_property
    def table(self) -> FloatArray:
        """p(y, t, s), shape (4, 16, 2)."""
        p = np.zeros((4, 4, 4, 2))
        for first, second in np.ndindex(4, 4):
            p[first, first, second, 0] = p[second, first, second, 1] = 1 / 32
        return p.reshape(4, 16, 2)

    @property
    def atoms(self) -> Mapping[str, float]:
        """The four atoms by name, in nats: half of H(Y) and more is seen, and the rest needs both."""
        return dict(decompose(Pmf(self.table), units="nats").atoms)

    def posteriors(self, n: int) -> Posteriors:
        """Labels of independent samples with exact posteriors."""
        p = self.table
        y, t, s = np.unravel_index(np.random.default_rng(0).choice(p.size, n, p=p.ravel()), p.shape)
        joint = p.sum(axis=2)[:, t], p.sum(axis=1)[:, s], p[:, t, s]
        p_t, p_s, p_ts = ((masses / masses.sum(axis=0)).T for masses in joint)
        return Posteriors(y, p_t, p_s, p_ts)


Known: TypeAlias = synthetic.Problem | Question

KNOWN: dict[str, Known] = {
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
        Question(),
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
        CERTIFIED_TRUTH if name == Question.name else "closed form: integrals in one and two dimensions",
    )


PROBLEMS = (_problem("bin-cross", 512, "tiny"), *(_problem(name, N_SAMPLES, "full") for name in KNOWN))

FAMILY = Family(PROBLEMS, Asks(Posteriors), section="atoms")
