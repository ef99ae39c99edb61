"""Images in one .npz file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pidkd.distill.dataset import load_data
from pidkd.errors import InputError


@pytest.fixture
def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (10, 4, 4, 3), dtype=np.uint8),
        "y_train": np.arange(10) % 5,
        "x_test": rng.integers(0, 256, (5, 4, 4, 3), dtype=np.uint8),
        "y_test": np.arange(5),
    }


def test_reads_what_was_saved(tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    train, test = load_data("npz", tmp_path / "a.npz")
    np.testing.assert_array_equal(train.images, arrays["x_train"])
    np.testing.assert_array_equal(test.labels, arrays["y_test"])
    assert train.n_classes == 5


def test_grey_images_need_no_axis_for_channels(tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", **{**arrays, "x_train": arrays["x_train"][..., 0], "x_test": arrays["x_test"][..., 0]})
    assert load_data("npz", tmp_path / "a.npz")[0].shape == (4, 4, 1)


def test_other_contents_are_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    file = tmp_path / "a.npz"
    np.savez(file, **{**arrays, "x_test": arrays["x_test"] / 255})
    with pytest.raises(InputError, match=r"layer 'x_test': expected uint8 of 3 or 4 axes, got float64"):
        load_data("npz", file)
    del arrays["y_test"]
    np.savez(file, **arrays)
    with pytest.raises(InputError, match=r"a.npz: expected the arrays .*got none called y_test"):
        load_data("npz", file)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"a.npz: "):
        load_data("npz", file)
    with pytest.raises(InputError, match=r"expected a .npz file with x_train, .*, got a folder"):
        load_data("npz", tmp_path)
