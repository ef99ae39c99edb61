"""IDX files, from synthetic ones in the official layout."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from pidkd.distill.dataset import load_data
from pidkd.errors import InputError


def write_idx(path: Path, values: np.ndarray, magic: bytes | None = None) -> None:
    content = (magic or bytes([0, 0, 8, values.ndim])) + struct.pack(f">{values.ndim}I", *values.shape)
    content += values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte": rng.integers(0, 256, (12, 5, 4)),
        "train-labels-idx1-ubyte": np.arange(12) % 3,
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (6, 5, 4)),
        "t10k-labels-idx1-ubyte": np.arange(6) % 3,
    }


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_reads_what_was_written(tmp_path: Path, arrays: dict[str, np.ndarray], suffix: str) -> None:
    for name, values in arrays.items():
        write_idx(tmp_path / f"{name}{suffix}", values)
    train, test = load_data("idx", tmp_path)
    np.testing.assert_array_equal(train.images[..., 0], arrays["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(test.labels, arrays["t10k-labels-idx1-ubyte"])
    assert train.n_classes == test.n_classes == 3
    assert test.mean == train.mean


def test_damage_is_said_of_its_file(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    for name, values in arrays.items():
        write_idx(tmp_path / f"{name}.gz", values)
    images = tmp_path / "train-images-idx3-ubyte.gz"
    whole = images.read_bytes()
    images.write_bytes(whole[:-9])
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte.gz: expected .*truncated or damaged"):
        load_data("idx", tmp_path)
    images.write_bytes(gzip.compress(gzip.decompress(whole)[:-1]))
    with pytest.raises(InputError, match=r"expected 256 bytes.*got 255"):
        load_data("idx", tmp_path)
    write_idx(images, arrays["train-images-idx3-ubyte"], magic=bytes([0, 0, 13, 3]))
    with pytest.raises(InputError, match=r"00000803.*got 00000d03"):
        load_data("idx", tmp_path)
    images.unlink()
    with pytest.raises(InputError, match=r"a file train-images-idx3-ubyte or train-images-idx3-ubyte.gz in it"):
        load_data("idx", tmp_path)
    with pytest.raises(InputError, match="nothing by that name"):
        load_data("idx", tmp_path / "absent")


def test_labels_of_other_length_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    arrays["train-labels-idx1-ubyte"] = np.arange(11) % 3
    for name, values in arrays.items():
        write_idx(tmp_path / name, values)
    with pytest.raises(InputError, match="12 integers, one for each image"):
        load_data("idx", tmp_path)
