import numpy as np
import pytest

from pidkd.errors import InputError, PidkdWarning
from pidkd.estimators.solvers.posterior import probes
from pidkd.estimators.solvers.posterior.folds import stratified

torch = pytest.importorskip("torch")


def test_features_are_standardised_whatever_their_scale():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4)) * [1e-30, 1.0, 1e30, 0.0] + [0.0, 1e6, 0.0, 7.0]
    found = probes.features(x, None, 0)
    assert found.dtype == np.float32
    assert found[:, :3].std(axis=0) == pytest.approx(np.ones(3), abs=1e-3)
    assert (found[:, 3] == 0).all()


def test_wide_layers_keep_their_leading_directions():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(80, 3))
    x = factors @ rng.normal(size=(3, 500)) + 0.01 * rng.normal(size=(80, 500))
    found = probes.features(x, 10, 0)
    assert found.shape == (80, 10)
    guessed = found @ np.linalg.lstsq(found, factors, rcond=None)[0]
    assert guessed == pytest.approx(factors - factors.mean(axis=0), abs=0.1)


def test_no_row_is_scored_by_what_saw_its_label():
    """Labels of pure noise: a model that had seen them would score far above chance."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 400)).astype(np.float32), rng.integers(2, size=300)
    [logs] = probes.probe_logs(x, y[None], stratified(y, 5, 0)[None], 0)
    for part in (logs.calibrating, logs.scored):
        assert (part.argmax(axis=2) == y).mean() < 0.62


def test_labellings_are_learned_apart():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=(2, 300))
    x = np.eye(3, dtype=np.float32)[y[0]] + 0.1 * rng.normal(size=(300, 3)).astype(np.float32)
    folds = np.stack([stratified(one, 5, 0) for one in y])
    known, noise = probes.probe_logs(x, y, folds, 0)
    assert (known.scored[0].argmax(axis=1) == y[0]).all()
    assert (noise.scored[0].argmax(axis=1) == y[1]).mean() < 0.5


def test_out_of_memory_halves_the_batch_and_says_so(monkeypatch):
    real, batches = probes._train, []

    def train(torch, x, labels, fold, plan, *rest):
        batches.append(plan.batch)
        if len(batches) < 3:
            raise torch.OutOfMemoryError
        return real(torch, x, labels, fold, plan, *rest)

    monkeypatch.setattr(probes, "_train", train)
    y = np.arange(120) % 2
    fold = stratified(y, 3, 0)[None]
    with pytest.warns(PidkdWarning, match="go on with batches of"):
        probes.probe_logs(y[:, None].astype(np.float32), y[None], fold, 0)
    assert batches[1] == batches[0] // 2
    monkeypatch.setattr(probes, "_train", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with (
        pytest.warns(PidkdWarning),
        pytest.raises(InputError, match=r"expected models that fit on the device, got 3 models of 1 features"),
    ):
        probes.probe_logs(y[:, None].astype(np.float32), y[None], fold, 0)


@pytest.mark.gpu
def test_a_device_gives_what_the_cpu_gives():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=600)
    x = (np.eye(3)[y] + rng.normal(size=(600, 3))).astype(np.float32)
    fold = stratified(y, 5, 0)[None]
    [cpu], [cuda] = (probes.probe_logs(x, y[None], fold, 0, device) for device in ("cpu", "cuda"))
    assert cuda.scored == pytest.approx(cpu.scored, abs=1e-2)
