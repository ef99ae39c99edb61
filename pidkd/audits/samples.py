"""Single samples of an audit: those with most left to learn, their images, the networks' answers, means by class."""

from __future__ import annotations

import base64
import os
import struct
import zlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from pidkd.arrays import Array, as_array
from pidkd.errors import InputError, Keyword
from pidkd.files.layer import Layer
from pidkd.files.reading import open_array
from pidkd.result import ATOMS

EXTREMES = 10
"""Samples that a pair keeps: those with most local Uni(Y:T\\S)."""

THUMBNAIL = 96
"""Pixels of the longer side of a thumbnail, at the most."""


def extremes_of(local: Mapping[str, Any] | None, labels: Array) -> tuple[dict[str, Any], ...]:
    r"""Samples with most local Uni(Y:T\S), with row, label and local atoms."""
    if local is None:
        return ()
    rows = np.argsort(-local["unique_t"], kind="stable")[:EXTREMES]
    return tuple(
        {"row": int(row), "label": str(labels[row]), **{name: float(local[name][row]) for name in ATOMS}}
        for row in rows
    )


OUTPUTS = ("predictions", "logits")
"""Names of arrays beside the layers from which a network's answers are read."""


def answers_of(outputs: Any, labels: Array) -> Array | None:
    """Answer of a network for each sample, from its logits, shape (n, n_classes), or its predicted labels, shape (n,).

    A column is the class of its number, where labels are whole numbers below the number of columns; otherwise columns
    are the classes in sorted order. None where columns and classes do not fit: it is a layer of this name.
    """
    outputs = np.asarray(outputs)
    classes = np.unique(labels)
    if outputs.ndim == 1:
        return outputs if outputs.dtype.kind in "iubUS" else None
    if outputs.ndim > 2:
        return None
    columns: Array = outputs.argmax(axis=1)
    if labels.dtype.kind in "iu" and classes[0] >= 0 and classes[-1] < outputs.shape[1]:
        return columns
    return classes[columns] if outputs.shape[1] == len(classes) else None


def open_images(source: Any, n_samples: int) -> Layer:
    """Images of the samples, from a file or as given.

    Raises
    ------
    InputError
        When there is no such file, or there are not as many images as samples.
    """
    where = Keyword("audit", "images")
    if isinstance(source, str | os.PathLike):
        images = open_array(source, ("images", "x", "data"))
    else:
        array = as_array(where, source)
        images = Layer("images", where, array.shape, array.dtype, partial(np.asarray, array))
    if images.shape[:1] != (n_samples,):
        raise InputError(images.where, f"{n_samples} images, one for each sample", f"shape {images.shape}")
    thumbnail(images.load()[0], images.where)  # refused now, and not when all is done
    return images


def thumbnail(image: Any, where: str) -> str:
    """A small PNG of one image as a data URI.

    Parameters
    ----------
    image : array, shape (height, width), (height, width, channels) or (channels, height, width)
        One, three or four channels; the fourth is left out. Bytes are taken as they are, other numbers are scaled so
        that the darkest is black and the lightest white.
    where : str
        The images as messages call them.

    Raises
    ------
    InputError
        When it is no image.
    """
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4) and pixels.shape[2] not in (1, 3, 4):
        pixels = np.moveaxis(pixels, 0, 2)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape or pixels.dtype.kind not in "iubf":
        expected = "images of shape (n, height, width), (n, height, width, 3) or (n, 3, height, width)"
        raise InputError(
            where, expected, f"{np.asarray(image).dtype} of shape (n, {', '.join(map(str, np.shape(image)))})"
        )
    pixels = pixels[:, :, : 1 if pixels.shape[2] == 1 else 3]
    step = -(-max(pixels.shape[:2]) // THUMBNAIL)
    pixels = pixels[::step, ::step]
    if pixels.dtype != np.uint8:
        values = pixels.astype(np.float64)
        low, high = float(values.min()), float(values.max())
        pixels = np.rint((values - low) * (255 / (high - low) if high > low else 0.0)).astype(np.uint8)
    return f"data:image/png;base64,{base64.b64encode(_png(pixels)).decode()}"


def _png(pixels: Array) -> bytes:
    """PNG of bytes, shape (height, width, 1 or 3)."""
    height, width, channels = pixels.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row starts with the number of its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
