"""Stripes, across or down."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from pidkd.distill.dataset import ImageData
from pidkd.parameters import Whole


def read(path, n: Annotated[int, Whole(4, 1_000)] = 40):
    """Images of 4 x 4 pixels with stripes that go across or down."""
    labels = np.arange(n) % 2
    across = np.zeros((4, 4, 1), np.uint8)
    across[::2] = 255
    images = np.stack([across if label else across.swapaxes(0, 1) for label in labels])
    return ImageData(images, labels, 2, name="stripes"), ImageData(images, labels, 2, name="stripes")
