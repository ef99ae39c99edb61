"""Residual networks for large images, with torchvision's names of parameters, so that its weights can be loaded."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from pidkd.distill.models._init import initialise

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Blocks of each stage, by depth."""


def build(shape: tuple[int, int, int], n_classes: int, depth: Literal[18, 34] = 18) -> nn.Module:
    r"""ResNet-18 or ResNet-34: four stages, of 64, 128, 256 and 512 channels.

    Parameters
    ----------
    depth : {18, 34}

    Notes
    -----
    Tap ``layer1`` to ``layer4``; images of 224 x 224 pixels give maps of 56, 28, 14 and 7. The paper on RID counts the
    stem as the first block, so that its blocks 3 and 4 are ``layer2`` and ``layer3`` in one reading and ``layer3`` and
    ``layer4`` in the other.

    References
    ----------
    he2016
    """
    model = ResNet(shape[2], n_classes, BLOCKS[depth])
    initialise(model)
    return model


class ResNet(nn.Module):
    """See ``build``."""

    def __init__(self, n_in: int, n_classes: int, blocks: tuple[int, ...]) -> None:
        super().__init__()

        def stage(before: int, after: int, stride: int, n: int) -> nn.Sequential:
            return nn.Sequential(
                BasicBlock(before, after, stride), *(BasicBlock(after, after, 1) for _ in range(n - 1))
            )

        self.conv1 = nn.Conv2d(n_in, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = stage(64, 64, 1, blocks[0])
        self.layer2 = stage(64, 128, 2, blocks[1])
        self.layer3 = stage(128, 256, 2, blocks[2])
        self.layer4 = stage(256, 512, 2, blocks[3])
        self.fc = nn.Linear(512, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (B, n_classes), of images (B, C, H, W)."""
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = (
            nn.Identity()
            if before == after and stride == 1
            else nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, at least 0."""
        inner = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(inner + self.downsample(x))
