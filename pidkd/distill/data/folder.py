"""Picture files in one folder for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from pidkd.arrays import Array
from pidkd.distill.data._files import SUFFIXES, read_pictures, required
from pidkd.distill.dataset import ImageData
from pidkd.errors import InputError, printable
from pidkd.files.shards import natural
from pidkd.parameters import Whole


def read(
    path: Path | None, size: Annotated[int, Whole(1, 8_192)] | None = None, channels: Literal[1, 3] = 3
) -> tuple[ImageData, ImageData]:
    """``train/<class>/<picture>`` and ``test/<class>/<picture>`` (or ``val``); ``size`` scales pictures to a square."""
    root = required(path, "a folder with train/<class>/<picture> and test/<class>/<picture>")
    train_place, test_place = _place(root, "train"), _place(root, "test", "val")
    classes = sorted((p.name for p in train_place.iterdir() if p.is_dir()), key=natural)
    images, labels, ids = _part(train_place, classes, size, channels)
    train = ImageData(images, labels, len(classes), ids=ids, name=str(root))
    images, labels, ids = _part(test_place, classes, size, channels)
    return train, ImageData(images, labels, len(classes), train.mean, train.std, ids, str(root))


def _place(root: Path, *names: str) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise InputError(str(root), f"a folder {' or '.join(names)} in it", "none")


def _part(place: Path, classes: list[str], size: int | None, channels: int) -> tuple[Array, Array, Array]:
    """Images, labels and ids: the paths from the root."""
    odd = sorted({p.name for p in place.iterdir() if p.is_dir()} - set(classes))
    if odd:
        raise InputError(str(place), "the classes of train", f"another one, {odd[0]!r}")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        inside = (place / name).iterdir() if (place / name).is_dir() else ()
        pictures = sorted((p for p in inside if p.suffix.lower() in SUFFIXES), key=lambda p: natural(p.name))
        files += pictures
        labels += [label] * len(pictures)
    if not files:
        raise InputError(str(place), f"<class>/<picture> with pictures in {', '.join(SUFFIXES)}", "none")
    ids = np.array([printable(file.relative_to(place.parent).as_posix()) for file in files])
    return read_pictures(files, size, channels), np.array(labels), ids
