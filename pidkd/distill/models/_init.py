"""Weights at the start, as residual networks are published with."""

from __future__ import annotations

from typing import Literal

from torch import nn


def initialise(model: nn.Module, distribution: Literal["normal", "uniform"] = "normal") -> None:
    """He's initialisation of every convolution, by the number of its outputs."""
    fill = nn.init.kaiming_normal_ if distribution == "normal" else nn.init.kaiming_uniform_
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fill(module.weight, mode="fan_out", nonlinearity="relu")
