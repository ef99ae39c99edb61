"""Maps (B, C, H, W) or (B, C, Z, H, W), tokens (B, L, D) and vectors (B, D): channels at positions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pidkd.errors import InputError

Reduction = Literal["mean", "sum"]

Outputs = tuple[Tensor, Sequence[Tensor] | Mapping[str, Tensor]]
"""Logits and features of one network on one batch, as ``FeatureTap`` returns them."""


def kind(feature: Tensor) -> str:
    """The kind of a feature, by its number of axes: "vector", "tokens" or "map"."""
    return {2: "vector", 3: "tokens"}.get(feature.dim(), "map")


def n_channels(feature: Tensor) -> int:
    """C of a map, D of tokens or of a vector."""
    return feature.shape[1 if kind(feature) == "map" else -1]


def per_channel(values: Tensor, feature: Tensor) -> Tensor:
    """One value per channel, shaped to be broadcast against a feature."""
    return values.reshape(-1, *(1,) * (feature.dim() - 2)) if kind(feature) == "map" else values


def without_padding(outputs: Outputs, mask: Tensor) -> Outputs:
    """The same logits, and of features that are tokens (B, L, D) those that are no padding, shape (n_tokens, D).

    Parameters
    ----------
    outputs : (logits, features)
    mask : Tensor, shape (B, L)
        1 where a token is no padding.

    Raises
    ------
    InputError
        When a feature has other tokens than the mask.

    Examples
    --------
    >>> tokens, mask = torch.zeros(2, 3, 4), torch.tensor([[1, 1, 0], [1, 0, 0]])
    >>> without_padding((torch.zeros(2, 5), [tokens]), mask)[1][0].shape
    torch.Size([3, 4])
    """
    logits, features = outputs
    if isinstance(features, Mapping):
        return logits, {name: tokens_in(feature, mask) for name, feature in features.items()}
    return logits, [tokens_in(feature, mask) for feature in features]


def tokens_in(feature: Tensor, mask: Tensor) -> Tensor:
    """Tokens that are no padding, shape (n_tokens, D), in the order of the samples.

    Raises
    ------
    InputError
        When the feature has other tokens than the mask.
    """
    if kind(feature) != "tokens" or feature.shape[:2] != mask.shape:
        expected = f"tokens ({', '.join(map(str, mask.shape))}, D), as the mask has"
        hint = "tap layers that put out every token of the input, in both networks"
        raise InputError("mask", expected, f"a feature of shape {tuple(feature.shape)}", hint)
    return feature[mask.bool()]


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
    if t.dim() != s.dim():
        got = f"{tuple(t.shape)} of the teacher, {tuple(s.shape)} of the student"
        raise InputError("taps", "maps with as many axes in a layer pair", got, "tap layers of the same kind")
    for axis in {"map": range(2, t.dim()), "tokens": (1,), "vector": ()}[kind(t)]:
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

    Linear maps without bias to each of ``widths``, with norm and ReLU between them. For maps convolutions with kernels
    of one position and BatchNorm; for tokens and vectors linear layers and LayerNorm, which needs no batch.
    """
    is_map = kind(feature) == "map"
    if is_map and feature.dim() not in CONVOLUTIONS:
        expected = "maps with two or three axes of positions"
        raise InputError("taps", expected, f"a layer that puts out {tuple(feature.shape)}")
    convolution, batch_norm = CONVOLUTIONS.get(feature.dim(), (nn.Conv2d, nn.BatchNorm2d))
    sizes = [n_channels(feature), *widths]
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        if layers:
            if norm:
                layers.append(batch_norm(n_in) if is_map else nn.LayerNorm(n_in))
            layers.append(nn.ReLU())
        layers.append(convolution(n_in, n_out, 1, bias=False) if is_map else nn.Linear(n_in, n_out, bias=False))
    return nn.Sequential(*layers).to(feature.device)


CONVOLUTIONS: dict[int, tuple[Any, Any]] = {4: (nn.Conv2d, nn.BatchNorm2d), 5: (nn.Conv3d, nn.BatchNorm3d)}
"""Convolution and norm for maps, by their number of axes."""


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
