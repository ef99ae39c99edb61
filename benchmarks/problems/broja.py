"""BROJA by size: dense and sparse random tables, many classes, sampled tables, and codes of real networks.

The dense tables are flat Dirichlet draws. The sampled ones count draws from T and S independent given a uniform Y,
which is no restriction: BROJA's optimum depends on the pair marginals only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from pidkd.arrays import Array
from pidkd.benchmarks.problems import CERTIFIED_TRUTH, Asks, Family, Problem, Size, certified_truth
from pidkd.inputs import Codes, Pmf
from pidkd.synthetic import histogram, random_pmf


def dense(shape: tuple[int, int, int], n_tables: int = 1) -> Sequence[Pmf]:
    """Flat Dirichlet draws."""
    return [random_pmf(shape, rng=seed) for seed in range(n_tables)]


def sampled(shape: tuple[int, int, int], n_samples: int, concentration: float) -> Sequence[Pmf]:
    """Counts of ``n_samples``; the smaller the concentration, the fewer codes does a class use."""
    n_y, n_t, n_s = shape
    rng = np.random.default_rng(0)
    t_given_y, s_given_y = (rng.dirichlet(np.full(n, concentration), size=n_y) for n in (n_t, n_s))
    return [histogram(Pmf(t_given_y[:, :, None] * s_given_y[:, None, :], normalise=True), n_samples, rng)]


def digits(n_clusters: int) -> Sequence[Pmf]:
    """Codes of the hidden layers of a wide teacher and a narrow student, both trained on scikit-learn's digits."""
    from pidkd.quantize import Quantizer

    y, teacher, student = _digit_activations()
    quantizer = Quantizer(n_clusters=n_clusters)
    return [Codes(y, quantizer.fit_transform(teacher), quantizer.fit_transform(student)).pmf()]


@cache
def _digit_activations() -> tuple[Array, Array, Array]:
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    x, y = load_digits(return_X_y=True)
    hidden = []
    for width in (64, 12):
        network = MLPClassifier((width,), max_iter=400, early_stopping=True, random_state=0).fit(x / 16, y)
        hidden.append(np.maximum(x / 16 @ network.coefs_[0] + network.intercepts_[0], 0.0))
    return y, hidden[0], hidden[1]


def sparse(shape: tuple[int, int, int]) -> Sequence[Pmf]:
    """Flat Dirichlet draws on a tenth of the cells."""
    return [random_pmf(shape, support=0.1)]


def _problem(
    name: str, size: Size, make: Callable[[], Sequence[Pmf]], axis: tuple[str, float] | None = None
) -> Problem:
    return Problem(name, size, make, certified_truth, CERTIFIED_TRUTH, axis)


def _growing(axis: str, sizes: Sequence[int], shape: Callable[[int], tuple[int, int, int]]) -> list[Problem]:
    """Problems of growing size along one axis; beyond 8,000 cells for the full run."""
    return [
        _problem(f"{axis}: {n}", "small" if np.prod(shape(n)) <= 8_000 else "full", partial(dense, shape(n)), (axis, n))
        for n in sizes
    ]


PROBLEMS = (
    _problem("dense (2,10,10)", "tiny", partial(dense, (2, 10, 10))),
    _problem("dense (10,10,10)", "small", partial(dense, (10, 10, 10))),
    _problem("dense (10,20,20)", "small", partial(dense, (10, 20, 20))),
    _problem("sparse (10,30,30)", "small", partial(sparse, (10, 30, 30))),
    _problem("digits, 10 clusters", "small", partial(digits, 10)),
    _problem("digits, 30 clusters", "small", partial(digits, 30)),
    _problem("digits, 100 clusters", "full", partial(digits, 100)),
    _problem("dense (10,50,50)", "full", partial(dense, (10, 50, 50))),
    _problem("sparse (10,100,100)", "full", partial(sparse, (10, 100, 100))),
    _problem("dense (100,20,20)", "full", partial(dense, (100, 20, 20))),
    _problem("batch of 1000 (10,10,10)", "full", partial(dense, (10, 10, 10), 1000)),
    _problem("10,000 samples (100,50,50)", "full", partial(sampled, (100, 50, 50), 10_000, 1.0)),
    _problem("10,000 separated samples (100,50,50)", "full", partial(sampled, (100, 50, 50), 10_000, 0.1)),
    _problem("dense (10,100,100)", "full", partial(dense, (10, 100, 100))),
    _problem("dense (1000,20,20)", "full", partial(dense, (1000, 20, 20))),
    _problem("dense (100,50,50)", "full", partial(dense, (100, 50, 50))),
    *_growing("|Y|, with |T| = |S| = 20", (4, 8, 16, 32, 64, 128), lambda n: (n, 20, 20)),
    *_growing("|T|, with |Y| = 10, |S| = 20", (10, 20, 40, 80, 160), lambda n: (10, n, 20)),
    *_growing("|S|, with |Y| = 10, |T| = 20", (10, 20, 40, 80, 160), lambda n: (10, 20, n)),
)

FAMILY = Family(PROBLEMS, Asks(Pmf, "BROJA"))
