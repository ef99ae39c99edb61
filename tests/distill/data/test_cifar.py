"""CIFAR-10 and CIFAR-100, from synthetic files in the official layout."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from pidkd.distill.dataset import load_data
from pidkd.errors import InputError

TEN = [*[f"data_batch_{i}" for i in range(1, 6)], "test_batch"]


def batch(seed: int, n: int, keys: dict[bytes, int]) -> dict[bytes, Any]:
    rng = np.random.default_rng(seed)
    labels = {key: rng.permutation(np.arange(n) % classes).tolist() for key, classes in keys.items()}
    return {b"data": rng.integers(0, 256, (n, 3072), dtype=np.uint8), **labels}


class Python2(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes byte strings and names as Python 2 and numpy 1 did, which wrote the official files."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_bytes(self, held: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(held)) + held)
        self.memoize(held)

    dispatch[bytes] = save_bytes


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    Python2(stream, protocol=2).dump(content)
    path.write_bytes(stream.getvalue().replace(b"cnumpy._core", b"cnumpy.core"))


@pytest.fixture
def ten(tmp_path: Path) -> dict[str, dict[bytes, Any]]:
    batches = {name: batch(i, 20, {b"labels": 10}) for i, name in enumerate(TEN)}
    for name, content in batches.items():
        write(tmp_path / "cifar-10-batches-py" / name, content)
    return batches


def test_images_are_channel_major_in_the_file(tmp_path: Path, ten: dict[str, dict[bytes, Any]]) -> None:
    train, test = load_data("cifar10", tmp_path)
    assert (len(train), len(test)) == (100, 20)
    # 1,024 red values, then green, then blue; row by row.
    raw = ten["data_batch_2"][b"data"]
    assert train.images[20 + 3, 7, 9, 1] == raw[3, 1024 + 7 * 32 + 9]
    np.testing.assert_array_equal(test.labels, ten["test_batch"][b"labels"])
    assert test.mean == train.mean


def test_the_folder_itself_and_the_archive_hold_the_same(tmp_path: Path, ten: object) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(folder, folder.name)
    prints = {load_data("cifar10", p)[0].fingerprint for p in (tmp_path, folder, tmp_path / "cifar-10-python.tar.gz")}
    assert len(prints) == 1


@pytest.mark.parametrize(("labels", "n_classes"), [("fine", 100), ("coarse", 20)])
def test_cifar100_has_fine_and_coarse_labels(tmp_path: Path, labels: str, n_classes: int) -> None:
    contents = {
        name: batch(i, 200, {b"fine_labels": 100, b"coarse_labels": 20}) for i, name in enumerate(["train", "test"])
    }
    for name, content in contents.items():
        write(tmp_path / name, content)
    train, _ = load_data("cifar100", tmp_path, labels=labels)
    assert train.n_classes == n_classes
    np.testing.assert_array_equal(train.labels, contents["train"][f"{labels}_labels".encode()])


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("harm"),))


def test_nothing_that_is_pickled_runs(tmp_path: Path, ten: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "cifar-10-batches-py" / "data_batch_1", {b"data": Harm()})
    with pytest.raises(InputError, match=r"data_batch_1: .*no CIFAR file does"):
        load_data("cifar10", tmp_path)
    assert not Path("harm").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({b"labels": [1]}, r"b'data': uint8 of shape \(n, 3072\), got none"),
        ({b"data": np.zeros((2, 3072)), b"labels": [1, 2]}, "got float64"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}, "a list of 2 integers, got 1 entries"),
        ({b"data": np.zeros((2, 3072), np.uint8)}, "got no list"),
        ([1, 2], "b'data'"),
    ],
)
def test_batches_of_other_content_are_refused(tmp_path: Path, ten: object, content: object, words: str) -> None:
    write(tmp_path / "cifar-10-batches-py" / "data_batch_3", content)
    with pytest.raises(InputError, match=f"data_batch_3: expected .*{words}"):
        load_data("cifar10", tmp_path)


def test_missing_and_truncated_files_are_named(tmp_path: Path, ten: object) -> None:
    third = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    third.write_bytes(third.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"data_batch_3: .*truncated or damaged"):
        load_data("cifar10", tmp_path)
    third.unlink()
    with pytest.raises(InputError, match=r"data_batch_3: "):
        load_data("cifar10", tmp_path)
    with pytest.raises(InputError, match=r"expected cifar-100-python.tar.gz, or cifar-100-python with train"):
        load_data("cifar100", tmp_path)
    with pytest.raises(InputError, match=r"data.path: expected cifar-10-python.tar.gz, .*got nothing"):
        load_data("cifar10")
    (tmp_path / "broken.tar.gz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"broken.tar.gz"):
        load_data("cifar10", tmp_path / "broken.tar.gz")
    with pytest.raises(InputError, match="one of 'fine', 'coarse'"):
        load_data("cifar100", tmp_path, labels="superfine")
