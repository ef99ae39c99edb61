"""Layers of real networks on scikit-learn's digits, against the one hidden layer of a small student.

The networks of ``pidkd demo``, on the 1,097 digits that none was trained on. Nobody knows the atoms; with shuffled
labels all are zero.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from pidkd.arrays import Array
from pidkd.audits.demo import N_STUDENT, N_TRAIN, STUDENT, TEACHER, hidden_layers
from pidkd.benchmarks.problems import Asks, Family, Problem, Size, Truth
from pidkd.inputs import Activations
from pidkd.result import ATOMS


def digits(teacher: str, layer: int, n_samples: int | None, shuffled: bool) -> Sequence[Activations]:
    """A hidden layer of the trained or untrained teacher, and the student's, of all digits or of the first ones."""
    y, layers = _networks()
    labels = np.random.default_rng(0).permutation(y) if shuffled else y
    t, s = layers[teacher][f"hidden{layer}"], layers["student"]["hidden1"]
    return [Activations(labels[:n_samples], t[:n_samples], s[:n_samples])]


@cache
def _networks() -> tuple[Array, dict[str, dict[str, Array]]]:
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(0)
    x, y = load_digits(return_X_y=True)
    order = rng.permutation(len(y))
    x, y = x[order] / x.max(), y[order]
    trained = {
        "trained": MLPClassifier(TEACHER, max_iter=500, random_state=0).fit(x[:N_TRAIN], y[:N_TRAIN]),
        "student": MLPClassifier(STUDENT, max_iter=2000, random_state=0).fit(x[:N_STUDENT], y[:N_STUDENT]),
    }
    weights = {name: (network.coefs_[:-1], network.intercepts_[:-1]) for name, network in trained.items()}
    sizes = (x.shape[1], *TEACHER)
    random = [rng.normal(0.0, (2 / n) ** 0.5, (n, m)) for n, m in itertools.pairwise(sizes)]
    weights["untrained"] = random, [np.zeros(n) for n in TEACHER]
    return y[N_TRAIN:], {name: hidden_layers(x[N_TRAIN:], *given) for name, given in weights.items()}


def _nothing(data: Sequence[Any]) -> Sequence[Truth]:
    return [dict.fromkeys(ATOMS, 0.0)] * len(data)


def _problem(teacher: str, layer: int, size: Size, n_samples: int | None = None, shuffled: bool = False) -> Problem:
    of = f", {n_samples} of them" if n_samples else ""
    name = f"digits{of}, layer {layer} of the {teacher} teacher"
    make = partial(digits, teacher, layer, n_samples, shuffled)
    if shuffled:
        return Problem(f"{name}, labels shuffled", size, make, _nothing, "nothing depends on shuffled labels")
    return Problem(name, size, make)


PROBLEMS = (
    _problem("trained", 3, "tiny", 300),
    _problem("trained", 3, "small"),
    _problem("untrained", 3, "small"),
    _problem("trained", 3, "small", shuffled=True),
    _problem("trained", 1, "full"),
    _problem("untrained", 1, "full"),
)

FAMILY = Family(PROBLEMS, Asks(Activations, target="discrete"), section="atoms")
