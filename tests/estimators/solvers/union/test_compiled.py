"""The compiled attempt beside the one by array functions: the same path, bounds that hold on the table as given."""

import sys

import numpy as np
import pytest

import pidkd
from pidkd.errors import MissingDependencyError
from pidkd.estimators.solvers.union.chain import solve_chain
from pidkd.estimators.solvers.union.reduction import Reduction

TOL = 3e-10


def tables(n: int) -> list[np.ndarray]:
    """Dense and sparse tables, with zeros, of three to six classes."""
    drawn = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        shape = (int(rng.integers(3, 7)), *map(int, rng.integers(2, 9, 2)))
        p = rng.dirichlet(np.full(np.prod(shape), rng.choice([0.05, 0.3, 1.0]))).reshape(shape)
        p[rng.random(shape) < rng.choice([0.0, 0.5])] = 0.0
        p[:, 0, 0] += 1e-3
        drawn.append(p / p.sum())
    return drawn


def test_without_numba_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(MissingDependencyError, match=r"broja\(compiled=True\): .*pip install -e '\.\[compiled\]'"):
        pidkd.decompose(pidkd.Pmf(tables(1)[0]), estimator=pidkd.BROJA(compiled=True))


@pytest.mark.slow  # it compiles, where nothing is compiled yet
def test_it_takes_the_steps_of_the_array_functions():
    pytest.importorskip("numba")
    for p in tables(60):
        table = Reduction([p.sum(axis=2), p.sum(axis=1)])
        (one,), (other,) = (solve_chain([table], TOL, 2**31, compiled=compiled) for compiled in (False, True))
        assert other.iterations == one.iterations
        np.testing.assert_allclose(other.q, one.q, atol=1e-8)


@pytest.mark.slow
def test_answers_are_certified_and_those_of_the_default():
    pytest.importorskip("numba")
    data = [pidkd.Pmf(p) for p in tables(200)]
    compiled = pidkd.decompose_batch(data, estimator=pidkd.BROJA(compiled=True))
    for one, other in zip(compiled.results, pidkd.decompose_batch(data).results, strict=True):
        assert one.certificate.status == "optimal"
        assert one.unique_t == pytest.approx(other.unique_t, abs=2e-9)
        assert one.certificate.lower <= other.certificate.upper + 1e-12
        assert other.certificate.lower <= one.certificate.upper + 1e-12
