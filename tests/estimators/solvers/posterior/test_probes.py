from itertools import islice

import numpy as np
import pytest

from pidkd.errors import InputError, PidkdWarning
from pidkd.estimators.solvers.posterior import probes
from pidkd.estimators.solvers.posterior.columns import features
from pidkd.estimators.solvers.posterior.folds import stratified

torch = pytest.importorskip("torch")


def test_no_row_is_scored_by_what_saw_its_label():
    """Labels of pure noise: a model that had seen them would score far above chance."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 400)).astype(np.float32), rng.integers(2, size=300)
    [logs] = probes.probe_logs([x], y[None], stratified(y, 5, 0)[None], 0)
    for part in (logs.calibrating, logs.scored):
        assert (part.argmax(axis=2) == y).mean() < 0.62


def test_labellings_are_learned_apart():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=(2, 300))
    x = np.eye(3, dtype=np.float32)[y[0]] + 0.1 * rng.normal(size=(300, 3)).astype(np.float32)
    folds = np.stack([stratified(one, 5, 0) for one in y])
    known, noise = probes.probe_logs([x], y, folds, 0)
    assert (known.scored[0].argmax(axis=1) == y[0]).all()
    assert (noise.scored[0].argmax(axis=1) == y[1]).mean() < 0.5


def test_a_labelling_is_learned_alike_whatever_others_there_are():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=(2, 200))
    x = [np.eye(3, dtype=np.float32)[y[0]] + rng.normal(size=(200, 3)).astype(np.float32)]
    folds = np.stack([stratified(one, 5, 0) for one in y])
    both = probes.probe_logs(x, y, folds, 0)
    for i in (0, 1):
        [alone] = probes.probe_logs(x, y[i : i + 1], folds[i : i + 1], 0)
        assert (alone.scored == both[i].scored).all()
        assert (alone.calibrating == both[i].calibrating).all()


def test_slopes_by_hand_are_those_of_automatic_differentiation():
    rng = np.random.default_rng(0)
    y, fold = rng.integers(3, size=40), np.arange(40) % 4
    x = torch.as_tensor(rng.normal(size=(40, 5)).astype(np.float32))
    models = probes._Probes(torch, [x], y, fold, 0, "cpu")
    weights, slopes = (probes._Weights(torch.randn(4, probes._Weights.number(5, 3)), 5, 3) for _ in range(2))
    rows = next(models._batches(12))
    models.generator.manual_seed(1)
    models._slopes(rows, weights, slopes)
    drawn = torch.rand(probes.HIDDEN, 6, generator=torch.Generator().manual_seed(1))
    kept = (drawn >= probes.DROPOUT) / (1 - probes.DROPOUT)
    flat = weights.flat.clone().requires_grad_()
    w, loss = weights.of(flat), torch.zeros(())
    for model, part in enumerate(models._seen(rows)):
        first = w.first[model] @ x[part].T + w.shift[model]
        network = w.second[model] @ (torch.nn.functional.silu(first[3:]) * kept) + w.prior[model]
        for logits in (first[:3], network):
            loss = loss + torch.nn.functional.cross_entropy(logits.T, models.labels[part])
    (expected,) = torch.autograd.grad(loss, flat)
    assert slopes.flat.numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    alone, slopes_alone = weights.linear(torch), slopes.linear(torch)
    slopes_alone.flat.zero_()
    models._slopes(rows, alone, slopes_alone)
    for one, other in zip(slopes_alone.of_kind[0], slopes.of_kind[0], strict=True):
        assert one.numpy() == pytest.approx(other.numpy(), abs=1e-6)


def test_descent_is_that_of_torch():
    weights = probes._Weights(torch.randn(4, probes._Weights.number(5, 3)), 5, 3)
    rates = torch.full((1, weights.flat.shape[1]), 0.1)
    rates[:, 100:] = 0.01
    peer = [one.clone().requires_grad_() for one in weights.flat.split([100, rates.shape[1] - 100], dim=1)]
    groups = [{"params": [one], "lr": rate} for one, rate in zip(peer, (0.1, 0.01), strict=True)]
    adam = torch.optim.AdamW(groups, betas=probes.BETAS, eps=probes.EPSILON, weight_decay=probes.WEIGHT_DECAY)
    descent = probes._AdamW(torch, weights, weights.of(rates))
    for _ in range(3):
        descent.slopes.flat.normal_()
        peer[0].grad, peer[1].grad = descent.slopes.flat[:, :100].clone(), descent.slopes.flat[:, 100:].clone()
        adam.step()
        descent.step(1.0)
    assert weights.flat.numpy() == pytest.approx(torch.cat(peer, dim=1).detach().numpy(), abs=1e-5)


@pytest.mark.parametrize(("n", "d", "order"), [(6000, 10, 3), (3000, 128, 2)])
def test_training_goes_on_until_a_parity_shows(n, d, order):
    """No part of it says anything, so no score rises for several checks, and some fall."""
    rng = np.random.default_rng(0)
    bits, x = rng.integers(2, size=(n, order)), rng.normal(size=(n, d))
    x[:, :order] = 2 * bits - 1 + 0.4 * x[:, :order]
    y = bits.sum(axis=1) % 2
    [logs] = probes.probe_logs([features(x, None, 0)], y[None], stratified(y, 5, 0)[None], 0)
    assert logs.scored[1, np.arange(n), y].mean() > -np.log(2) + 0.2


@pytest.mark.parametrize("groups", [False, True])
def test_each_model_is_trained_on_rows_of_the_other_folds_alone(groups):
    y = np.arange(60) % 2
    fold = np.repeat(np.arange(4), (30, 10, 10, 10)) if groups else np.arange(60) % 4
    models = probes._Probes(torch, [torch.zeros(60, 1)], y, fold, 0, "cpu")
    seen = [set(), set(), set(), set()]
    for rows in islice(models._batches(16), 50):
        assert models._seen(rows).shape == (4, 8)
        for f, part in enumerate(models._seen(rows)):
            assert not np.isin(fold[part], (f, (f + 1) % 4)).any()
            assert len(part.unique()) == len(part)
            seen[f].update(part.tolist())
    assert [len(rows) for rows in seen] == [int((fold != f).sum() - (fold == (f + 1) % 4).sum()) for f in range(4)]


def test_three_folds_leave_each_model_the_rows_of_one():
    fold = np.arange(30) % 3
    models = probes._Probes(torch, [torch.zeros(30, 1)], fold % 2, fold, 0, "cpu")
    for f, part in enumerate(models._seen(next(models._batches(15)))):
        assert (fold[part] == (f + 2) % 3).all()


def test_columns_in_a_file_and_in_several_blocks_are_the_same_columns():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    layers = [np.eye(3)[y] + rng.normal(size=(300, 3)), rng.normal(size=(300, 2))]
    fold = stratified(y, 5, 0)[None]
    memory, file = (
        probes.probe_logs([features(x, None, 0, on_disk) for x in layers], y[None], fold, 0)[0]
        for on_disk in (False, True)
    )
    whole = [np.concatenate([np.asarray(features(x, None, 0)) for x in layers], axis=1)]
    for logs in (file, probes.probe_logs(whole, y[None], fold, 0)[0]):
        assert (logs.scored == memory.scored).all()


def test_out_of_memory_halves_the_batch_and_says_so(monkeypatch):
    real, batches = probes._train, []

    def train(torch, x, y, fold, plan, *rest):
        batches.append(plan.batch)
        if len(batches) < 3:
            raise torch.OutOfMemoryError
        return real(torch, x, y, fold, plan, *rest)

    monkeypatch.setattr(probes, "_train", train)
    y = np.arange(120) % 2
    fold = stratified(y, 3, 0)[None]
    with pytest.warns(PidkdWarning, match="go on with batches of"):
        probes.probe_logs([y[:, None].astype(np.float32)], y[None], fold, 0)
    assert batches[1] == batches[0] // 2
    monkeypatch.setattr(probes, "_train", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with (
        pytest.warns(PidkdWarning),
        pytest.raises(InputError, match=r"expected models that fit on the device, got 3 models of 1 features"),
    ):
        probes.probe_logs([y[:, None].astype(np.float32)], y[None], fold, 0)


@pytest.mark.gpu
def test_a_device_gives_what_the_cpu_gives():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=600)
    x = (np.eye(3)[y] + rng.normal(size=(600, 3))).astype(np.float32)
    fold = stratified(y, 5, 0)[None]
    [cpu], [cuda] = (probes.probe_logs([x], y[None], fold, 0, device) for device in ("cpu", "cuda"))
    assert cuda.scored == pytest.approx(cpu.scored, abs=1e-2)
