"""What runs on a device, on one that is pretended: nothing is left on the host, and numbers are those of the host."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small  # noqa: E402
from pretend import MixedDevicesError, OnDevice, cuda_device  # noqa: E402
from small import TAPS  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

import pidkd  # noqa: E402
from pidkd.distill import Recipe, capture, evaluate, train  # noqa: E402
from pidkd.distill.training.batches import InMemory  # noqa: E402
from pidkd.distill.training.monitor import Monitor  # noqa: E402
from pidkd.distill.training.run import Run  # noqa: E402
from pidkd.errors import InputError  # noqa: E402
from pidkd.estimators.solvers.critic import bounds  # noqa: E402
from pidkd.estimators.solvers.posterior import probes  # noqa: E402
from pidkd.estimators.solvers.posterior.folds import stratified  # noqa: E402
from pidkd.quantize import Quantizer  # noqa: E402
from pidkd.synthetic import random_pmf  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::pidkd.errors.PidkdWarning")

RECIPE = Recipe(epochs=4, batch_size=16, lr=0.02, clip=5.0, cap=1.0, balance_every=1)
METHODS = [dataclasses.replace(m, q=3) if m.name == "rid" else m for m in small.methods()]
"""Each method, so that four epochs show all of its phases."""
CRITICS = ("infonce", "js", "mine", "nwj", "smile")


def student_of(device, method="vid", recipe=RECIPE, data=None, **options):
    """Result of a training run."""
    given = small.data(16) if data is None else data
    return train(
        small.teacher(), small.student(), given, method=method, taps=TAPS, recipe=recipe, device=device, **options
    )


def on_both(work, *arguments):
    """The result of ``work`` on the host and on the device."""
    on_host = work("cpu", *arguments)
    with cuda_device():
        return on_host, work("cuda", *arguments)


def assert_same_history(on_host, on_device):
    """Losses and balance, but for the rounding of optimisers that work on all parameters at once."""
    for a, b in zip(on_host.history, on_device.history, strict=True):
        assert a.keys() == b.keys()
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-4)
        assert b.get("balance") == (pytest.approx(a["balance"], rel=1e-3) if "balance" in a else None)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_phase_of_every_method(method):
    on_host, on_device = on_both(student_of, method)
    assert_same_history(on_host, on_device)
    trained = [*on_device.student.parameters(), *on_device.loss.parameters()]
    assert all(isinstance(p, OnDevice) and p.dtype == torch.float32 for p in trained)


def test_augmented_batches_with_a_live_teacher():
    recipe = dataclasses.replace(RECIPE, epochs=1, flip=True, crop=1)
    assert_same_history(*on_both(student_of, "kd", recipe))


def test_batches_of_a_loader():
    loader = DataLoader(TensorDataset(*small.data(16)), 8)
    recipe = dataclasses.replace(RECIPE, epochs=1, label_smoothing=0.1)
    assert_same_history(*on_both(student_of, "fitnet", dataclasses.replace(recipe, epochs=2), loader))


def test_a_run_that_goes_on(tmp_path):
    def stopped(device):
        folder = tmp_path / device
        student_of(device, out=folder)
        for name in ("epoch-4.pt", "last.pt"):
            (folder / name).unlink(missing_ok=True)
        return student_of(device, out=folder, resume=True)

    assert_same_history(*on_both(stopped))


def test_a_monitor_with_a_gate():
    def watched(device):
        options = {"quantize": Quantizer(n_components=2, n_clusters=3, seed=0), "shuffles": 1}
        monitor = Monitor(small.teacher(), small.data(60, seed=3), TAPS, every=4, gate="information", **options)
        return student_of(device, "rid", after_epoch=monitor)

    on_host, on_device = on_both(watched)
    assert_same_history(on_host, on_device)
    assert on_device.history[-1]["monitor"]["gate"] == pytest.approx(on_host.history[-1]["monitor"]["gate"], abs=1e-3)


def test_capture():
    on_host, on_device = on_both(lambda device: capture(small.teacher(), small.data(40), ["0", "1"], device=device))
    for name in ("0", "1", "labels"):
        np.testing.assert_allclose(on_device[name], on_host[name], rtol=1e-5, atol=1e-6)


def test_evaluation():
    data = small.data(40)
    with cuda_device():
        assert evaluate(small.teacher().to("cuda"), data) == pytest.approx(evaluate(small.teacher(), data))


def activations(n=160):
    """A target of two classes with two sources that each know some of it."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=n)
    return y, *(np.eye(2)[y] + rng.normal(size=(n, 2)) for _ in "ts")


@pytest.fixture
def short(monkeypatch):
    """Probes of few steps."""
    monkeypatch.setattr(probes, "MAX_STEPS", 6)


