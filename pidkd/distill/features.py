"""Maps (B, C, H, W), tokens (B, L, D) and vectors (B, D), seen alike: channels, and positions that have them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pidkd.errors import InputError

Reduction = Literal["mean", "sum"]

Outputs = tuple[Tensor, Sequence[Tensor] | Mapping[str, Tensor]]
"""Logits and features of one network on one batch, as ``FeatureTap`` returns them."""


def kind(feature: Tensor) -> str:
    """What a feature is, by its number of axes."""
    return {4: "map", 3: "tokens", 2: "vector"}[feature.dim()]


def n_channels(feature: Tensor) -> int:
    """C of a map, D of tokens or of a vector."""
    return feature.shape[1 if kind(feature) == "map" else -1]


def per_channel(values: Tensor, feature: Tensor) -> Tensor:
    """One value per channel, shaped to be broadcast against a feature."""
    return values[:, None, None] if kind(feature) == "map" else values


def full(x: Tensor) -> Tensor:
    """At least float32: losses are computed so under autocast too."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def align(t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Bring a layer pair to the same positions: the larger is average-pooled to the smaller, axis by axis.

    Raises
    ------
    InputError
        When one is a map and the other is not, and the like.
    """
    if kind(t) != kind(s):
        expected = "two maps, two sequences of tokens or two vectors in a layer pair"
        got = f"{kind(t)} {tuple(t.shape)} of the teacher, {kind(s)} {tuple(s.shape)} of the student"
        raise InputError("taps", expected, got, "tap layers of the same kind")
    for axis in {"map": (2, 3), "tokens": (1,), "vector": ()}[kind(t)]:
        length = min(t.shape[axis], s.shape[axis])
        t, s = pool(t, axis, length), pool(s, axis, length)
    return t, s


def pool(x: Tensor, axis: int, length: int) -> Tensor:
    """Average windows along an axis, as ``AdaptiveAvgPool2d`` does, whose gradient is not deterministic on CUDA."""
    n = x.shape[axis]
    if n == length:
        return x
    if n % length == 0:
        return x.reshape(*x.shape[:axis], length, n // length, *x.shape[axis + 1 :]).mean(axis + 1)
    windows = ((i * n // length, -(-(i + 1) * n // length)) for i in range(length))
    return torch.cat([x.narrow(axis, i, j - i).mean(axis, keepdim=True) for i, j in windows], axis)


def reduce(x: Tensor, reduction: Reduction) -> Tensor:
    """Mean over everything, or the sum over channels and positions with the mean over the batch."""
    return x.mean() if reduction == "mean" else x.flatten(1).sum(1).mean()


def pointwise(feature: Tensor, widths: Sequence[int], *, norm: bool = True) -> nn.Sequential:
    """A small network that is applied to the channels at every position alike, on the device of ``feature``.

    Linear maps without bias to each of ``widths``, with norm and ReLU between them. For maps 1x1 convolutions and
    BatchNorm; for tokens and vectors linear layers and LayerNorm, which needs no batch.
    """
    sizes = [n_channels(feature), *widths]
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        if layers:
            if norm:
                layers.append(nn.BatchNorm2d(n_in) if kind(feature) == "map" else nn.LayerNorm(n_in))
            layers.append(nn.ReLU())
        is_map = kind(feature) == "map"
        layers.append(nn.Conv2d(n_in, n_out, 1, bias=False) if is_map else nn.Linear(n_in, n_out, bias=False))
    return nn.Sequential(*layers).to(feature.device)


class Positive(nn.Module):
    r""":math:`\mathrm{softplus}(a_c) + \text{floor}`: one positive number per channel, learned.

    Parameters
    ----------
    n_channels : int
    initial : float
        The value at the start, above the floor.
    floor : float
        What no value falls below.
    """

    def __init__(self, n_channels: int, *, initial: float, floor: float) -> None:
        super().__init__()
        self.floor = floor
        self.a = nn.Parameter(torch.empty(n_channels))
        self.set(torch.full((n_channels,), initial))

    def forward(self) -> Tensor:
        """The values, shape (n_channels,), at least float32."""
        return functional.softplus(full(self.a)) + self.floor

    @torch.no_grad()
    def set(self, values: Tensor) -> None:
        """Make ``values``, shape (n_channels,), the current ones.

        Raises
        ------
        InputError
            When one is not above the floor.
        """
        above = values - self.floor
        if not bool((above > 0).all()):
            raise InputError("Positive.set(values)", f"values above {self.floor}", str(values.min().item()))
        self.a.copy_(above + torch.log(-torch.expm1(-above)))
