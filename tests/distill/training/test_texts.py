"""Distillation on texts: tokens are matched one by one, and padding has no part in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pidkd.distill import Monitor, Recipe, TextData, build_model, capture, get_method, load_data, train  # noqa: E402
from pidkd.distill.training.batches import InMemory  # noqa: E402
from pidkd.distill.training.opening import open_batches  # noqa: E402
from pidkd.distill.training.step import Step, tap  # noqa: E402
from pidkd.errors import InputError  # noqa: E402

METHODS = ("rid", "vid", "kd", "fitnet", "ted")
TAPS = [("layer1", "embeddings"), ("layer2", "layer1")]
PLACE = torch.device("cpu"), 0, 1


@pytest.fixture(scope="module")
def data() -> TextData:
    held = load_data("sentences", n_train=48, n_test=2, topics=3)[0]
    assert isinstance(held, TextData)
    return held


def networks(data: TextData, dropout: float = 0.0) -> tuple[Any, Any]:
    sizes = {"width": 8, "heads": 2, "dropout": dropout}
    return build_model("bert", data.shape, 3, 0, **sizes), build_model("bert", data.shape, 3, 1, layers=1, **sizes)


def step_of(method: str, data: TextData) -> tuple[Step, Any, Any, Any]:
    teacher, student = networks(data)
    batches = open_batches(data, "data", Recipe(batch_size=16), 0, PLACE)
    x, y = batches.first()
    paths = [list(side) for side in zip(*TAPS, strict=True)]
    taps = tap(teacher, paths[0], "teacher", frozen=True), tap(student, paths[1], "student", frozen=False)
    torch.manual_seed(0)
    return Step(get_method(method)(), *taps, TAPS, x), taps[0], x, y


@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_padding_are_exactly_zero(method: str, data: TextData) -> None:
    step, teacher, x, y = step_of(method, data)
    kept = x["attention_mask"].bool()
    assert int((~kept).sum()) > 0
    states: dict[str, Any] = {}
    for _, path in TAPS:
        layer = step.student.model.get_submodule(path)
        layer.register_forward_hook(lambda *args, path=path: states.update({path: args[2]}))
    taught = step.paired(teacher(x), 0)
    trained = [phase for phase, rule in step.loss.method.phases.items() if rule.student != "frozen"]
    assert trained
    for phase in trained:
        step.start(phase)
        total = step(x, taught, y).total
        for gradient in torch.autograd.grad(total, list(states.values())):
            assert (gradient[~kept] == 0).all()
            assert (gradient[kept] != 0).any()


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_does_not_see_padding(method: str, data: TextData) -> None:
    step, teacher, x, y = step_of(method, data)
    step.eval()
    taught = step.paired(teacher(x), 0)
    noise = torch.randn_like(taught[1][0]) * (x["attention_mask"] == 0)[..., None]
    for phase in step.loss.method.phases:
        step.loss.start(phase)
        total = step(x, taught, y).total
        assert step(x, (taught[0], [feature + noise for feature in taught[1]]), y).total == total


def test_fitnet_is_the_mean_over_the_tokens_of_all_texts(data: TextData) -> None:
    step, teacher, x, y = step_of("fitnet", data)
    step.start("hint")
    step.eval()
    value = step(x, step.paired(teacher(x), 0), y).values["hint"]
    squares: list[Any] = [[], []]
    for ids, mask in zip(x["input_ids"], x["attention_mask"], strict=True):
        alone = {"input_ids": ids[None, : mask.sum()], "attention_mask": mask[None, : mask.sum()]}
        t, s = step.paired(teacher(alone), 0)[1], step.paired(step.student(alone), 1)[1]
        for k in range(2):
            squares[k].append((step.loss.regressor[k](s[k]) - t[k]).square()[0])  # type: ignore[index]
    expected = torch.stack([torch.cat(of_pair).mean() for of_pair in squares]).sum()
    torch.testing.assert_close(value, expected.detach())


def test_training_ignores_what_stands_at_the_padding(data: TextData) -> None:
    """Runs on the same texts, padded further, end alike."""
    ends = []
    for extra in (0, 3):
        tokens = np.pad(data.tokens, ((0, 0), (0, extra)))
        longer = TextData(tokens, data.labels, 3, data.n_tokens)
        teacher, student = (build_model("bert", (30, data.n_tokens), 3, k, width=8, dropout=0.0) for k in (0, 1))
        recipe = Recipe(epochs=1, batch_size=16, optimizer="adam", lr=0.01)
        run = train(teacher, student, longer, method="vid", taps=[("layer2", "layer2")], recipe=recipe)
        ends.append(run.history[-1]["loss"])
    assert ends[0] == pytest.approx(ends[1], rel=1e-4)


def test_a_text_is_captured_as_the_mean_over_its_tokens(data: TextData) -> None:
    _, student = networks(data)
    held = capture(student, data, ["layer1"])
    assert held.position == "mean"
    student.eval()
    x = data.inputs
    with torch.no_grad():
        for row in (0, 5):
            ids = torch.from_numpy(x["input_ids"][row : row + 1, : x["attention_mask"][row].sum()].copy())
            state = student.layer1(student.embeddings(ids), torch.ones_like(ids).bool())
            np.testing.assert_allclose(held["layer1"][row], state[0].mean(0), atol=1e-6)


@pytest.mark.filterwarnings("ignore::pidkd.errors.AlignmentWarning", "ignore::pidkd.errors.SmallSampleWarning")
def test_a_monitor_audits_texts_and_what_filters_leave(data: TextData) -> None:
    teacher, student = networks(data)
    monitor = Monitor(teacher, data, TAPS, every=2, shuffles=2)
    recipe = Recipe(epochs=2, batch_size=16)
    run = train(teacher, student, data, method="rid", taps=TAPS, recipe=recipe, after_epoch=monitor)
    assert "layer2:layer1" in run.history[-1]["monitor"]


@pytest.mark.filterwarnings("ignore::pidkd.errors.SmallSampleWarning", "ignore::pidkd.errors.TrainingWarning")
def test_a_monitor_reads_padded_batches_at_a_position(data: TextData) -> None:
    batches = [
        {**{key: torch.tensor(x[rows]) for key, x in data.inputs.items()}, "labels": torch.tensor(data.labels[rows])}
        for rows in np.arange(48).reshape(3, 16)
    ]
    audited = []
    for held_out, position in ((data, None), (batches, "mean")):
        teacher, student = networks(data)
        monitor = Monitor(teacher, held_out, TAPS, every=1, shuffles=1, position=position)
        recipe = Recipe(epochs=1, batch_size=16)
        run = train(teacher, student, data, method="kd", recipe=recipe, after_epoch=monitor)
        audited.append(run.history[-1]["monitor"])
    assert audited[0] == audited[1]
    with pytest.raises(InputError, match="one of 'mean', 'cls', 'last', 'answer', or None, got 'first'"):
        Monitor(teacher, data, TAPS, position="first")  # type: ignore[arg-type]
    padded = Monitor(teacher, batches, TAPS, every=1, shuffles=1)
    with pytest.raises(InputError, match="tokens without padding where all of them are kept"):
        train(teacher, student, data, method="kd", recipe=recipe, after_epoch=padded)


def test_layers_without_all_tokens_are_refused(data: TextData) -> None:
    teacher, student = networks(data)
    teacher.embeddings.tokens = torch.nn.Embedding(data.n_tokens, 8)
    with pytest.raises(InputError, match=r"mask: expected tokens \(16, 24, D\), as the mask has, got a feature of"):
        train(teacher, student, data, method="vid", taps=[("classifier", "layer1")], recipe=Recipe(batch_size=16))


def test_augmentation_and_pixels_are_refused(data: TextData) -> None:
    with pytest.raises(InputError, match=r"expected images in sentences, train, got inputs of input_ids"):
        open_batches(data, "data", Recipe(batch_size=16, flip=True), 0, PLACE)
    batches = open_batches(data, "data", Recipe(batch_size=16), 0, PLACE)
    assert isinstance(batches, InMemory)
    assert batches.n_classes == 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pidkd.errors.SmallSampleWarning")
def test_the_preset_trains_audits_and_gains(tmp_path: Path) -> None:
    from pidkd.distill.experiments.experiment import run_experiment
    from pidkd.distill.experiments.loading import load_config

    small = ["data.options={n_train: 1500, n_test: 300}", "recipe.epochs=20", "monitor={every: 10}"]
    result = run_experiment(load_config("text-rid", small), tmp_path / "out", methods=["none", "rid"], seeds=[7])
    none, rid = result.rows
    assert rid["redundant"] > 0
    assert rid["accuracy"] > none["accuracy"]
    with pytest.raises(InputError, match=r"data.mean, data.std: expected none but for images"):
        run_experiment(load_config("text-rid", [*small, "data.mean=[0.5]", "data.std=[1.0]"]), tmp_path / "other")
