"""A multilayer perceptron."""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import nn

from pidkd.distill.architectures import Widths
from pidkd.errors import InputError


def build(shape: tuple[int, int, int], n_classes: int, widths: Widths = (64, 32)) -> nn.Module:
    """Hidden layers of ReLU units on the pixels, without batch statistics.

    Parameters
    ----------
    widths : sequence of int
        Units of each hidden layer.

    Notes
    -----
    Tap ``hidden1``, ``hidden2`` and so on.
    """
    if not widths:
        raise InputError("model 'mlp': widths", "at least one hidden layer", "none")
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    before = math.prod(shape)
    for i, after in enumerate(widths, start=1):
        layers[f"hidden{i}"] = nn.Sequential(nn.Linear(before, after), nn.ReLU())
        before = after
    layers["classifier"] = nn.Linear(before, n_classes)
    return nn.Sequential(layers)
