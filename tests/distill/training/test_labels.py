"""Labels as people bring them: classes, soft ones, smoothed ones, and what is neither."""

import copy
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small  # noqa: E402
from small import CLASSES, TAPS, data, equal, state  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from pidkd.distill import Recipe, capture, evaluate, train  # noqa: E402
from pidkd.distill.loss import cross_entropy  # noqa: E402
from pidkd.distill.training.labels import smoothed  # noqa: E402
from pidkd.errors import InputError  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")

RECIPE = Recipe(epochs=8, batch_size=32, lr=0.02, clip=5.0)
METHODS = pytest.mark.parametrize("method", small.methods(), ids=lambda method: method.name)


def one_hot(y):
    return functional.one_hot(y, CLASSES).double()


def trained(given, method="none", recipe=RECIPE, **options):
    return train(small.teacher(), small.student(), given, method=method, taps=TAPS, recipe=recipe, **options)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("soft", [False, True])
def test_label_smoothing_is_that_of_torch(epsilon, soft):
    logits = torch.randn(6, CLASSES)
    y = torch.rand(6, CLASSES).softmax(1) if soft else torch.arange(6) % CLASSES
    expected = functional.cross_entropy(logits, y, label_smoothing=epsilon)
    assert torch.allclose(cross_entropy(logits, smoothed(y, CLASSES, epsilon)), expected)


@METHODS
def test_soft_labels_of_certainty_are_class_labels(method):
    x, y = data()
    hard, soft = trained((x, y), method), trained((x, one_hot(y)), method)
    for before, now in zip(hard.history, soft.history, strict=True):
        assert now["loss"] == pytest.approx(before["loss"], rel=1e-4)
        assert now.get("train_accuracy") == before.get("train_accuracy")


@METHODS
def test_label_smoothing_is_training_on_smoothed_soft_labels(method):
    x, y = data()
    smoothing = trained((x, y), method, Recipe(**RECIPE.to_dict() | {"label_smoothing": 0.3}))
    soft = trained((x, smoothed(y, CLASSES, 0.3)), method)
    assert equal(state(smoothing.student), state(soft.student))


def test_soft_labels_come_from_arrays_data_sets_and_loaders_alike():
    x, y = data()
    q = torch.rand(len(y), CLASSES).softmax(1)
    dataset = TensorDataset(x, q)
    for given in ((x, q), (x.numpy(), q.numpy()), (x.numpy(), q.tolist()), dataset, DataLoader(dataset, 16)):
        assert len(trained(given).history) == RECIPE.epochs
    pairs = {"x": x, "labels": q}
    loader = DataLoader([{"x": a, "labels": b} for a, b in zip(*pairs.values(), strict=True)], 16)
    assert trained(loader).history[-1]["loss"] < 2


def test_evaluation_with_soft_labels_is_its_formula():
    logits, q = torch.randn(20, CLASSES), torch.rand(20, CLASSES).softmax(1)
    found = evaluate(nn.Identity(), (logits, q), batch_size=7)
    assert found["loss"] == pytest.approx(-(q * logits.log_softmax(1)).sum(1).mean().item(), rel=1e-5)
    assert found["accuracy"] == (logits.argmax(1) == q.argmax(1)).double().mean().item()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (lambda y: one_hot(y) * 2, "probabilities of classes with sum 1 in each row, got row 0: 2, 0, 0"),
        (lambda y: one_hot(y) - 0.5, "probabilities of classes"),
        (lambda y: one_hot(y) * float("nan"), "probabilities of classes"),
        (lambda y: torch.full((len(y), 5), 0.2), "3 probabilities in each row, one for each of the classes of the st"),
        (lambda y: one_hot(y).long(), r"labels.argmax\(1\) are the classes"),
        (lambda y: y[:, None], r"labels.squeeze\(1\) has one axis"),
        (lambda y: one_hot(y)[:-1], "one class label, an integer, for each input"),
    ],
)
@pytest.mark.parametrize("form", ["arrays", "loader"])
def test_what_is_neither_a_class_nor_probabilities_is_refused_in_one_line(labels, message, form):
    x, y = data()
    q = labels(y)
    items = [*zip(x, q, strict=False)] if len(q) == len(x) else [(x[:2], q[:1])]
    given = (x, q) if form == "arrays" else DataLoader(items, 16 if len(q) == len(x) else None)
    with pytest.raises(InputError, match=message) as caught:
        trained(given)
    assert "\n" not in str(caught.value)


def test_capture_asks_for_classes():
    x, y = data(16)
    with pytest.raises(InputError, match=r"capture\(data\): expected one class label .*argmax"):
        capture(small.student(), (x, one_hot(y)), ["0"])


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adaptive_optimisers_follow_their_formulas(name):
    """AdamW takes lr * weight_decay off each weight, Adam adds weight_decay times it to the gradient."""
    x, y = torch.randn(8, 4, dtype=torch.double), torch.arange(8) % 3
    student = nn.Linear(4, 3, dtype=torch.double)
    lr, decay, (b1, b2) = 0.01, 0.3, (0.9, 0.999)
    expected = copy.deepcopy(student)
    moments = {p: (torch.zeros_like(p), torch.zeros_like(p)) for p in expected.parameters()}
    for t in (1, 2):
        loss = functional.cross_entropy(expected(x).float(), y)
        gradients = torch.autograd.grad(loss, list(expected.parameters()))
        with torch.no_grad():
            for p, g in zip(expected.parameters(), gradients, strict=True):
                if name == "adam":
                    g = g + decay * p
                m, v = moments[p]
                m.mul_(b1).add_((1 - b1) * g)
                v.mul_(b2).add_((1 - b2) * g * g)
                kept = p if name == "adam" else (1 - lr * decay) * p
                p.copy_(kept - lr * (m / (1 - b1**t)) / ((v / (1 - b2**t)).sqrt() + 1e-8))
    recipe = Recipe(epochs=2, batch_size=8, optimizer=name, lr=lr, weight_decay=decay)
    train(None, student, (x, y), method="none", recipe=recipe)
    for p, e in zip(student.parameters(), expected.parameters(), strict=True):
        assert torch.allclose(p, e, rtol=1e-6)


def test_a_warm_up_is_logged_with_its_rates():
    recipe = Recipe(epochs=4, batch_size=16, lr=0.04, warm_up=3)
    rates = [row["lr"]["student"] for row in trained(data(), recipe=recipe).history]
    assert rates == pytest.approx([0.01, 0.02, 0.03, 0.04])


def test_half_precision_probabilities_may_be_as_coarse_as_they_are():
    x, y = data()
    q = np.asarray(torch.rand(len(y), CLASSES).softmax(1), dtype=np.float16)
    assert partial(trained, (x, q))().history
