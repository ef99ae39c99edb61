"""Labels with two high-dimensional representations whose atoms are known, sampled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from pidkd.benchmarks.problems import Asks, Family, Problem, Size, Truth
from pidkd.inputs import Activations
from pidkd.synthetic import list_problems, problem


def drawn(name: str, n_samples: int, d: int, times: int) -> Sequence[Activations]:
    """Samples with seeds 0, 1 and so on."""
    return [problem(name, d).sample(n_samples, seed) for seed in range(times)]


def _truth(name: str, d: int, data: Sequence[Any]) -> Sequence[Truth]:
    atoms = {atom: value / np.log(2) for atom, value in problem(name, d).atoms.items()}
    return [atoms] * len(data)


def _problem(name: str, n_samples: int, size: Size, d: int = 10, times: int = 3) -> Problem:
    repeated = f", {times} times" if times > 1 else ""
    return Problem(
        f"{name}, {d} coordinates, {n_samples:,} samples{repeated}",
        size,
        partial(drawn, name, n_samples, d, times),
        partial(_truth, name, d),
        "closed form: integrals in one and two dimensions",
        (f"samples of {name} in {d} coordinates", n_samples),
    )


PROBLEMS = (
    _problem("bin-cross", 400, "tiny", times=1),
    *(_problem(name, 2_000, "small", times=1) for name in list_problems()),
    *(_problem(name, 1_000, "full", times=20) for name in ("bin-cross", "k8-mixed")),
    *(_problem(name, n_samples, "full") for name in list_problems() for n_samples in (6_000, 20_000)),
    *(_problem(name, 20_000, "full", d=512, times=1) for name in ("bin-cross", "k8-mixed")),
)

FAMILY = Family(PROBLEMS, Asks(Activations, target="discrete"), section="atoms")
