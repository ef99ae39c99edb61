"""Checks of paths and image files, shared by the readers of data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import InputError, import_extra
from pidkd.files.opening import existing, existing_file, faults

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
"""Picture files, by suffix in lower case."""


def required(path: Path | None, expected: str) -> Path:
    """A path that is there.

    Raises
    ------
    InputError
        When none was given, or there is nothing.
    """
    if path is None:
        raise InputError("data.path", expected, "nothing")
    return existing(path, expected)


def is_picture(path: Path) -> bool:
    """Whether a path has the suffix of a picture file, and is not hidden, as what file managers write beside them."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def is_grey(file: Path) -> bool:
    """Whether a picture file has one channel, of brightness."""
    Image = import_extra("PIL.Image", "train", needed_by=str(file))
    with faults(str(file)), Image.open(existing_file(file, "a picture")) as picture:
        return picture.mode in ("1", "L", "LA")


def read_pictures(files: Sequence[Path], size: int | None, channels: int) -> Array:
    """Picture files as bytes, shape (n, height, width, channels): RGB, or grey for one channel.

    Parameters
    ----------
    size : int, optional
        The shorter side is scaled to it, and the middle square is taken. Else all must be of one size.
    """
    Image = import_extra("PIL.Image", "train", needed_by=str(files[0]))
    images: Array | None = None
    for i, file in enumerate(files):
        try:
            with faults(str(file)), Image.open(existing_file(file, "a picture")) as picture:
                if picture.mode.startswith(("I", "F")):
                    hint = "convert it, for otherwise its brighter half is cut off"
                    raise InputError(str(file), "a picture of 8 bits a channel", f"mode {picture.mode!r}", hint)
                image = picture.convert("RGB" if channels == 3 else "L")
                if size is not None:
                    image = _square(image, size)
                pixels = np.asarray(image).reshape(image.height, image.width, channels)
        except Image.DecompressionBombError as error:
            raise InputError(str(file), "a picture of usual size", str(error)) from error
        if images is None:
            images = np.empty((len(files), *pixels.shape), np.uint8)
        if pixels.shape != images.shape[1:]:
            expected = f"{images.shape[2]} x {images.shape[1]} pixels, as in {files[0]}"
            got = f"{pixels.shape[1]} x {pixels.shape[0]}"
            raise InputError(str(file), expected, got, "scale all of them with data.options.size=PIXELS")
        images[i] = pixels
    if images is None:
        raise InputError("data.path", "at least one picture", "none")
    return images


def _square(image: Any, size: int) -> Any:
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    return image.resize((width, height)).crop((left, top, left + size, top + size))
