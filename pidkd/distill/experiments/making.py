"""Data and networks, built from a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from pidkd.distill.architectures import build_model
from pidkd.distill.corruption import corrupt
from pidkd.distill.dataset import ImageData, LabelledData, load_data
from pidkd.distill.experiments.config import Config, StudentConfig
from pidkd.distill.training.batches import stream
from pidkd.distill.training.opening import open_batches
from pidkd.distill.training.recipe import Recipe
from pidkd.errors import InputError

N_CALIBRATION = 4096
"""Samples from which the statistics of an untrained teacher are taken."""

Side = Literal["teacher", "student"]
SIDES: tuple[Side, Side] = ("teacher", "student")


def read_data(config: Config) -> tuple[LabelledData, LabelledData]:
    """The training and the test set, whole.

    Raises
    ------
    InputError
        When they cannot be read.
    """
    settings = config.data
    train_data, test = load_data(settings.name, settings.path, **settings.options)
    if not settings.mean and not settings.std:
        return train_data, test
    if not (isinstance(train_data, ImageData) and isinstance(test, ImageData)):
        raise InputError("data.mean, data.std", "none but for images", f"{settings.mean}, {settings.std}")
    train_data, test = (replace(d, mean=settings.mean, std=settings.std) for d in (train_data, test))
    return train_data, test


def make_network(config: Config, side: Side, data: LabelledData) -> nn.Module:
    """The teacher or the student of a configuration with fresh weights, by its seed.

    Raises
    ------
    InputError
        When there is no such model, or an option cannot be used.
    """
    network: StudentConfig = getattr(config, side)
    n_classes = getattr(network, "n_classes", None) or data.n_classes
    # Alike networks of one seed are not to begin alike.
    seed = stream(config.teacher_seed, 5) if side == "teacher" else stream(config.seed, 4)
    return build_model(network.model, data.shape, n_classes, seed, **network.options)


def calibrate_batchnorm(network: nn.Module, data: LabelledData) -> None:
    """Set running statistics of BatchNorm to means over batches of one pass over data, 4,096 samples where it has more.

    A network that was never trained has 0 and 1 there, which normalise nothing: its features grow from block to block.
    """
    rows = np.random.default_rng(0).permutation(len(data))[:N_CALIBRATION]
    data, recipe = data.take(rows), Recipe(batch_size=min(256, len(rows)))
    batches = open_batches(data, "data", recipe, 0, (torch.device("cpu"), 0, 1), training=False)
    with torch.random.fork_rng(devices=[]):  # layers of dropout draw
        torch.manual_seed(0)
        update_bn(batches.in_order(), network)
    network.eval()


def corrupt_teacher(network: nn.Module, config: Config) -> None:
    """Put noise into the tapped layers of a teacher, if its configuration has any."""
    if config.teacher.corrupted:
        corrupt(network, [t for t, _ in config.taps], config.teacher.corrupted, config.teacher.noise)


@contextmanager
def drawing(teacher_seed: int) -> Iterator[None]:
    """Context in which a corrupted teacher draws the same noise each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(teacher_seed, 6))
        yield
