"""One .npz file with the arrays x_train, y_train, x_test and y_test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pidkd.arrays import Array
from pidkd.distill.data._files import required
from pidkd.distill.dataset import ImageData
from pidkd.errors import InputError
from pidkd.files.reading import check_rows, read_layers

NAMES = ("x_train", "y_train", "x_test", "y_test")


def read(path: Path | None) -> tuple[ImageData, ImageData]:
    """``x_train``, ``y_train``, ``x_test``, ``y_test`` in one file: images as bytes, labels as integers from 0.

    Images are of shape (n, height, width) or (n, height, width, channels).
    """
    file = required(path, f"a .npz file with {', '.join(NAMES)}")
    if file.is_dir():
        raise InputError(str(file), f"a .npz file with {', '.join(NAMES)}", "a folder")
    layers = {layer.name: layer for layer in read_layers(str(file))}
    missing = [name for name in NAMES if name not in layers]
    if missing:
        raise InputError(str(file), f"the arrays {', '.join(NAMES)}", f"none called {missing[0]}")
    for images, labels in (NAMES[:2], NAMES[2:]):
        check_rows(layers[labels], layers[images])
    arrays: dict[str, Array] = {}
    for name in NAMES:
        values = np.asarray(layers[name].array())
        expected = "uint8 of 3 or 4 axes" if name.startswith("x") else "integers of 1 axis"
        fine = values.dtype == np.uint8 and values.ndim in (3, 4) if name.startswith("x") else values.dtype.kind in "iu"
        if not fine or not values.size:
            raise InputError(layers[name].where, expected, f"{values.dtype} of shape {values.shape}")
        arrays[name] = values[..., None] if name.startswith("x") and values.ndim == 3 else values
    n_classes = int(arrays["y_train"].max()) + 1
    train = ImageData(arrays["x_train"], arrays["y_train"], n_classes, name=str(file))
    return train, ImageData(arrays["x_test"], arrays["y_test"], n_classes, train.mean, train.std, name=str(file))
