import json
import math
import signal
import sys
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small  # noqa: E402
from small import RECIPE, TAPS, data, equal, state  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from pidkd.distill import FeatureTap, Recipe, get_method, train  # noqa: E402
from pidkd.distill.dataset import ImageData  # noqa: E402
from pidkd.distill.training.engine import fingerprint  # noqa: E402
from pidkd.errors import DivergenceError, InputError, MissingDependencyError, UnknownNameError  # noqa: E402

# The runs are too short for a student to overfit; tests of the warning ask for it.
pytestmark = pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")

METHODS = pytest.mark.parametrize("method", small.methods(), ids=lambda method: method.name)


def run(method, **options):
    given = {"recipe": RECIPE, "taps": TAPS} | options
    return train(small.teacher(), small.student(), data(), data(48, seed=9), method=method, **given)


@METHODS
def test_each_epoch_changes_what_its_phase_trains_and_nothing_else_bit_for_bit(method):
    seen = []

    def look(run):
        seen.append((run.schedule[run.epoch], state(run.step.student.model), state(run.step.loss)))

    start = []
    teacher, student = small.teacher(), small.student()
    of_teacher, of_student = state(teacher), state(student)
    train(
        teacher,
        student,
        data(),
        method=method,
        taps=TAPS,
        recipe=RECIPE,
        before=lambda _: start.append(state(student)),
        after_epoch=look,
    )
    assert equal(state(teacher), of_teacher)
    assert equal(start[0], of_student)
    previous_student, previous_loss = of_student, None
    assert {phase for phase, _, _ in seen} == set(method.phases)
    for phase, now, loss in seen:
        rule = method.phases[phase]
        changed = {name for name, value in now.items() if not torch.equal(value, previous_student[name])}
        if rule.student == "frozen":
            assert not changed
        elif rule.student == "whole":
            assert changed >= {name for name, _ in student.named_parameters()}
        else:
            assert {name for name in changed if not name.startswith(("0.", "1."))} == set()
        if previous_loss is not None:
            parts = {name.partition(".")[0] for name, v in loss.items() if not torch.equal(v, previous_loss[name])}
            assert parts == set(rule.parts)
        previous_student, previous_loss = now, loss


@METHODS
def test_learning_rates_are_those_of_the_recipe_and_of_the_preflight_in_every_epoch(method):
    parts = {"f_t": 0.005} if method.name in ("rid", "ted") else {}
    recipe = Recipe(**RECIPE.to_dict() | {"part_lr": parts})
    result = run(method, recipe=recipe)
    factors = [1.0] * 3 + [0.2] * 3 + [0.2 * 0.2] * 2
    for row, factor in zip(result.history, factors, strict=True):
        for group, rate in row["lr"].items():
            assert rate == pytest.approx(parts.get(group, 0.02) * factor, rel=1e-12)
            assert result.preflight.rates[group][row["epoch"]] == rate
        untrained = set(result.preflight.rates) - set(row["lr"])
        assert all(result.preflight.rates[group][row["epoch"]] is None for group in untrained)


def test_all_methods_train_the_student_at_the_same_rates():
    rates = {}
    for method in small.methods():
        history = run(method).history
        rates[method.name] = {row["epoch"]: row["lr"]["student"] for row in history if "student" in row["lr"]}
    for of_method in rates.values():
        assert of_method.items() <= rates["none"].items()


@METHODS
def test_networks_learn(method):
    result = run(method, recipe=Recipe(epochs=16, batch_size=16, lr=0.02, clip=5.0))
    assert [row["epoch"] for row in result.history] == list(range(16))
    assert [row["steps"] for row in result.history] == [6 * epoch for epoch in range(1, 17)]
    assert result.history[-1]["valid_accuracy"] > 0.6
    assert not result.student.training


N = 24


