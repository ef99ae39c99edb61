"""IDX files: MNIST, Fashion-MNIST, KMNIST and others in their layout."""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

import numpy as np

from pidkd.arrays import Array
from pidkd.distill.data._files import required
from pidkd.distill.dataset import ImageData
from pidkd.errors import InputError
from pidkd.files.layer import faults

UBYTE = 8
"""The code for bytes in the third byte of an IDX file."""


def read(path: Path | None) -> tuple[ImageData, ImageData]:
    """``train-`` and ``t10k-``, ``images-idx3-ubyte`` and ``labels-idx1-ubyte``, each plain or ``.gz``, in a folder."""
    folder = required(path, "the folder with train-images-idx3-ubyte.gz and its three companions")
    arrays = {
        part: (_find(folder, f"{part}-images-idx3-ubyte", 3), _find(folder, f"{part}-labels-idx1-ubyte", 1))
        for part in ("train", "t10k")
    }
    (images, labels), (test_images, test_labels) = arrays["train"], arrays["t10k"]
    n_classes = int(labels.max()) + 1
    train = ImageData(images[..., None], labels, n_classes, name=str(folder))
    return train, ImageData(test_images[..., None], test_labels, n_classes, train.mean, train.std, name=str(folder))


def _find(folder: Path, name: str, n_axes: int) -> Array:
    for candidate in (name, f"{name}.gz", name.replace("-idx", ".idx")):
        if (folder / candidate).is_file():
            return read_idx(folder / candidate, n_axes)
    raise InputError(str(folder), f"a file {name} or {name}.gz in it", "none")


def read_idx(path: Path, n_axes: int) -> Array:
    """An IDX file of bytes: two zero bytes, type, number of axes, their lengths (big-endian uint32), the values."""
    where = str(path)
    with faults(where):
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    expected = bytes([0, 0, UBYTE, n_axes])
    header = 4 + 4 * n_axes
    if content[:4] != expected or len(content) < header:
        raise InputError(where, f"an IDX file of bytes with {n_axes} axes ({expected.hex()})", content[:4].hex())
    shape = struct.unpack(f">{n_axes}I", content[4:header])
    if len(content) != header + math.prod(shape):
        expected_size = f"{header + math.prod(shape)} bytes, for its shape {shape}"
        raise InputError(where, expected_size, str(len(content)), "it may be truncated")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
