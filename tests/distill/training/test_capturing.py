"""Captured activations: those of the model, in order, sharded, resumed, and read by the audit."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pidkd
from pidkd.distill.architectures import build_model
from pidkd.distill.dataset import ImageData
from pidkd.errors import DataWarning, InputError
from pidkd.files.reading import open_layers, stored

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from pidkd.distill.corruption import corrupt  # noqa: E402
from pidkd.distill.training.capturing import capture  # noqa: E402

TAPS = ["stage1", "stage2"]


@pytest.fixture
def data() -> ImageData:
    rng = np.random.default_rng(0)
    ids = np.array([f"image-{i}" for i in range(50)])
    return ImageData(rng.integers(0, 256, (50, 6, 6, 1), dtype=np.uint8), rng.permutation(50) % 5, 5, ids=ids)


@pytest.fixture
def model() -> Any:
    return build_model("cnn", (6, 6, 1), 5, widths=[3, 4])


def direct(model: Any, data: ImageData) -> dict[str, np.ndarray]:
    x = torch.from_numpy((data.images / 255 - data.mean) / data.std).float().permute(0, 3, 1, 2)
    model.eval()
    with torch.no_grad():
        first = model.stage1(x)
        return {"stage1": first.numpy(), "stage2": model.stage2(model.pool1(first)).numpy()}


def test_shards_hold_what_the_layers_put_out_in_order(tmp_path: Path, data: ImageData, model: Any) -> None:
    capture(model, data, TAPS, tmp_path / "a", shard_size=16, batch_size=8)
    assert sorted(p.name for p in tmp_path.glob("a/*.npz")) == [f"shard-0000{i}.npz" for i in range(4)]
    layers = open_layers(tmp_path / "a", "a")
    for name, expected in direct(model, data).items():
        np.testing.assert_allclose(np.asarray(layers[name].load()), expected, atol=1e-5)
    for name, values in {"labels": data.labels, "ids": data.ids}.items():
        np.testing.assert_array_equal(stored(tmp_path / "a", "a", (name,)), values)


def test_what_lies_in_files_is_not_looked_for_in_memory(tmp_path: Path, data: ImageData, model: Any) -> None:
    written = capture(model, data, TAPS, tmp_path / "a")
    with pytest.raises(InputError, match=r"arrays in the folder .*name the folder instead"):
        written["labels"]
    assert "labels" not in written
    with pytest.raises(KeyError):
        capture(model, data, TAPS)["label"]


def test_in_memory_it_is_the_same(tmp_path: Path, data: ImageData, model: Any) -> None:
    held = capture(model, data, TAPS)
    assert held is not None
    capture(model, data, TAPS, tmp_path / "a", shard_size=20, batch_size=10)
    layers = open_layers(tmp_path / "a", "a")
    for name in TAPS:
        np.testing.assert_allclose(held[name], np.asarray(layers[name].load()), atol=1e-6)


def test_the_audit_reads_it_and_checks_the_labels(tmp_path: Path, data: ImageData, model: Any) -> None:
    for name, network in {"t": model, "s": build_model("cnn", (6, 6, 1), 5, 1, widths=[2, 2])}.items():
        capture(network, data, TAPS, tmp_path / name, shard_size=16, batch_size=8)
    quantizer = pidkd.Quantizer.from_text("pca=2,kmeans=3")
    report = pidkd.audit(tmp_path / "t", tmp_path / "s", data.labels, quantize=quantizer, shuffles=0)
    assert set(report.results) == {("stage1", "stage1"), ("stage2", "stage2")}
    with pytest.raises(InputError, match="the labels of"):
        pidkd.audit(tmp_path / "t", tmp_path / "s", data.labels[::-1], quantize=quantizer)


def test_a_capture_goes_on_with_the_shards_it_lacks(tmp_path: Path, data: ImageData, model: Any) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "stopped"
    capture(model, data, TAPS, whole, shard_size=16, batch_size=8)

    class StoppedError(Exception):
        pass

    def stop(done: float) -> None:
        if done > 0.5:
            raise StoppedError

    with pytest.raises(StoppedError):
        capture(model, data, TAPS, folder, shard_size=16, batch_size=8, progress=stop)
    kept = {p.name: p.stat().st_mtime_ns for p in folder.glob("*.npz")}
    assert 0 < len(kept) < 4
    capture(model, data, TAPS, folder, shard_size=16, batch_size=8, resume=True)
    for name, time in kept.items():
        assert (folder / name).stat().st_mtime_ns == time
    for path in whole.glob("*.npz"):
        with np.load(path) as a, np.load(folder / path.name) as b:
            assert all(np.array_equal(a[name], b[name]) for name in a)


def test_values_that_are_not_finite_are_counted_in_shards_of_before(tmp_path: Path) -> None:
    x = torch.arange(24.0)[:, None]
    x[[2, 3, 20]] = torch.inf
    options = {"shard_size": 8, "batch_size": 4}
    for again in (False, True):
        with pytest.warns(DataWarning, match="'0' has infinite or missing values in 3 of 24 samples"):
            held = capture(
                torch.nn.Sequential(torch.nn.Identity()),
                (x, torch.arange(24) % 2),
                ["0"],
                tmp_path / "a",
                resume=again,
                **options,
            )
        assert len(held.notes) == 1
        (tmp_path / "a/shard-00001.npz").unlink()


def test_another_capture_is_not_mixed_in(tmp_path: Path, data: ImageData, model: Any) -> None:
    capture(model, data, TAPS, tmp_path / "a")
    with pytest.raises(InputError, match="a new folder, got one with a capture; go on"):
        capture(model, data, TAPS, tmp_path / "a")
    with pytest.raises(InputError, match="the same taps"):
        capture(model, data, TAPS[:1], tmp_path / "a", resume=True)
    with pytest.raises(InputError, match="the same data"):
        capture(model, data.take(range(50)[::-1]), TAPS, tmp_path / "a", resume=True)
    with torch.no_grad():
        model.classifier.bias += 1
    with pytest.raises(InputError, match="the same model"):
        capture(model, data, TAPS, tmp_path / "a", resume=True)
    (tmp_path / "a" / "capture.json").write_text("{")
    with pytest.raises(InputError, match="the record of a capture"):
        capture(model, data, TAPS, tmp_path / "a", resume=True)


def test_bad_taps(data: ImageData, model: Any) -> None:
    with pytest.raises(InputError, match="'stage3'"):
        capture(model, data, ["stage3"])
    with pytest.raises(InputError, match="at least one"):
        capture(model, data, [])
    with pytest.raises(InputError, match="other than labels"):
        capture(model, data, ["labels"])


def test_samples_that_come_in_another_order_each_time_are_refused(data: ImageData, model: Any) -> None:
    loader = DataLoader(TensorDataset(torch.zeros(8, 1, 6, 6), torch.zeros(8).long()), 4, shuffle=True)
    with pytest.raises(InputError, match=r"capture\(data\): expected a loader that keeps the order of its samples"):
        capture(model, loader, TAPS)
    with pytest.raises(InputError, match=r"capture\(shard_size\): expected a whole number >= 1, got 0"):
        capture(model, data, TAPS, shard_size=0)


def test_the_model_is_left_as_it_was(data: ImageData, model: Any) -> None:
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    capture(model, data, TAPS)
    assert model.training
    assert not model.stage1._forward_hooks
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"x"])
def test_a_damaged_shard_is_made_anew(tmp_path: Path, data: ImageData, model: Any, content: bytes) -> None:
    capture(model, data, TAPS, tmp_path / "a", shard_size=16, batch_size=8)
    whole = {path.name: path.read_bytes() for path in tmp_path.glob("a/*.npz")}
    (tmp_path / "a" / "shard-00001.npz").write_bytes(content)
    capture(model, data, TAPS, tmp_path / "a", shard_size=16, batch_size=8, resume=True)
    for name, expected in whole.items():
        with np.load(tmp_path / "a" / name) as again, np.load(io.BytesIO(expected)) as before:
            assert all(np.array_equal(again[key], before[key]) for key in before.files)


def test_noise_belongs_to_the_samples(tmp_path: Path, data: ImageData, model: Any) -> None:
    corrupt(model, [TAPS[0]], 0.5, 2.0)
    for folder in ("whole", "parts"):
        torch.manual_seed(3)
        capture(model, data, TAPS, tmp_path / folder, shard_size=16, batch_size=8)
    for path in sorted(tmp_path.glob("parts/*.npz"))[1:]:
        path.unlink()
    torch.manual_seed(3)
    capture(model, data, TAPS, tmp_path / "parts", shard_size=16, batch_size=8, resume=True)
    for path in tmp_path.glob("whole/*.npz"):
        with np.load(path) as whole, np.load(tmp_path / "parts" / path.name) as part:
            assert all(np.array_equal(whole[key], part[key]) for key in whole.files)


def test_another_noise_is_not_mixed_in(tmp_path: Path, data: ImageData, model: Any) -> None:
    other = copy.deepcopy(model)
    torch.manual_seed(3)
    corrupt(model, [TAPS[0]], 0.5, 0.6)
    capture(model, data, TAPS, tmp_path / "a")
    corrupt(other, [TAPS[0]], 0.5, 52.7)
    with pytest.raises(InputError, match=r"a capture with the same noise, got noise.parts"):
        capture(other, data, TAPS, tmp_path / "a", resume=True)


@pytest.mark.parametrize("changed", ["model", "data"])
def test_another_network_or_data_set_is_not_mixed_in(tmp_path: Path, data: ImageData, model: Any, changed: str) -> None:
    capture(model, data, TAPS, tmp_path / "a")
    if changed == "model":
        with torch.no_grad():
            next(model.parameters())[0] += 1
    else:
        data.images[0] = 255 - data.images[0]
    with pytest.raises(InputError, match=f"a capture with the same {changed}, got {changed}"):
        capture(model, data, TAPS, tmp_path / "a", resume=True)


def test_a_capture_that_was_stopped_is_not_taken_for_all_samples(tmp_path: Path, data: ImageData, model: Any) -> None:
    def stop(fraction: float) -> None:
        if fraction > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture(model, data, TAPS, tmp_path / "a", shard_size=16, batch_size=8, progress=stop)
    with pytest.raises(InputError, match="expected a capture that is whole, got one that was stopped"):
        open_layers(tmp_path / "a", "teacher")
    capture(model, data, TAPS, tmp_path / "a", shard_size=16, batch_size=8, resume=True)
    assert list(open_layers(tmp_path / "a", "teacher")) == TAPS
    sorted(tmp_path.glob("a/*.npz"))[-1].unlink()
    with pytest.raises(InputError, match="got 3 shards of 4"):
        open_layers(tmp_path / "a", "teacher")


def test_shards_that_changed_places_are_refused(tmp_path: Path, data: ImageData, model: Any) -> None:
    capture(model, data, TAPS, tmp_path / "a", shard_size=16, batch_size=8)
    first, second = sorted(tmp_path.glob("a/*.npz"))[:2]
    first.rename(tmp_path / "aside")
    second.rename(first)
    (tmp_path / "aside").rename(second)
    with pytest.raises(InputError, match=r"expected the shard that capture.json knows, got another file"):
        open_layers(tmp_path / "a", "teacher")


def test_shards_of_something_else_are_left_alone(tmp_path: Path, data: ImageData, model: Any) -> None:
    (tmp_path / "shard-00000.npz").write_bytes(b"mine")
    with pytest.raises(InputError, match="a new folder, got one with shards of something else"):
        capture(model, data, TAPS, tmp_path)
    assert (tmp_path / "shard-00000.npz").read_bytes() == b"mine"
