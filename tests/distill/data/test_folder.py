"""Picture files in folders of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pidkd.distill.dataset import load_data
from pidkd.errors import InputError


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part, n in (("train", 3), ("val", 1)):
        for name in ("cat", "dog"):
            for i in range(n):
                save(tmp_path / part / name / f"{i}.png", rng.integers(0, 256, (6, 8, 3)))
    return tmp_path


def test_reads_the_pixels_with_classes_in_order_of_their_names(root: Path) -> None:
    train, test = load_data("folder", root)
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert train.ids.tolist()[3] == "train/dog/0.png"
    with Image.open(root / "train" / "dog" / "0.png") as picture:
        np.testing.assert_array_equal(train.images[3], np.asarray(picture))
    assert len(test) == 2
    assert test.mean == train.mean


def test_scales_the_shorter_side_and_takes_the_middle(tmp_path: Path) -> None:
    # Left third black, middle grey, right white: of 12 x 4 pixels, the middle square is grey.
    pixels = np.repeat(np.repeat([[0, 128, 255]], 4, axis=1), 4, axis=0).astype(np.uint8)
    for part in ("train", "test"):
        for name in ("a", "b"):
            save(tmp_path / part / name / "0.png", pixels)
    train, _ = load_data("folder", tmp_path, size=4, channels=1)
    assert train.shape == (4, 4, 1)
    assert (train.images == 128).all()
    assert load_data("folder", tmp_path, size=8, channels=3)[0].shape == (8, 8, 3)


def test_grey_pictures_are_read_as_grey_and_none_is_lost_or_cut_off(root: Path) -> None:
    assert load_data("folder", root)[0].shape == (6, 8, 3)
    for file in root.rglob("*.png"):
        with Image.open(file) as picture:
            picture.convert("L").save(file)
    assert load_data("folder", root)[0].shape == (6, 8, 1)
    save(root / "val" / "cat" / "0.png", np.zeros((6, 8, 3)))
    assert [part.shape for part in load_data("folder", root)] == [(6, 8, 3), (6, 8, 3)]
    Image.fromarray(np.full((6, 8), 3000, np.uint16)).save(root / "train" / "cat" / "1.png")
    with pytest.raises(InputError, match="a picture of 8 bits a channel, got mode 'I"):
        load_data("folder", root)
    save(root / "train" / "dog" / "more" / "0.png", np.zeros((6, 8, 3)))
    with pytest.raises(InputError, match="pictures, and no folders of pictures, got 'more'"):
        load_data("folder", root)


def test_pictures_of_several_sizes_must_be_scaled(root: Path) -> None:
    save(root / "train" / "cat" / "1.png", np.zeros((5, 8, 3)))
    with pytest.raises(InputError, match=r"1.png: expected 8 x 6 pixels, .*got 8 x 5; scale all"):
        load_data("folder", root)


def test_damaged_and_missing_files_are_named(root: Path) -> None:
    file = root / "train" / "cat" / "1.png"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(InputError, match=r"cat.1.png: expected a file that can be read"):
        load_data("folder", root)
    file.unlink()
    save(root / "val" / "bird" / "0.png", np.zeros((6, 8, 3)))
    with pytest.raises(InputError, match=r"the classes of train, got another one, 'bird'"):
        load_data("folder", root)
    with pytest.raises(InputError, match=r"a folder train in it"):
        load_data("folder", root / "train")
    with pytest.raises(InputError, match="a whole number from 1 to 8,192, or None, got 'big'"):
        load_data("folder", root, size="big")
    with pytest.raises(InputError, match=r"one of 1, 3"):
        load_data("folder", root, channels=2)


def test_hidden_files_and_folders_are_no_pictures_and_no_classes(root: Path) -> None:
    before = load_data("folder", root)[0].ids.tolist()
    place = root / "train"
    (place / ".ipynb_checkpoints").mkdir()
    some = next(path for path in place.rglob("*.png"))
    (place / ".ipynb_checkpoints" / "a.png").write_bytes(some.read_bytes())
    some.with_name(f"._{some.name}").write_bytes(b"what a file manager writes")
    assert load_data("folder", root)[0].ids.tolist() == before
