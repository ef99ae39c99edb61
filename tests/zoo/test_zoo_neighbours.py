"""Neighbours of what people were seen to bring to ``train``, ``capture``, ``evaluate`` and ``prospect``.

Each case is trained on, or refused in one line before the first step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.utils.data import (  # noqa: E402
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from pidkd.distill import Recipe, capture, evaluate, get_method, prospect, train  # noqa: E402
from pidkd.errors import PidkdError  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning"),
    pytest.mark.filterwarnings("ignore::pidkd.errors.DataWarning"),
]

N = 32
X = torch.randn(N, 1, 4, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(N) % 3
PAIRS = TensorDataset(X, Y)


class Items(Dataset[Any]):
    """A data set of given items."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Any:
        return self.items[row]


class Stream(IterableDataset[Any]):
    """A stream that knows its length."""

    def __len__(self) -> int:
        return N

    def __iter__(self) -> Iterator[Any]:
        return iter([(x, y) for x, y in zip(X, Y, strict=True)])


class Unsized(IterableDataset[Any]):
    """A stream that does not."""

    def __iter__(self) -> Iterator[Any]:
        return iter(Stream())


def network(width: int = 4, n_classes: int = 3) -> nn.Sequential:
    first = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU())
    return nn.Sequential(first, nn.Flatten(), nn.Linear(16 * width, n_classes))


def items(*keys: str) -> list[dict[str, Tensor]]:
    return [dict(zip(keys, pair, strict=True)) for pair in zip(X, Y, strict=True)]


def trained(data: Any = (X, Y), teacher: Any = None, student: Any = None, **options: Any) -> Any:
    settings = {"taps": [("0", "0")], "method": get_method("rid")(q=2, r=0.5, warm_up=0)}
    recipe = Recipe(epochs=2, batch_size=16, lr=0.02, clip=5.0)
    run = train(teacher or network(8), student or network(), data, recipe=recipe, **settings | options)
    assert [row["phase"] for row in run.history] == ["filters", "student"]
    return run


def in_inference_mode() -> nn.Module:
    with torch.inference_mode():
        return network()


