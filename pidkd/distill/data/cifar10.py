"""CIFAR-10 in the official Python version."""

from __future__ import annotations

from pathlib import Path

from pidkd.distill.data._cifar import read_batches
from pidkd.distill.dataset import ImageData

FOLDER, ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"


def read(path: Path | None) -> tuple[ImageData, ImageData]:
    """``cifar-10-python.tar.gz``, or the folder ``cifar-10-batches-py`` that it unpacks to."""
    batches = [f"data_batch_{i}" for i in range(1, 6)]
    images, labels = read_batches(path, FOLDER, ARCHIVE, batches, b"labels")
    train = ImageData(images, labels, 10, name="cifar10")
    images, labels = read_batches(path, FOLDER, ARCHIVE, ["test_batch"], b"labels")
    return train, ImageData(images, labels, 10, train.mean, train.std, name="cifar10")
