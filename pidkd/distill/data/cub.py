"""CUB-200-2011 in its official layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np

from pidkd.distill.data._files import read_pictures, required
from pidkd.distill.dataset import ImageData
from pidkd.errors import InputError
from pidkd.files.opening import faults, read_text
from pidkd.parameters import Whole

FOLDER = "CUB_200_2011"
LISTS = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")


def read(path: Path | None, size: Annotated[int, Whole(1, 8_192)] = 224) -> tuple[ImageData, ImageData]:
    """``CUB_200_2011``, or the folder it lies in: the shorter side scaled to ``size``, and the middle square."""
    place = required(path, f"the folder {FOLDER}, with {', '.join(LISTS)} and images/")
    root = place / FOLDER if (place / FOLDER).is_dir() else place
    names, known = _table(root / "images.txt"), _table(root / "classes.txt")
    classes, in_train = (_numbers(root / name) for name in LISTS[1:3])
    for name, table in zip(LISTS[1:3], (classes, in_train), strict=True):
        if set(table) != set(names):
            got = f"{len(table)} for {len(names)} images, or other ids"
            raise InputError(str(root / name), "one line for each image of images.txt", got)
    ids = sorted(names, key=int)
    labels = np.array([classes[i] for i in ids]) - 1
    chosen = np.array([in_train[i] == 1 for i in ids])
    parts: list[ImageData] = []
    for mask in (chosen, ~chosen):
        rows = np.flatnonzero(mask)
        if not len(rows):
            raise InputError(str(root / LISTS[2]), "images in both parts", "one part without any")
        files = [root / "images" / names[ids[row]] for row in rows]
        mean, std = (parts[0].mean, parts[0].std) if parts else ((), ())
        called = np.array([names[ids[row]] for row in rows])
        images = read_pictures(files, size, 3)
        parts.append(ImageData(images, labels[rows], len(known), mean, std, called, FOLDER))
    return parts[0], parts[1]


def _table(path: Path) -> dict[str, str]:
    """Lines of an id and a value."""
    table = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        key, _, value = line.strip().partition(" ")
        if not key.isdecimal() or not value:
            raise InputError(str(path), "lines of an id and a value", f"{line!r} in line {number}")
        table[key] = value
    return table


def _numbers(path: Path) -> dict[str, int]:
    with faults(str(path)):
        return {key: int(value) for key, value in _table(path).items()}