def test_probes(short):
    y, t, _ = activations()
    fold = stratified(y, 3, 0)[None]
    [on_host], [on_device] = on_both(lambda device: probes.probe_logs([t.astype(np.float32)], y[None], fold, 0, device))
    assert on_device.scored == pytest.approx(on_host.scored, abs=1e-6)


def test_atoms_of_posteriors(short):
    def atoms(device):
        return pidkd.decompose(*activations(), estimator="posterior", n_folds=3, device=device).atoms

    on_host, on_device = on_both(atoms)
    assert on_device == pytest.approx(on_host, abs=1e-5)


def test_union_of_posteriors(short):
    y, t, s = activations()

    def union(device):
        return pidkd.union_information(y, {"t": t, "s": s}, estimator="posterior", n_folds=3, device=device).value

    on_host, on_device = on_both(union)
    assert on_device == pytest.approx(on_host, abs=1e-5)


@pytest.mark.parametrize("name", CRITICS)
def test_critics(name):
    _, x, y = activations(60)

    def information(device):
        settings = {"steps": 3, "n_folds": 1, "seed": 0}
        return pidkd.mutual_information(x, y, estimator=name, device=device, **settings).value

    on_host, on_device = on_both(information)
    assert on_device == pytest.approx(on_host, abs=1e-4)


def test_tables_solved_together():
    tables = np.stack([random_pmf((3, 4, 5), 1.0, rng=np.random.default_rng(seed)).p for seed in range(4)])
    on_host, on_device = on_both(lambda device: pidkd.decompose_batch(tables, estimator="broja", device=device))
    assert on_device.finished_on_cpu == 0
    np.testing.assert_allclose(on_device.unique_t, on_host.unique_t, atol=1e-8)


def test_covariances_together():
    rng = np.random.default_rng(0)
    covs = np.stack([a @ a.T + np.eye(6) for a in rng.normal(size=(4, 6, 6))])
    on_host, on_device = on_both(lambda device: pidkd.decompose_batch(covs, dims=(2, 2, 2), device=device))
    assert on_device.finished_on_cpu == 0
    np.testing.assert_allclose(on_device.redundant, on_host.redundant, atol=1e-8)


def labels_on_the_host(monkeypatch):
    made = InMemory.__init__

    def init(self, *given, **named):
        made(self, *given, **named)
        self.y = torch.arange(16) % 3

    monkeypatch.setattr(InMemory, "__init__", init)
    student_of("cuda", "none")


def a_filter_on_the_host(monkeypatch):
    do = Run._do

    def moved(self, *given):
        layer = self.step.loss.f_s[0][0]
        layer.weight = torch.nn.Parameter(torch.zeros(layer.weight.shape))
        do(self, *given)

    monkeypatch.setattr(Run, "_do", moved)
    student_of("cuda", METHODS[-3])


def a_mask_on_the_host(monkeypatch):
    eye = torch.eye
    monkeypatch.setattr(bounds.torch, "eye", lambda n, dtype=None, device=None: eye(n, dtype=dtype))
    _, x, y = activations(40)
    pidkd.mutual_information(x, y, estimator="nwj", steps=2, n_folds=1, device="cuda")


def numbers_read_without_a_copy(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: self)
    capture(small.teacher(), small.data(40), ["0"], device="cuda")


MISTAKES = [labels_on_the_host, a_filter_on_the_host, a_mask_on_the_host, numbers_read_without_a_copy]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_noticed(mistake, monkeypatch):
    with (
        cuda_device(),
        pytest.raises((MixedDevicesError, TypeError, RuntimeError, InputError), match=r"cuda and cpu|numpy"),
    ):
        mistake(monkeypatch)


@pytest.mark.parametrize("method", [m for m in METHODS if m.name in ("kd", "rid")], ids=lambda method: method.name)
def test_networks_in_bfloat16_and_losses_in_float32(method):
    seen = {}

    def look(name):
        def hook(module, inputs, output):
            seen.setdefault(name, set()).add(output.dtype)

        return hook

    teacher, student = small.teacher(), small.student()
    teacher[0][0].register_forward_hook(look("teacher"))
    student[0][0].register_forward_hook(look("student"))
    recipe = dataclasses.replace(RECIPE, precision="bfloat16")
    result = train(teacher, student, small.data(16), method=method, taps=TAPS, recipe=recipe)
    assert torch.bfloat16 in seen["student"]
    assert not method.needs_teacher or torch.bfloat16 in seen["teacher"]
    assert all(p.dtype == torch.float32 for p in (*student.parameters(), *result.loss.parameters()))
