"""Weights as they are found in files, activations that are none, and networks of a configuration."""

from __future__ import annotations

import argparse
import collections
import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from pidkd.distill import load_config  # noqa: E402
from pidkd.distill.weights import load_weights  # noqa: E402
from pidkd.errors import InputError, WeightsWarning  # noqa: E402
from pidkd.files.reading import open_layers  # noqa: E402


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))


STATE = network(1).state_dict()


def prefixed(prefix: str, state: Any = STATE) -> dict[str, Any]:
    return {f"{prefix}{key}": value for key, value in state.items()}


FOUND: dict[str, tuple[Any, str]] = {
    "plain": (STATE, ""),
    "data parallel": (prefixed("module."), "took 'module.' off"),
    "compiled": (prefixed("_orig_mod."), "took '_orig_mod.' off"),
    "compiled and parallel": (prefixed("module._orig_mod."), "took 'module._orig_mod.' off"),
    "a checkpoint": (
        {"state_dict": STATE, "epoch": 3, "optimizer": {"state": {}, "lr": 0.1}},
        "its entry 'state_dict'",
    ),
    "another checkpoint": ({"model": prefixed("module."), "epoch": 3}, "its entry 'model'; took 'module.' off"),
    "Lightning": (
        {"state_dict": {**prefixed("model."), "criterion.weight": torch.ones(3)}, "pytorch-lightning_version": "2.1"},
        "took 'model.' off the names; left out criterion.weight",
    ),
    "half": ({k: v.half() if v.is_floating_point() else v for k, v in STATE.items()}, "float16 became float32"),
    "ordered": (collections.OrderedDict(STATE), ""),
    "parts compiled": ({f"_orig_mod.{key}" if key[0] == "0" else key: v for key, v in STATE.items()}, "wrappers"),
    "sharded": (prefixed("_fsdp_wrapped_module."), "took '_fsdp_wrapped_module.' off"),
    "operations counted": (
        {**STATE, "total_ops": torch.zeros(1), "0.total_params": torch.zeros(1)},
        "left out 0.total_params, total_ops",
    ),
    "averaged": ({"n_averaged": torch.tensor(3), **prefixed("module.")}, "took 'module.' off"),
    "a record of the run": (
        {"model": STATE, "args": argparse.Namespace(lr=0.1, out=Path("x")), "best": np.float64(0.9), "all": np.ones(2)},
        "its entry 'model'",
    ),
    "arrays": ({key: value.numpy() for key, value in STATE.items()}, ""),
}


