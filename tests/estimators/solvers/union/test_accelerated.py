"""The torch path on tensors of the CPU, against the NumPy path; the tests marked ``gpu`` run it where it belongs."""

import numpy as np
import pytest

import pidkd
from pidkd.benchmarks.problems.robust import nasty_set, random_set
from pidkd.errors import ConvergenceWarning
from pidkd.info import information, informations
from pidkd.inputs import Pmf
from pidkd.result import ATOMS
from pidkd.synthetic import random_pmf

pytest.importorskip("torch")
from pidkd.estimators.solvers.union import accelerated

TOL = 1e-9


def histograms(n: int, shape: tuple[int, int, int], seed: int) -> list[Pmf]:
    rng = np.random.default_rng(seed)
    masses = rng.dirichlet(np.full(np.prod(shape), 0.2))
    return [Pmf.from_counts(rng.multinomial(300, masses).reshape(shape)) for _ in range(n)]


def edge_cases() -> list[Pmf]:
    rng = np.random.default_rng(0)
    shapes = [(1, 1, 1), (1, 4, 3), (3, 1, 1), (3, 4, 1), (3, 1, 4)]
    gap = np.zeros((3, 4, 5))  # a class and cells that never occur
    gap[::2, 1:, :3] = random_pmf((2, 3, 3), 1.0, rng=rng).p
    twins = random_pmf((3, 2, 2), 1.0, rng=rng).p[:, [0, 0, 1, 1]][:, :, [0, 1, 1]]
    block = np.zeros((2, 2, 2))  # Y, T and S are one bit
    block[0, 0, 0] = block[1, 1, 1] = 0.5
    return [*(random_pmf(shape, 1.0, rng=rng) for shape in shapes), Pmf(gap), Pmf(twins, normalise=True), Pmf(block)]


SETS = {
    "random": lambda: list(random_set(150)),
    "nasty": lambda: list(nasty_set(150)),
    "sparse": lambda: [*histograms(20, (5, 12, 8), 0), *histograms(20, (4, 6, 11), 1)],
    "edge": edge_cases,
}


@pytest.fixture
def on_tensors(monkeypatch):
    """``device="cuda"`` with tensors of the CPU in its place."""
    solve = accelerated.solve_many
    monkeypatch.setattr(accelerated, "solve_many", lambda p, tol, device: solve(p, tol, "cpu"))
    monkeypatch.setattr("pidkd.estimator.cuda_is_there", lambda: True)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.filterwarnings("ignore::pidkd.errors.SmallSampleWarning")
def test_every_answer_is_certified_and_agrees_with_the_numpy_path(on_tensors, name):
    tables = SETS[name]()
    batch = pidkd.decompose_batch(tables, estimator="broja", device="cuda")
    reference = pidkd.decompose_batch(tables, estimator="broja")
    assert (batch.gap <= TOL).all()
    assert (batch.gap >= -1e-12).all()
    for atom in ATOMS:
        np.testing.assert_allclose(getattr(batch, atom), getattr(reference, atom), atol=TOL)
    assert batch.finished_on_cpu <= {"random": 0.05, "nasty": 0.2}.get(name, 0.1) * len(tables)


@pytest.mark.filterwarnings("ignore::pidkd.errors.SmallSampleWarning")
def test_members_that_do_not_converge_are_finished_on_the_cpu_and_counted(on_tensors, monkeypatch):
    monkeypatch.setattr(accelerated, "ITERATIONS", 8)
    tables = SETS["random"]()[:40]
    batch = pidkd.decompose_batch(tables, estimator="broja", device="cuda")
    assert (batch.gap <= TOL).all()
    in_torch = sum("in torch" in result.certificate.message for result in batch)
    assert batch.finished_on_cpu == len(tables) - in_torch
    assert 0 < in_torch < len(tables)
    assert f"finished_on_cpu={batch.finished_on_cpu}" in repr(batch)


def test_a_table_beyond_the_memory_budget_is_left_to_the_cpu(on_tensors):
    tables = [random_pmf(shape, 1.0, rng=np.random.default_rng(0)) for shape in ((2, 2, 2), (5, 9, 9))]
    limit = accelerated.memory((3, 3, 3))
    with pytest.warns(ConvergenceWarning, match="1 of 2"):
        batch = pidkd.decompose_batch(tables, estimator="broja", device="cuda", max_memory=limit)
    assert batch.finished_on_cpu == 1
    assert "in torch" in batch[0].certificate.message


def test_plans_and_potentials_are_in_the_order_of_the_table(on_tensors):
    p = random_pmf((3, 2, 5), 1.0, rng=np.random.default_rng(4)).p
    [result] = pidkd.decompose_batch(p[None], estimator="broja", device="cuda", keep=("plan", "potentials"))
    np.testing.assert_allclose(result.plan.sum(axis=2), p.sum(axis=2), atol=1e-14)
    np.testing.assert_allclose(result.plan.sum(axis=1), p.sum(axis=1), atol=1e-14)
    a, b = result.potentials
    assert np.log(np.exp(a[:, :, None] + b[:, None, :]).sum(axis=0)).max() <= 1e-12


def test_a_bootstrap_draws_the_same_resamples_on_either_device(on_tensors):
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    t, s = (np.where(rng.random(300) < 0.6, y, rng.integers(3, size=300)) for _ in "ts")
    found, reference = (
        pidkd.decompose(y, t, s, uncertainty=pidkd.Bootstrap(n=30), device=device) for device in ("cuda", "cpu")
    )
    for name, interval in reference.interval.items():
        assert found.interval[name] == pytest.approx(interval, abs=1e-8)
    assert found.provenance["resamples_finished_on_cpu"] == 0
    assert "resamples_finished_on_cpu" not in reference.provenance


def test_informations_are_those_of_each_table():
    tables = np.stack([pmf.p for pmf in histograms(5, (3, 4, 5), 2)])
    for found, p in zip(informations(tables), tables, strict=True):
        assert found == pytest.approx(information(p), abs=1e-13)


@pytest.mark.gpu
@pytest.mark.parametrize("name", SETS)
def test_on_an_accelerator(name):
    tables = SETS[name]()
    batch = pidkd.decompose_batch(tables, estimator="broja", device="cuda")
    reference = pidkd.decompose_batch(tables, estimator="broja")
    assert (batch.gap <= TOL).all()
    np.testing.assert_allclose(batch.unique_t, reference.unique_t, atol=TOL)
