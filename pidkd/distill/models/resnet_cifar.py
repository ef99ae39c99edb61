"""Residual networks for small images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pidkd.distill.models._init import initialise
from pidkd.errors import InputError
from pidkd.parameters import Whole


def build(shape: tuple[int, int, int], n_classes: int, depth: Annotated[int, Whole(8, 10_000)] = 20) -> nn.Module:
    r"""ResNet-n for CIFAR: three stages of :math:`(n - 2) / 6` blocks, of 16, 32 and 64 channels.

    Parameters
    ----------
    depth : int
        n: 8, 14, 20, 32, 44, 56, 110 and so on.

    Notes
    -----
    Shortcuts have no parameters: where the shape changes, every second pixel is taken, and new channels are zero. Tap
    ``stage1``, ``stage2`` and ``stage3``.

    State dictionaries of github.com/akamaster/pytorch_resnet_cifar10 can be loaded as they are: layers are renamed, and
    since new channels lie before and after the old ones there and all after them here, channels are reordered.

    References
    ----------
    he2016
    """
    if depth < 8 or (depth - 2) % 6:
        raise InputError("model 'resnet_cifar': depth", "8, 14, 20, 26, 32 and so on", str(depth))
    model = ResNet(shape[2], n_classes, (depth - 2) // 6)
    initialise(model)
    return model


class ResNet(nn.Module):
    """See ``build``."""

    def __init__(self, n_in: int, n_classes: int, blocks: int) -> None:
        super().__init__()

        def stage(before: int, after: int, stride: int) -> nn.Sequential:
            return nn.Sequential(Block(before, after, stride), *(Block(after, after, 1) for _ in range(blocks - 1)))

        self.stem = nn.Sequential(nn.Conv2d(n_in, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.stage1 = stage(16, 16, 1)
        self.stage2 = stage(16, 32, 2)
        self.stage3 = stage(32, 64, 2)
        self.classifier = nn.Linear(64, n_classes)
        self.register_load_state_dict_pre_hook(_translate)  # type: ignore[no-untyped-call]

    def translated(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """A state dictionary under these names, in this order of channels, if it is of the published networks."""
        prefix = "module." if "module.layer1.0.conv1.weight" in state else ""
        weights = {name.removeprefix(prefix): value for name, value in state.items()} if prefix else dict(state)
        _translate(self, weights, "")
        return weights

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (B, n_classes), of images (B, C, H, W)."""
        x = self.stage3(self.stage2(self.stage1(self.stem(x))))
        logits: Tensor = self.classifier(x.mean(dim=(2, 3)))
        return logits


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.stride, self.new_channels = stride, after - before

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, at least 0."""
        inner = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        if self.new_channels:
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, 0, self.new_channels))
        return functional.relu(inner + shortcut)


def published_order() -> tuple[list[int], list[int], list[int]]:
    """For every channel after each stage its index in the published networks, whose shortcuts pad on both sides."""
    first = list(range(16))
    second = [8 + i for i in first] + [*range(8), *range(24, 32)]
    third = [16 + i for i in second] + [*range(16), *range(48, 64)]
    return first, second, third


def _translate(model: nn.Module, state: dict[str, Any], prefix: str, *rest_of_hook: object) -> None:
    """Rename and reorder in place what the published names tell to be of the published networks."""
    if f"{prefix}layer1.0.conv1.weight" not in state:
        return
    orders = dict(enumerate(published_order(), start=1))
    for name in [name for name in state if name.startswith(prefix)]:
        value = state.pop(name)
        path = name.removeprefix(prefix)
        head, _, rest = path.partition(".")
        if head == "conv1":
            path = f"stem.0.{rest}"
        elif head == "bn1":
            path = f"stem.1.{rest}"
        elif head == "linear":
            path = f"classifier.{rest}"
            value = value[:, orders[3]] if rest == "weight" else value
        elif head.startswith("layer"):
            block, layer, statistic = rest.split(".", 2)
            number = int(head.removeprefix("layer"))
            if layer == "conv1":
                value = value[:, orders[number - 1 if block == "0" and number > 1 else number]]
            elif value.dim() and layer in ("conv2", "bn2"):
                value = value[orders[number]]
            path = f"stage{number}.{block}.{layer.replace('bn', 'norm')}.{statistic}"
        state[prefix + path] = value.contiguous() if torch.is_tensor(value) else value
