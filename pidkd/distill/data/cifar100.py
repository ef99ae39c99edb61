"""CIFAR-100 in the official Python version."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pidkd.distill.data._cifar import read_batches
from pidkd.distill.dataset import ImageData

FOLDER, ARCHIVE = "cifar-100-python", "cifar-100-python.tar.gz"
CLASSES = {"fine": 100, "coarse": 20}


def read(path: Path | None, labels: Literal["fine", "coarse"] = "fine") -> tuple[ImageData, ImageData]:
    """``cifar-100-python.tar.gz``, or the folder ``cifar-100-python`` that it unpacks to; ``labels`` fine or coarse."""
    key, n_classes = f"{labels}_labels".encode(), CLASSES[labels]
    images, classes = read_batches(path, FOLDER, ARCHIVE, ["train"], key)
    train = ImageData(images, classes, n_classes, name="cifar100")
    images, classes = read_batches(path, FOLDER, ARCHIVE, ["test"], key)
    return train, ImageData(images, classes, n_classes, train.mean, train.std, name="cifar100")
