"""A small convolutional network."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

from torch import nn

from pidkd.distill.architectures import Widths
from pidkd.errors import InputError
from pidkd.parameters import Whole


def build(
    shape: tuple[int, int, int],
    n_classes: int,
    widths: Widths = (16, 32, 64),
    stride: Annotated[int, Whole(1, 1_000)] = 1,
) -> nn.Module:
    """3 x 3 convolution, BatchNorm, ReLU in each stage, 2 x 2 maximum between stages; the mean over places; linear.

    Parameters
    ----------
    widths : sequence of int
        Channels of each stage.
    stride : int
        That of the first convolution.

    Notes
    -----
    Tap ``stage1``, ``stage2`` and so on: each is what comes out of its ReLU.
    """
    smallest = -(-min(shape[:2]) // stride) >> (len(widths) - 1) if widths else 0
    if not widths or min(widths) < 1 or smallest < 1:
        expected = f"numbers of channels >= 1, as many as {shape[0]} x {shape[1]} pixels can be halved, and one more"
        raise InputError("model 'cnn': widths", expected, str(list(widths)))
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    before = shape[2]
    for i, after in enumerate(widths, start=1):
        if i > 1:
            layers[f"pool{i - 1}"] = nn.MaxPool2d(2)
        convolution = nn.Conv2d(before, after, 3, stride if i == 1 else 1, 1, bias=False)
        layers[f"stage{i}"] = nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())
        before = after
    layers["mean"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["classifier"] = nn.Linear(before, n_classes)
    return nn.Sequential(layers)
