"""Labels with two high-dimensional representations whose atoms are known, sampled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from pidkd.benchmarks.problems import Problem, Size, Truth
from pidkd.inputs import Activations, Input
from pidkd.mi import Pairs
from pidkd.synthetic import list_problems, problem

INPUT = Activations
ESTIMATORS = ("posterior", "kmeans")
PEERS = ()
SEEDS = 3


def drawn(name: str, n_samples: int, d: int) -> Sequence[Activations]:
    """Three samples."""
    return [problem(name, d).sample(n_samples, seed) for seed in range(SEEDS)]


def _truth(name: str, d: int, data: Sequence[Input | Pairs]) -> Sequence[Truth]:
    atoms = {atom: value / np.log(2) for atom, value in problem(name, d).atoms.items()}
    return [atoms] * len(data)


def _problem(name: str, n_samples: int, size: Size, d: int = 10) -> Problem:
    return Problem(
        f"{name}, {d} coordinates, {n_samples:,} samples",
        size,
        partial(drawn, name, n_samples, d),
        partial(_truth, name, d),
        "closed form: integrals in one and two dimensions",
        (f"samples of {name} in {d} coordinates", n_samples),
    )


PROBLEMS = (
    _problem("bin-cross", 400, "tiny"),
    *(_problem(name, 2_000, "small") for name in list_problems()),
    *(_problem(name, n_samples, "full") for name in list_problems() for n_samples in (6_000, 20_000)),
)