def only(part: str, method, **recipe):
    """Train one part of a loss, on one batch of all samples, whose filters see the same each time."""
    frozen = small.student()
    for p in frozen.parameters():
        p.requires_grad_(False)
    # A student without anything to train is refused: this one has a parameter that changes nothing.
    frozen.shift = nn.Parameter(torch.zeros(()))
    frozen.register_forward_pre_hook(lambda net, inputs: (inputs[0] + 0 * net.shift,))
    rates = {"f_t": 0.0, "g_t": 0.0, "f_s": 0.0, "sigma": 0.0} if part == "sigma" else {"mu": 0.0, "variance": 0.0}
    recipe = Recipe(
        epochs=250, batch_size=N, optimizer="adam", lr=0.1, schedule="cosine", weight_decay=0.0,
        part_lr=rates | {part: 0.1}, **recipe,
    )  # fmt: skip
    return train(small.teacher(), frozen.eval(), data(N), method=method, taps=TAPS, recipe=recipe, seed=3)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_sigma_comes_to_its_stationary_point(reduction):
    method = get_method("rid")(q=250, r=1 / 250, reduction=reduction, weight=1.0, initial_sigma=1.0)
    result = only("sigma", method)
    loss = result.loss.train()
    teacher, student = (FeatureTap(net, ["0", "1"], frozen=True) for net in (result.teacher, result.student))
    x, _ = data(N)
    student.freeze(False)
    residuals = []
    with torch.no_grad():
        for k, (t, s) in enumerate(zip(teacher(x)[1].values(), student(x)[1].values(), strict=True)):
            t = nn.functional.adaptive_avg_pool2d(t, s.shape[2:])
            residuals.append(loss.f_t[k](t) - loss.f_s[k](s))
    for k, residual in enumerate(residuals):
        squares = residual.square().mean(0)
        v = squares.mean((1, 2)) if reduction == "mean" else squares.sum((1, 2))
        torch.testing.assert_close(loss.sigma[k]().detach(), (v / 2) ** (1 / 3), rtol=2e-3, atol=0)


def test_the_variance_of_vid_comes_to_the_squared_error_of_each_channel():
    result = only("variance", get_method("vid")(weight=1.0, initial_variance=1.0))
    loss = result.loss.train()
    teacher, student = (FeatureTap(net, ["0", "1"], frozen=True) for net in (result.teacher, result.student))
    student.freeze(False)
    x, _ = data(N)
    with torch.no_grad():
        for k, (t, s) in enumerate(zip(teacher(x)[1].values(), student(x)[1].values(), strict=True)):
            t = nn.functional.adaptive_avg_pool2d(t, s.shape[2:])
            error = (t - loss.mu[k](s)).square().mean((0, 2, 3))
            torch.testing.assert_close(loss.variance[k]().detach(), error, rtol=5e-3, atol=0)


def test_the_engine_is_the_plain_loop():
    recipe = Recipe(epochs=2, batch_size=16, lr=0.05, clip=1.0, schedule="cosine")
    result = train(None, small.student(), data(), method="none", recipe=recipe, strict=True)
    seen = []

    class Watched(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            if self.training:
                seen.append(x.clone())
            return self.inner(x)

    train(None, Watched(small.student()), data(), method="none", recipe=recipe, strict=True)
    del seen[0]  # the rehearsal
    assert len(seen) == 12
    x, y = data()
    model = small.student()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for step, batch in enumerate(seen):
        rows = [int((x == image).flatten(1).all(1).nonzero()) for image in batch]
        optimiser.param_groups[0]["lr"] = 0.05 * (1 if step < 6 else 0.5)
        nn.functional.cross_entropy(model(batch), y[rows]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    for p, q in zip(model.parameters(), result.student.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-7)


def test_the_best_epoch_is_chosen_on_what_was_held_out_and_the_last_is_the_result():
    result = run("none", recipe=Recipe(epochs=6, batch_size=16, lr=0.1, held_out=0.25))
    assert result.preflight.n_samples == 72
    accuracies = [row["held_out_accuracy"] for row in result.history]
    assert result.best["epoch"] == int(np.argmax(accuracies))
    assert result.best["accuracy"] == max(accuracies)
    if result.best["epoch"] != 5:
        assert not equal(result.best["student"], result.student.state_dict())


@pytest.mark.parametrize("given", ["arrays", "dataset", "loader", "images"])
def test_every_kind_of_data(given):
    x, y = data()
    images = (x.permute(0, 2, 3, 1) * 30 + 128).clamp(0, 255).byte().numpy()
    kinds = {
        "arrays": (x.numpy(), y.numpy()),
        "dataset": TensorDataset(x, y),
        "loader": DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True),
        "images": ImageData(images, y.numpy(), 3),
    }
    recipe = Recipe(epochs=8, batch_size=32, lr=0.05, flip=given == "images", crop=1 if given == "images" else 0)
    train_data = kinds[given]
    result = train(None, small.student(), train_data, train_data, method="none", recipe=recipe)
    assert result.preflight.steps == 3
    assert result.history[-1]["valid_accuracy"] > 0.6


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("given", ["arrays", "dataset", "images"])
def test_gradients_lie_as_their_parameters_do(given, channels):
    """Else they are copied at each step, and DistributedDataParallel warns; maps of one channel can lie either way."""
    x, y = torch.rand(32, channels, 8, 8), torch.arange(32) % 3
    images = (255 * x).byte().permute(0, 2, 3, 1).numpy()
    kinds = {"arrays": (x, y), "dataset": TensorDataset(x, y), "images": ImageData(images, y.numpy(), 3)}
    student = nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.Conv2d(4, 6, 1), nn.AvgPool2d(6), nn.Flatten(), nn.Linear(6, 3)
    )
    for p in student.parameters():
        p.register_post_accumulate_grad_hook(lambda p: seen.append((p.stride(), p.grad.stride())))
    seen = []
    train(None, student, kinds[given], method="none", recipe=Recipe(epochs=1, batch_size=16))
    assert len(seen) == (1 + 2) * 6  # with the rehearsal
    assert all(of_parameter == of_gradient for of_parameter, of_gradient in seen)


