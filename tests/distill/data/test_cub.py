"""CUB-200-2011, from a small set in its official layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pidkd.distill.dataset import load_data
from pidkd.errors import InputError

NAMES = ["001.Albatross/A_1.jpg", "001.Albatross/A_2.jpg", "002.Auklet/B_1.jpg", "002.Auklet/B_2.jpg"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "CUB_200_2011"
    for i, name in enumerate(NAMES):
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((10 + i, 12, 3), 40 * i, np.uint8)).save(root / "images" / name)
    tables = {
        "images.txt": NAMES,
        "image_class_labels.txt": [1, 1, 2, 2],
        "train_test_split.txt": [1, 0, 0, 1],
        "classes.txt": ["001.Albatross", "002.Auklet"],
    }
    for name, values in tables.items():
        (root / name).write_text("".join(f"{i} {value}\n" for i, value in enumerate(values, start=1)))
    return tmp_path


def test_the_official_split_and_classes(root: Path) -> None:
    for path in (root, root / "CUB_200_2011"):
        train, test = load_data("cub", path, size=8)
        assert train.ids.tolist() == [NAMES[0], NAMES[3]]
        assert test.labels.tolist() == [0, 1]
        assert train.shape == (8, 8, 3)
        # One colour a picture; JPEG may be off by a little.
        assert abs(float(test.images[1].mean()) - 80) < 3


def test_missing_pictures_and_lists_are_named(root: Path) -> None:
    (root / "CUB_200_2011" / "images" / NAMES[3]).unlink()
    with pytest.raises(InputError, match=r"B_2.jpg: "):
        load_data("cub", root)
    (root / "CUB_200_2011" / "train_test_split.txt").write_text("1 1\n2 0\n3 0\n")
    with pytest.raises(InputError, match=r"train_test_split.txt: expected one line for each image.*, got 3"):
        load_data("cub", root)
    (root / "CUB_200_2011" / "image_class_labels.txt").write_text("1 one\n")
    with pytest.raises(InputError, match=r"image_class_labels.txt: .*'one'"):
        load_data("cub", root)
    (root / "CUB_200_2011" / "classes.txt").unlink()
    with pytest.raises(InputError, match=r"classes.txt: "):
        load_data("cub", root)
