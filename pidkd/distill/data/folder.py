"""Picture files in one folder for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from pidkd.distill.data._files import SUFFIXES, is_grey, is_picture, read_pictures, required
from pidkd.distill.dataset import ImageData
from pidkd.errors import InputError, printable
from pidkd.files.shards import natural
from pidkd.parameters import Whole


def read(
    path: Path | None, size: Annotated[int, Whole(1, 8_192)] | None = None, channels: Literal[1, 3] | None = None
) -> tuple[ImageData, ImageData]:
    """``train/<class>/<picture>`` and ``test/<class>/<picture>`` (or ``val``); ``size`` scales pictures to a square.

    Pictures are read as grey where all of both sets are, else as RGB, unless ``channels`` says 1 or 3.
    """
    root = required(path, "a folder with train/<class>/<picture> and test/<class>/<picture>")
    train_place, test_place = _place(root, "train"), _place(root, "test", "val")
    classes = sorted((p.name for p in _folders(train_place)), key=natural)
    parts = [_files(place, classes) for place in (train_place, test_place)]
    if channels is None:
        channels = 1 if all(is_grey(file) for files, _ in parts for file in files) else 3
    data: list[ImageData] = []
    for place, (files, labels) in zip((train_place, test_place), parts, strict=True):
        ids = np.array([printable(file.relative_to(place.parent).as_posix()) for file in files])
        images = read_pictures(files, size, channels)
        mean, std = (data[0].mean, data[0].std) if data else ((), ())
        data.append(ImageData(images, np.array(labels), len(classes), mean, std, ids, str(root)))
    return data[0], data[1]


def _place(root: Path, *names: str) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise InputError(str(root), f"a folder {' or '.join(names)} in it", "none")


def _folders(place: Path) -> list[Path]:
    """Folders that are not hidden, as those of version control and notebooks are."""
    return [p for p in place.iterdir() if p.is_dir() and not p.name.startswith(".")]


def _files(place: Path, classes: list[str]) -> tuple[list[Path], list[int]]:
    """Picture files and their labels, class by class."""
    odd = sorted({p.name for p in _folders(place)} - set(classes))
    if odd:
        raise InputError(str(place), "the classes of train", f"another one, {odd[0]!r}")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        inside = list((place / name).iterdir()) if (place / name).is_dir() else []
        deeper = next((p for p in inside if p.is_dir() and any(map(is_picture, p.rglob("*")))), None)
        if deeper is not None:
            hint = "move the pictures into the folder of their class"
            raise InputError(str(place / name), "pictures, and no folders of pictures", f"{deeper.name!r}", hint)
        pictures = sorted(filter(is_picture, inside), key=lambda p: natural(p.name))
        files += pictures
        labels += [label] * len(pictures)
    if not files:
        raise InputError(str(place), f"<class>/<picture> with pictures in {', '.join(SUFFIXES)}", "none")
    return files, labels