RIGHT: dict[str, Callable[[], Any]] = {
    "NumPy items": lambda: trained(Items([(x.numpy(), np.int32(y)) for x, y in zip(X, Y, strict=True)])),
    "bytes as labels": lambda: trained((X, Y.to(torch.uint8))),
    "booleans as labels": lambda: trained((X, Y > 0)),
    "soft labels": lambda: trained((X, nn.functional.one_hot(Y, 3).double())),
    "a weighted sampler": lambda: trained(DataLoader(PAIRS, 16, sampler=WeightedRandomSampler(torch.ones(N), 24))),
    "a batch sampler": lambda: trained(DataLoader(PAIRS, batch_sampler=BatchSampler(RandomSampler(Y), 16, True))),
    "lists of rows": lambda: trained(DataLoader(PAIRS, batch_sampler=[[0, 1, 2, 3], [4, 5, 6, 7]])),
    "batches as items": lambda: trained(DataLoader(Items([(X[:16], Y[:16]), (X[16:], Y[16:])]), batch_size=None)),
    "data sets one after the other": lambda: trained(ConcatDataset([PAIRS, PAIRS])),
    "a part of a data set": lambda: trained(Subset(PAIRS, range(20))),
    "a stream": lambda: trained(Stream()),
    "streams one after the other": lambda: trained(ChainDataset([Stream(), Stream()])),
    "mappings": lambda: trained(Items(items("x", "label"))),
    "mappings in a loader": lambda: trained(DataLoader(Items(items("x", "target")), 16)),
    "mappings and collate": lambda: trained(DataLoader(Items(items("a", "b")), 16), collate=lambda b: (b["a"], b["b"])),
    "forward to a mapping": lambda: trained(forward=lambda network, x: {"logits": network(x)}),
    "half": lambda: trained((X.half(), Y), network(8).half(), network().bfloat16()),
    "double": lambda: trained((X.double(), Y), student=network().double()),
    "other data to evaluate on": lambda: trained(valid_data=DataLoader(PAIRS, 7)),
    "captured mappings": lambda: capture(network(), DataLoader(Items(items("x", "y")), 16), ["0"])["labels"],
    "a prospect of mappings": lambda: prospect(
        network(8), network(), Items(items("x", "y") * 10), [("0", "0")], estimator="kmeans", uncertainty=None
    ),
}

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "triples": (lambda: trained(Items([(x, 0, 0) for x in X])), "say which is which by collate="),
    "texts as labels": (lambda: trained((X, np.array(list("abc"))[Y])), "encode text and categories as integers"),
    "labels from 1": (lambda: trained((X, Y + 1)), "labels from 0 to 2, the classes of the student, got 3"),
    "whole one-hot labels": (lambda: trained((X, nn.functional.one_hot(Y, 3))), "argmax"),
    "labels of places": (lambda: trained((X, torch.zeros(N, 4, 4, dtype=torch.long))), "one class label"),
    "no batches": (lambda: trained(DataLoader(PAIRS, batch_size=None)), "one class label, an integer, for each input"),
    "a generator": (lambda: trained(iter([(X, Y)])), "a torch Dataset or DataLoader"),
    "a list of samples": (lambda: trained([*zip(X, Y, strict=True)]), "a torch Dataset or DataLoader"),
    "a stream without a length": (lambda: trained(Unsized()), "a loader with a length"),
    "mappings of other names": (lambda: trained(DataLoader(Items(items("a", "b")), 16)), "one of labels, label"),
    "collate that gives one": (lambda: trained(Items([*PAIRS]), collate=lambda batch: batch[0]), "inputs and labels"),
    "collate that fails": (lambda: trained(Items([*PAIRS]), collate=lambda batch: batch["x"]), "TypeError: list"),
    "forward that fails": (lambda: trained(forward=lambda network: network), "a network that runs on inputs"),
    "forward to nothing": (lambda: trained(forward=lambda network, x: None), "expected logits"),
    "missing values": (lambda: trained((X.where(X < 2, torch.nan), Y)), "numbers in every sample, got nan in row"),
    "complex inputs": (lambda: trained((X + 1j, Y)), "a network that runs on inputs"),
    "a scripted teacher": (lambda: trained(teacher=torch.jit.script(network(8))), "layers can be hooked"),
    "inference mode": (lambda: trained(student=in_inference_mode()), "made in inference mode"),
    "one output": (lambda: trained((X, (Y > 0).long()), student=network(4, 1)), "two classes has two outputs"),
    "places for logits": (lambda: trained(student=nn.Sequential(network()[0], nn.Conv2d(4, 3, 1))), "logits of shape"),
    "axes without a batch": (lambda: trained(layout=[("CHW", "BCHW")]), "one letter an axis"),
    "one layout for both": (lambda: trained(layout=["BCHW"]), "for each of 1 pairs"),
    "a path for a pair": (lambda: trained(taps=["0"]), "pairs"),
    "another shape to evaluate": (lambda: trained(valid_data=(X[..., :2], Y)), "a network that runs on inputs"),
    "nothing to evaluate": (lambda: trained(valid_data=(X[:0], Y[:0])), "at least one batch"),
    "the class of a method": (lambda: trained(method=get_method("vid")), r"make one: VID\(\)"),
    "a shuffled capture": (lambda: capture(network(), DataLoader(PAIRS, shuffle=True), ["0"]), "set shuffle=False"),
    "a capture without labels": (lambda: capture(network(), TensorDataset(X), ["0"]), "inputs and labels"),
    "triples to evaluate": (lambda: evaluate(network(), (X, Y, Y)), r"\(x, y\)"),
    "other classes": (lambda: evaluate(network(), (X, Y + 9)), "the classes of the network"),
}


# A fresh teacher tells nothing, and the rows of the prospect repeat; both are said, rightly.
@pytest.mark.filterwarnings("ignore::pidkd.errors.AlignmentWarning", "ignore::pidkd.errors.SmallSampleWarning")
@pytest.mark.parametrize("name", RIGHT)
def test_what_can_be_used_is(name: str) -> None:
    assert RIGHT[name]() is not None


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_is_refused_in_one_line(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(PidkdError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_softmax_before_the_loss_is_noted() -> None:
    run = trained(student=nn.Sequential(*network(), nn.Softmax(1)))
    assert any("the student puts out probabilities" in note for note in run.preflight.notes)
    assert not any("puts out probabilities" in note for note in trained().preflight.notes)


def test_inputs_that_become_infinite_are_named_as_such() -> None:
    with pytest.raises(PidkdError, match=r"inputs that are finite numbers, got others in epoch 0, step \d; leave"):
        trained((X.where(X < 2, torch.inf), Y))