def test_several_seeds_differ_and_one_is_always_the_same():
    method = get_method("rid")(q=3, r=1 / 3)
    a, b, c = (run(method, seed=seed, strict=True) for seed in (0, 0, 1))
    assert a.history == b.history
    assert equal(state(a.student), state(b.student))
    assert equal(state(a.loss), state(b.loss))
    assert not equal(state(a.student), state(c.student))


def test_what_is_global_in_torch_is_left_as_it_was():
    networks, (x, y) = (small.teacher(), small.student()), data()
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), signal.getsignal(signal.SIGTERM)  # noqa: NPY002
    train(*networks, (x, y), method="kd", recipe=Recipe(epochs=1, batch_size=16), strict=True)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert signal.getsignal(signal.SIGTERM) == before[2]
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_run_writes_its_log_record_and_weights(tmp_path):
    folder = tmp_path / "run"
    recipe = Recipe(epochs=4, batch_size=16, lr=0.05, keep_every=2, held_out=0.25)
    result = run("kd", recipe=recipe, out=folder, note={"preset": "mine"})
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert rows == result.history
    record = json.loads((folder / "run.json").read_text())
    assert record["note"] == {"preset": "mine"}
    assert record["settings"]["method"]["name"] == "kd"
    assert record["settings"]["teacher"] == fingerprint(small.teacher())
    assert Recipe(**record["settings"]["recipe"]) == recipe
    names = {"run.json", "log.jsonl", "last.pt", "previous.pt", "epoch-2.pt", "epoch-4.pt", "student.pt", "best.pt"}
    assert {path.name for path in folder.iterdir()} == names
    again = small.student()
    again.load_state_dict(torch.load(folder / "student.pt", weights_only=True))
    assert equal(state(again), state(result.student))


