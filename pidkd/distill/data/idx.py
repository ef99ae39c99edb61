"""IDX files: MNIST, Fashion-MNIST, KMNIST and others in their layout."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pidkd.arrays import Array
from pidkd.distill.data._files import required
from pidkd.distill.dataset import ImageData
from pidkd.errors import InputError
from pidkd.files.opening import existing_file, is_there, opened

UBYTE = 8
"""The code for bytes in the third byte of an IDX file."""


def read(path: Path | None) -> tuple[ImageData, ImageData]:
    """``train-`` and ``t10k-``, ``images-idx3-ubyte`` and ``labels-idx1-ubyte``, each plain or ``.gz``, in a folder."""
    folder = required(path, "the folder with train-images-idx3-ubyte.gz and its three companions")
    files = {
        part: (_find(folder, f"{part}-images-idx3-ubyte"), _find(folder, f"{part}-labels-idx1-ubyte"))
        for part in ("train", "t10k")
    }
    for images_file, labels_file in files.values():
        n_images, n_labels = read_shape(images_file, 3)[0], read_shape(labels_file, 1)[0]
        if n_images != n_labels:
            raise InputError(
                str(labels_file), f"{n_images} integers, one for each image of {images_file}", f"{n_labels}"
            )
    images, labels = (read_idx(file, axes) for file, axes in zip(files["train"], (3, 1), strict=True))
    test_images, test_labels = (read_idx(file, axes) for file, axes in zip(files["t10k"], (3, 1), strict=True))
    n_classes = int(labels.max()) + 1
    train = ImageData(images[..., None], labels, n_classes, name=str(folder))
    return train, ImageData(test_images[..., None], test_labels, n_classes, train.mean, train.std, name=str(folder))


def _find(folder: Path, name: str) -> Path:
    for candidate in (name, f"{name}.gz", name.replace("-idx", ".idx")):
        if is_there(folder / candidate):
            return existing_file(folder / candidate)
    raise InputError(str(folder), f"a file {name} or {name}.gz in it", "none")


def read_idx(path: Path, n_axes: int) -> Array:
    """An IDX file of bytes: two zero bytes, type, number of axes, their lengths (big-endian uint32), the values."""
    with opened(path) as stream:
        shape = _header(stream, path, n_axes)
        # One byte more than there should be, which reaches the end, where a check sum is compared.
        content = stream.read(math.prod(shape) + 1)
    if len(content) != math.prod(shape):
        header = 4 + 4 * n_axes
        expected = f"{header + math.prod(shape)} bytes, for its shape {shape}"
        got = f"{header + len(content)}{' or more' if len(content) > math.prod(shape) else ''}"
        raise InputError(str(path), expected, got, "it may be truncated")
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_shape(path: Path, n_axes: int) -> tuple[int, ...]:
    """Shape of the array in an IDX file of bytes, by its header."""
    with opened(path) as stream:
        return _header(stream, path, n_axes)


def _header(stream: BinaryIO, path: Path, n_axes: int) -> tuple[int, ...]:
    expected = bytes([0, 0, UBYTE, n_axes])
    kind, lengths = stream.read(4), stream.read(4 * n_axes)
    if kind != expected or len(lengths) < 4 * n_axes:
        raise InputError(str(path), f"an IDX file of bytes with {n_axes} axes ({expected.hex()})", kind.hex())
    return struct.unpack(f">{n_axes}I", lengths)
