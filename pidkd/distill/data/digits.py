"""The handwritten digits that come with scikit-learn: nothing to download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np

from pidkd.distill.dataset import ImageData
from pidkd.errors import InputError, quote
from pidkd.parameters import Fraction


def read(path: Path | None, held_out: Annotated[float, Fraction(ends="()")] = 0.4) -> tuple[ImageData, ImageData]:
    """1,797 grey images of 8 x 8 pixels in 10 classes, of which a fixed ``held_out`` fraction is the test set."""
    from sklearn.datasets import load_digits

    if path is not None:
        raise InputError("data.path", "none, for digits are part of scikit-learn", quote(str(path)))
    digits = load_digits()
    # Brightness goes from 0 to 16.
    images = np.round(digits.images[..., None] * (255 / 16)).astype(np.uint8)
    return ImageData(images, digits.target, 10, name="digits").split(held_out)