def test_tensorboard_on_request(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run("kd", recipe=Recipe(epochs=3, batch_size=16), out=tmp_path / "run", tensorboard=True)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [0, 1, 2]
    assert "lr/student" in events.Tags()["scalars"]


def test_without_tensorboard_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(
        MissingDependencyError, match=r"train\(tensorboard=True\): .* pip install -e '\.\[tensorboard\]'"
    ):
        run("kd", out=tmp_path, tensorboard=True)
    assert not list(tmp_path.iterdir())


def test_progress_is_told_of_each_step():
    seen = []
    run(
        "none", recipe=Recipe(epochs=2, batch_size=32), progress=lambda part, row: seen.append((part, row.get("epoch")))
    )
    assert seen == [(pytest.approx(k / 6), None if k <= 3 else 0) for k in range(1, 7)]


def test_a_hook_after_each_epoch_adds_to_the_log():
    result = run("none", recipe=Recipe(epochs=2, batch_size=16), after_epoch=lambda run: {"twice": 2 * run.epoch})
    assert [row["monitor"] for row in result.history] == [{"twice": 0}, {"twice": 2}]


class Overflowing(nn.Module):
    """Puts out infinity from its n-th batch in training on."""

    def __init__(self, n):
        super().__init__()
        self.left = n

    def forward(self, x):
        self.left -= self.training
        return x / 0.0 if self.left < 0 else x


def test_a_loss_that_is_not_finite_stops_names_term_and_layer_and_keeps_the_last_checkpoint(tmp_path):
    student = small.student()
    student.insert(2, Overflowing(7))
    message = (
        r"train: expected a finite loss, got nan in epoch 1, step 1 \(term 'task' and 'kd'; "
        r"first not finite: student\.2\); lower the learning rate \(recipe\.lr\), or clip gradients "
        r"\(recipe\.clip, now 2\.0\); the last good checkpoint is .*last\.pt"
    )
    recipe = Recipe(epochs=3, batch_size=16, cap=None, balance_every=None)
    with pytest.raises(DivergenceError, match=message):
        train(small.teacher(), student, data(), method="kd", recipe=recipe, out=tmp_path)
    kept = torch.load(tmp_path / "last.pt", weights_only=True)
    assert kept["epoch"] == 1
    assert all(bool(value.isfinite().all()) for value in kept["student"].values())
    assert all(bool(p.isfinite().all()) for p in student.parameters())
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 1


def test_inputs_that_are_not_finite_are_named():
    x, y = data()
    x[5] = math.nan
    with pytest.raises(InputError, match=r"train_data\)\[0\]: expected numbers in every sample, got nan in row 5"):
        train(None, small.student(), (x, y), method="none", recipe=Recipe(epochs=1, batch_size=96))


def ten_classes():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def frozen():
    return small.student().requires_grad_(False)


def loader(y):
    return DataLoader(TensorDataset(data()[0], y), 16)


SMALL = {"batch_size": 16}
IMAGES = ImageData(np.zeros((40, 8, 8, 1), np.uint8), np.arange(40) % 4, 4, mean=(0.5,), std=(1.0,), name="shapes")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "ridd"}, r"method=: expected a distillation method, one of .* 'ridd'; did you mean 'rid'\?"),
        ({"taps": [("0.9", "0")]}, r"train\(teacher, taps\): expected paths of layers of Sequential, got '0.9'"),
        ({"taps": [("0", "first")]}, r"train\(student, taps\): expected paths of layers of Sequential, got 'first'"),
        ({"taps": ["0"]}, r"train\(taps\): expected pairs \(teacher layer, student layer\), got '0'"),
        ({"taps": []}, r"train\(taps\): expected at least one layer pair, for method 'rid', got none"),
        ({"teacher": None}, r"train\(teacher\): expected a teacher, for method 'rid', got None"),
        ({"student": "resnet"}, r"train\(student\): expected a torch.nn.Module, got str"),
        ({"method": "kd", "teacher": ten_classes()}, r"teacher: expected logits of shape \(2, 3\), as the student's"),
        ({"train_data": IMAGES}, r"train\(student\): expected 4 classes, as shapes has, got 3"),
        ({"train_data": (data()[0], data()[1] + 1)}, r"train\(train_data\): expected labels from 0 to 2, .* got 3"),
        ({"train_data": (data()[0], data()[1].float())}, r"train\(train_data\)\[1\]: expected one class label"),
        ({"train_data": "cifar10"}, r"train\(train_data\): expected \(x, y\), a torch Dataset or DataLoader"),
        ({"valid_data": 3}, r"train\(valid_data\): expected \(x, y\)"),
        ({"valid_data": (data()[0], data()[1] - 1)}, r"train\(valid_data\): expected labels from 0 to 2, .* got -1"),
        ({"train_data": loader(data()[1] + 1)}, r"train\(train_data\): expected labels from 0 to 2, .* got 3"),
        ({"train_data": loader(data()[1].float())}, r"train\(train_data\)\[1\]: expected one class label"),
        ({"train_data": (["a", "b"], [0, 1])}, r"train\(train_data\)\[0\]: expected numbers, got dtype"),
        ({"train_data": 3, "recipe": Recipe(held_out=0.1)}, r"train\(train_data\): expected \(x, y\), .* got int"),
        ({"student": nn.Conv2d(1, 3, 3), "method": "none", "taps": []}, r"\(student\): expected logits .*, 3, 6, 6"),
        ({"student": frozen(), "method": "none"}, r"train\(student\): expected parameters that need a gradient"),
        ({"recipe": Recipe(batch_size=128)}, r"Recipe\(batch_size\): expected at most as many as there are samples"),
        ({"recipe": Recipe(part_lr={"f": 1.0}, **SMALL)}, r"Recipe\(part_lr\): expected a part of the loss of 'rid'"),
        ({"recipe": Recipe(sync_batchnorm=True, **SMALL)}, r"Recipe\(sync_batchnorm\): expected CUDA devices"),
        ({"method": get_method("rid")(q=30), "recipe": Recipe(epochs=12, **SMALL)}, r"at least half of .* 4 of 12"),
        ({"method": get_method("fitnet")(hint=0.3), "recipe": Recipe(epochs=1, **SMALL)}, r"an epoch of 1 for every"),
        ({"device": "gpu"}, r"train\(device\): expected one of 'cpu', 'cuda', 'auto', got 'gpu'"),
        ({"processes": 2}, r"train\(processes\): expected 2 processes, as asked for, got 1; start it with: torchrun"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_training(wrong, message):
    given = {"teacher": small.teacher(), "student": small.student(), "train_data": data(), "taps": TAPS} | wrong
    given = {"recipe": Recipe(epochs=40, batch_size=16)} | given
    with pytest.raises((InputError, UnknownNameError), match=message):
        train(**given)


def test_cuda_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    message = r"train\(device\): expected a CUDA device, as asked for, got none that torch .* sees; use device='cpu'"
    with pytest.raises(InputError, match=message):
        run("none", device="cuda")
    assert run("none", device="auto", recipe=Recipe(epochs=1, batch_size=16)).history


@METHODS
def test_bfloat16_agrees_with_float32(method):
    low = run(method, recipe=Recipe(**RECIPE.to_dict() | {"precision": "bfloat16"}))
    for a, b in zip(run(method).history, low.history, strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=0.1, abs=0.05)
    assert {p.dtype for p in low.student.parameters()} == {torch.float32}


COMPILED = Recipe(**RECIPE.to_dict() | {"compile": True})


@pytest.mark.slow
def test_a_compiled_run_is_the_same_run():
    """Hooks and phases included, by the compiler of the platform."""
    method = get_method("rid")(warm_up=1, q=3, r=1 / 3)
    for a, b in zip(run(method).history, run(method, recipe=COMPILED).history, strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-3)


@pytest.mark.slow
def test_every_run_of_a_process_is_compiled(monkeypatch):
    """Torch compiles no more, and says nothing, after eight variants of one function."""
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=count))
    counts = {}
    for _ in range(2):
        for method in small.methods():
            before = len(graphs)
            run(method, recipe=COMPILED)
            counts.setdefault(method.name, []).append(len(graphs) - before)
    for name, (first, second) in counts.items():
        # The step in each way of training there is, and the teacher.
        assert first == second >= len(set(get_method(name)().phases.values())) + get_method(name).needs_teacher