class Tied(nn.Module):
    """Output weights are those of the embedding, and positions are no weights."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(10, 8), nn.Linear(8, 10, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("positions", torch.arange(4))


@pytest.mark.parametrize("name", ["embed.weight", "head.weight"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_of_tied_weights_one_will_do(name: str, prefix: str, tmp_path: Path) -> None:
    torch.save({f"{prefix}{name}": torch.ones(10, 8)}, tmp_path / "weights.pt")
    model = Tied()
    with pytest.warns(WeightsWarning, match="the network keeps its own positions"):
        load_weights(model, tmp_path / "weights.pt", "weights")
    assert bool((model.embed.weight == 1).all())
    assert model.head.weight is model.embed.weight


def test_parts_are_read_by_their_index(tmp_path: Path) -> None:
    save = pytest.importorskip("safetensors.torch").save_file
    parts = {key: f"part-{key[0]}.safetensors" for key in STATE}
    for file in set(parts.values()):
        save({key: value.clone() for key, value in STATE.items() if parts[key] == file}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": parts}))
    model = network()
    load_weights(model, index, "weights")
    assert all(torch.equal(value, STATE[key]) for key, value in model.state_dict().items())
    for wrong in ('{"weight_map": {"a": "../x.pt"}}', "{}", "[", '{"weight_map": {}}'):
        index.write_text(wrong)
        with pytest.raises(InputError, match="weight_map"):
            load_weights(model, index, "weights")


def test_files_of_other_libraries_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"

    def refusal() -> str:
        with pytest.raises(InputError) as caught:
            load_weights(network(), path, "weights")
        assert "\n" not in str(caught.value)
        return str(caught.value)

    path.write_text("hello")
    assert "got a file of another format" in refusal()
    path.write_bytes(b"")
    assert "got an empty file" in refusal()
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:600])
    assert "got a truncated archive" in refusal()
    path.write_bytes(pickle.dumps({"a": 1}))
    assert "got a pickle of another library" in refusal()
    with path.open("wb") as file:
        np.savez(file, a=np.ones(2))
    assert "got arrays of NumPy" in refusal()


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_are_loaded_as_found(name: str, suffix: str, tmp_path: Path) -> None:
    held, words = FOUND[name]
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save = pytest.importorskip("safetensors.torch").save_file
        if not all(isinstance(value, torch.Tensor) for value in held.values()):
            return
        save({key: value.clone() for key, value in held.items()}, path)
    else:
        torch.save(held, path)
    model = network()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        load_weights(model, path, "weights")
    assert [words in str(w.message) for w in said if w.category is WeightsWarning] == ([True] if words else [])
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, STATE[key], rtol=1e-3, atol=1e-3)


REFUSED: dict[str, tuple[Any, str]] = {
    "two that fit": ({**prefixed("teacher."), **prefixed("student.")}, "one set of weights of Sequential, got '"),
    "another network": (nn.Linear(4, 6).state_dict(), "got 0 of its 8 names, no 0.bias, 0.weight, 1.bias, but bias"),
    "another width": ({**STATE, "3.weight": torch.ones(3, 7)}, "size mismatch for 3.weight"),
    "a whole module": (network(), "cannot be read without running its code|Unsupported|GLOBAL"),
    "a tensor": (torch.ones(3), "weights of the network, Sequential, got Tensor"),
    "a list": ([1, 2], "weights of the network, Sequential, got list"),
    "a run": ({"epoch": 3, "loss": 0.1}, "got a dict of epoch, loss"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    held, words = REFUSED[name]
    torch.save(held, tmp_path / "weights.pt")
    model = network()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(InputError, match=words) as caught:
        load_weights(model, tmp_path / "weights.pt", "weights")
    assert "\n" not in str(caught.value)
    if name != "another width":
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


ACTIVATIONS: dict[str, tuple[Any, str]] = {
    "weights": (STATE, "which look like the weights of a network; pidkd.distill.capture writes activations"),
    "a checkpoint": ({"state_dict": dict(STATE)}, "of a checkpoint only the activations"),
    "NumPy arrays": ({"a": np.ones((3, 2))}, "got NumPy arrays or numbers; numpy.savez writes those"),
    "a defaultdict": (collections.defaultdict(list, a=torch.ones(3, 2)), "save a plain dict of it"),
    "a whole module": (network(), "cannot be read without running its code; save its tensors by name"),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_files_that_are_fine_are_not_called_damaged(name: str, tmp_path: Path) -> None:
    held, words = ACTIVATIONS[name]
    torch.save(held, tmp_path / "layers.pt")
    with pytest.raises(InputError) as caught:
        open_layers(tmp_path / "layers.pt", "teacher")
    assert words in str(caught.value)
    assert "damaged" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["label", "labels", "target", "targets", "y", "Y", "Label", "class", "ids", "index", "sample_id", "groups"]
)
def test_labels_beside_layers_are_no_layer(name: str, tmp_path: Path) -> None:
    arrays = {"conv": np.ones((3, 2)), name: np.arange(3)}
    assert list(open_layers(arrays, "teacher")) == ["conv"]
    np.savez(tmp_path / "layers.npz", **arrays)
    assert list(open_layers(tmp_path / "layers.npz", "teacher")) == ["conv"]


OWN = """
from torch import nn

def net(classes=10):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, classes))

def broken(): return 1 / 0

class Fails(nn.Linear):
    def forward(self, x): raise KeyError("mine")
"""


def pidkd(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "mynets.py").write_text(OWN)
    command = [sys.executable, "-c", "from pidkd.cli.main import main; raise SystemExit(main())", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_network_of_the_current_folder(tmp_path: Path) -> None:
    done = pidkd(tmp_path, "train", "digits-rid", "student.model=mynets:net", "taps=[[flatten, 2]]", "--dry-run")
    assert done.returncode == 0, done.stderr
    for model, words in {
        "mynets:broken": "ZeroDivisionError: division by zero (mynets.py, line 7)",
        "mynets:nothing": "has no attribute 'nothing'",
        "yournets:net": "No module named 'yournets'",
        "mynets:Fails": "missing 2 required positional arguments",
    }.items():
        done = pidkd(tmp_path, "train", "digits-rid", f"student.model={model}", "taps=[[flatten, 2]]", "--dry-run")
        assert done.returncode == 2, done.stderr
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
    options = "student.options={in_features: 8, out_features: 10}"
    done = pidkd(
        tmp_path, "train", "digits-rid", "student.model=mynets:Fails", options, "method=kd", "--dry-run",
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "KeyError: 'mine' (mynets.py, line 10)" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_own_network_gets_no_options_or_taps_of_the_preset() -> None:
    config = load_config("digits-rid", ["student.model=mynets:net"])
    assert config.student.options == {}
    assert config.taps == ()
    options = ["student.options.classes=10", "student.model=mynets:net", "taps=[[stage2, 2], [0, 1]]"]
    config = load_config("digits-rid", options)
    assert config.student.options == {"classes": 10}
    assert config.taps == (("stage2", "2"), ("0", "1"))
    with pytest.raises(InputError, match=r"expected text, got 1.1; put it in quotes"):
        load_config("digits-rid", ["taps=[[1.1, 1]]"])
