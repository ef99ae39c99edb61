"""Every data set of the zoo: all its rows with their labels and ids, or one line that says why not."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

import pidkd  # noqa: E402
from pidkd.distill import ImageData, Recipe, capture, evaluate, get_method, prospect, train  # noqa: E402
from pidkd.errors import DataWarning, InputError, PidkdWarning  # noqa: E402
from pidkd.files.reading import open_layers, stored  # noqa: E402
from zoo.datasets import DATA, WIDTH, Data, Once, SizedStream, Stream, X, Y  # noqa: E402

RECIPE = Recipe(epochs=2, batch_size=8, lr=0.01)


class Net(nn.Module):
    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(WIDTH, 6), nn.BatchNorm1d(6) if norm else nn.Identity(), nn.Tanh())
        self.head = nn.Linear(6, 3)

    def forward(self, input: Any) -> Any:  # noqa: A002 as data sets call it
        return self.head(self.layer(input))


def network(seed: int = 0, norm: bool = False) -> Net:
    torch.manual_seed(seed)
    return Net(norm).eval()


def one_line(error: BaseException) -> str:
    assert "\n" not in str(error)
    assert len(str(error)) < 900
    return str(error)


def attempt(call: Any) -> tuple[Any, str]:
    """What a call gives, and the line that refuses it."""
    try:
        return call(), ""
    except InputError as error:
        return None, one_line(error)


def expected(data: Data) -> Any:
    with torch.no_grad():
        return network().layer(X[list(data.rows)]).numpy()


def check(data: Data, held: Any) -> None:
    feature = expected(data)
    order = np.lexsort(held["layer"].T) if data.drawn else slice(None)
    known = np.lexsort(feature.T) if data.drawn else slice(None)
    np.testing.assert_allclose(held["layer"][order], feature[known], atol=2e-3)
    labels = Y[list(data.rows)].numpy()
    labels = labels > 0 if "bool" in data.name else labels + ("from 1" in data.name)
    assert held["labels"][order].tolist() == labels[known].astype(int).tolist()
    if data.ids is None:
        assert "ids" not in held
    else:
        assert held["ids"].tolist() == list(data.ids)


@pytest.mark.parametrize("data", DATA, ids=str)
@pytest.mark.parametrize("in_files", [False, True], ids=["memory", "files"])
def test_capture_writes_every_row_or_refuses(data: Data, in_files: bool, tmp_path: Path) -> None:
    out = {"out": tmp_path / "out", "shard_size": 20} if in_files else {}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        held, refusal = attempt(
            lambda: capture(network(), data.make(), ["layer"], batch_size=10, **out, **data.options)
        )
    assert bool(refusal) == bool(data.refused), refusal
    assert data.refused in refusal
    if refusal:
        return
    texts = [str(w.message) for w in said if issubclass(w.category, DataWarning)]
    assert any(data.noted in text for text in texts) if data.noted else texts == []
    assert held.n_samples == len(data.rows)
    if in_files:
        record = json.loads((out["out"] / "capture.json").read_text())
        assert record["n_samples"] == len(data.rows)
        assert record["accuracy"] == held.accuracy
        layers = open_layers(out["out"], "out")
        held = {"layer": np.asarray(layers["layer"].load()), "labels": stored(out["out"], "out", ("labels",))}
        ids = stored(out["out"], "out", ("ids",))
        held |= {} if ids is None else {"ids": ids}
    check(data, held)


@pytest.mark.parametrize("data", [d for d in DATA if not d.refused], ids=str)
def test_evaluate_counts_every_row(data: Data) -> None:
    if "from 1" in data.name:
        with pytest.raises(InputError, match="labels from 0 to 2, the classes of the network, got 3"):
            evaluate(network(), data.make())
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        accuracy = evaluate(network(), data.make(), batch_size=7, **data.options)["accuracy"]
    y = Y[list(data.rows)]
    y = (y > 0).long() if "bool" in data.name else y
    with torch.no_grad():
        right = network()(X[list(data.rows)]).argmax(1) == y
    assert accuracy == pytest.approx(right.double().mean().item(), abs=0.02)


@pytest.mark.parametrize("data", DATA, ids=str)
def test_train_trains_or_refuses(data: Data) -> None:
    student = network()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    refused = data.refused_in_training or ("OSError" if "fails" in data.name else "")
    result, refusal = attempt(lambda: train(None, student, data.make(), method="none", recipe=RECIPE, **data.options))
    assert bool(refusal) == bool(refused), refusal
    assert refused in refusal
    if refusal:
        if "fails" not in data.name:  # which cannot be known beforehand
            assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
        return
    assert result.history[-1]["loss"] > 0


def test_samples_that_can_be_read_once_are_not_trained_on_twice() -> None:
    class Sized(Once):
        def __len__(self) -> int:
            return len(X)

    with pytest.raises(InputError, match=r"batches in epoch 1, got none; .* each time|at least one batch, got none"):
        train(None, network(), Sized(), method="none", recipe=RECIPE)


@pytest.mark.parametrize("data", [DataLoader(TensorDataset(X[:41], Y[:41]), 8), DataLoader(TensorDataset(X, Y), 1)])
def test_a_batch_of_one_with_batch_norm_is_seen_before_the_first_step(data: Any) -> None:
    student = network(norm=True)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    with pytest.raises(
        InputError, match=r"batches that the networks can be trained on, got one of 1 .* drop_last=True"
    ):
        train(None, student, data, method="none", recipe=RECIPE)
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
    train(None, network(), data, method="none", recipe=RECIPE)


def test_what_evaluation_leaves_out_is_said() -> None:
    with pytest.warns(DataWarning, match="gives 48 samples of the 50"):
        evaluate(network(), DataLoader(TensorDataset(X, Y), 8, drop_last=True))


def test_held_out_data_must_be_known_beforehand() -> None:
    recipe = Recipe(epochs=1, batch_size=8, held_out=0.2)
    for data in (Stream(), SizedStream()):
        with pytest.raises(InputError, match="that can be split, got an IterableDataset"):
            train(None, network(), data, method="none", recipe=recipe)


def test_prospect_takes_data_as_it_is() -> None:
    data = TensorDataset(X.repeat(4, 1), Y.repeat(4))
    quantize = pidkd.Quantizer.from_text("pca=2,kmeans=3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        answer = prospect(network(1), network(2), data, [("layer", "layer")], quantize=quantize, shuffles=0)
        loader = DataLoader(TensorDataset(X, Y), 8, sampler=torch.utils.data.SubsetRandomSampler(range(50)))
        torch.manual_seed(0)
        with pytest.raises(InputError, match="the rows may be misaligned"):
            prospect(network(1), network(2), loader, [("layer", "layer")], quantize=quantize, shuffles=0)
    assert answer.report.results["layer", "layer"].residual < 1e-9


def test_a_capture_says_its_accuracy_and_normalisation(tmp_path: Path) -> None:
    images = ImageData(np.full((6, 2, 2, 1), 7, np.uint8), [0, 1, 2, 0, 1, 2], 3, mean=(0.5,), std=(0.25,))
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    held = capture(model, images, ["1"], tmp_path)
    assert held == {}
    assert (held.n_samples, held.accuracy, held.kinds) == (6, 1 / 3, {"1": "vector"})
    assert held.normalisation == "pixels / 255, then mean 0.5 and std 0.25"
    record = json.loads((tmp_path / "capture.json").read_text())
    assert record["normalisation"] == held.normalisation


@pytest.mark.parametrize("width", [2, 7])
def test_rows_of_several_lengths_are_refused_or_pooled(width: int) -> None:
    """Batches are padded to their own longest, as text is."""

    def collate(batch: Any) -> Any:
        rows = [torch.ones(1 + (row % width)) * row for row, _ in batch]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)[..., None], torch.stack([y for _, y in batch])

    class Text(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 4)

        def forward(self, x: Any) -> Any:
            return self.layer(x).mean(1)

    rows = torch.tensor([0, 1, 2, 3, 6, 7, 4, 6] if width == 7 else [0, 2, 4, 6, 1, 3, 5, 7]).float()
    loader = DataLoader([(int(r), Y[i]) for i, r in enumerate(rows)], 4, collate_fn=collate)
    with pytest.raises(InputError, match=r"rows of one shape, got .* position='mean'"):
        capture(Text(), loader, ["layer"])
    held = capture(Text(), loader, ["layer"], position="mean")
    assert held["layer"].shape == (8, 4)


def test_data_to_evaluate_on_is_tried_before_the_first_step() -> None:
    student = network()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    with pytest.raises(InputError, match=r"train\(student\): expected a network that runs on inputs of shape \(2, 2\)"):
        train(None, student, (X, Y), (X[:, :2], Y), method="none", recipe=RECIPE)
    with pytest.raises(InputError, match=r"train\(valid_data\): expected labels from 0 to 2"):
        train(None, student, (X, Y), (X, Y + 1), method="none", recipe=RECIPE)
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
    result = train(None, student, (X, Y), Stream(), method="none", recipe=RECIPE)
    assert result.history[-1]["valid_accuracy"] >= 0
    with pytest.raises(InputError, match="each time that it is read"):
        train(None, student, (X, Y), Once(), method="none", recipe=RECIPE)


def test_what_a_collate_function_gives() -> None:
    """Arrays and lists of labels are tensors to us; a packed sequence is one argument."""
    arrays = DataLoader(
        TensorDataset(X, Y), 8, collate_fn=lambda rows: (np.stack([x for x, _ in rows]), [int(y) for _, y in rows])
    )
    assert capture(network(), arrays, ["layer"])["labels"].tolist() == Y.tolist()

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(1, 5), nn.Linear(5, 3)

        def forward(self, packed: Any) -> Any:
            return self.head(self.lstm(packed)[1][0][-1])

    def pack(rows: Any) -> Any:
        parts = [x[: 2 + i % 2, None] for i, (x, _) in enumerate(rows)]
        return nn.utils.rnn.pack_sequence(parts, enforce_sorted=False), torch.stack([y for _, y in rows])

    loader = DataLoader(TensorDataset(X, Y), 8, collate_fn=list)
    assert evaluate(Recurrent(), loader, collate=pack)["loss"] > 0
    assert len(train(None, Recurrent(), loader, method="none", recipe=RECIPE, collate=pack).history) == 2
    with pytest.raises(InputError, match="one row for each sample"):
        capture(Recurrent(), loader, ["lstm"], collate=pack)
    with pytest.raises(InputError, match="one row for each sample"):
        train(
            Recurrent(), Recurrent(), loader, method=get_method("rid")(q=2, r=0.5), taps=[("lstm", "lstm")],
            recipe=RECIPE, collate=pack,
        )  # fmt: skip