@pytest.mark.gpu
@METHODS
def test_the_fast_path_on_cuda_agrees_with_the_strict_one(method):
    strict = run(method, device="cuda", strict=True)
    fast = run(method, device="cuda")
    compiled = run(method, device="cuda", recipe=COMPILED)
    for other in (fast, compiled):
        for a, b in zip(strict.history, other.history, strict=True):
            assert b["loss"] == pytest.approx(a["loss"], rel=0.1)


@pytest.mark.gpu
def test_a_loss_that_is_not_finite_stops_on_cuda_at_the_end_of_the_epoch():
    student = small.student()
    student.insert(2, Overflowing(7))
    with pytest.raises(DivergenceError, match="got nan in epoch 1"):
        train(small.teacher(), student, data(), method="kd", recipe=RECIPE, device="cuda")


def test_weights_that_are_not_finite_are_never_kept(tmp_path):
    def spoil(run):
        run.step.student.model[4].bias.data[1] = math.inf

    message = r"train: expected finite weights after epoch 1, got others in student\.model\.4\.bias"
    with pytest.raises(DivergenceError, match=message):
        run("none", out=tmp_path, after_epoch=spoil)
    assert not (tmp_path / "last.pt").exists()


def test_networks_are_left_without_hooks_whatever_happens():
    teacher, student = small.teacher(), small.student()
    options = {"method": get_method("rid")(q=30), "taps": TAPS}
    with pytest.raises(InputError):
        train(teacher, student, data(), recipe=Recipe(epochs=2, batch_size=16), **options)
    train(teacher, student, data(), recipe=Recipe(epochs=40, batch_size=16), dry_run=True, **options)
    assert not any(layer._forward_hooks for network in (teacher, student) for layer in network.modules())
    assert teacher.training  # as it was given
    assert not student.training
    assert all(p.requires_grad for p in student.parameters())
