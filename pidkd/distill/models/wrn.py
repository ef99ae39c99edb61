"""Wide residual networks for small images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from torch import Tensor, nn
from torch.nn import functional

from pidkd.distill.models._init import initialise
from pidkd.errors import InputError
from pidkd.parameters import Fraction, Whole


def build(
    shape: tuple[int, int, int],
    n_classes: int,
    depth: Annotated[int, Whole(10, 10_000)] = 16,
    width: Annotated[int, Whole(1, 1_000)] = 1,
    pre_activation: bool = True,
    dropout: Annotated[float, Fraction(ends="[)")] = 0.0,
    init: Literal["normal", "uniform"] = "normal",
) -> nn.Module:
    r"""WRN-d-k: three stages of :math:`(d - 4) / 6` blocks, of :math:`16k`, :math:`32k` and :math:`64k` channels.

    Parameters
    ----------
    depth, width : int
        d and k.
    pre_activation : bool
        Norm and ReLU before each convolution, as published. Else after it, and after the sum, as in the code of the
        paper on RID for CIFAR-10.
    dropout : float
        Between the two convolutions of a block.
    init : {"normal", "uniform"}
        Distribution of the convolutions' first weights.

    Notes
    -----
    Tap ``stage1``, ``stage2`` and ``stage3``; images of 32 x 32 pixels give maps of 32, 16 and 8.

    References
    ----------
    zagoruyko2016
    """
    if depth < 10 or (depth - 4) % 6:
        raise InputError("model 'wrn': depth", "10, 16, 22, 28, 34, 40 and so on", str(depth))
    widths = [16, *(width * channels for channels in (16, 32, 64))]
    model = WRN(shape[2], n_classes, (depth - 4) // 6, widths, pre_activation, dropout)
    initialise(model, init)
    return model


class WRN(nn.Module):
    """See ``build``."""

    def __init__(
        self, n_in: int, n_classes: int, blocks: int, widths: Sequence[int], pre_activation: bool, dropout: float
    ) -> None:
        super().__init__()
        block = PreActivationBlock if pre_activation else PostActivationBlock

        def stage(before: int, after: int, stride: int) -> nn.Sequential:
            first = block(before, after, stride, dropout)
            return nn.Sequential(first, *(block(after, after, 1, dropout) for _ in range(blocks - 1)))

        stem = nn.Conv2d(n_in, widths[0], 3, padding=1, bias=False)
        # The norm and ReLU that the first block, or the last, does not have.
        self.stem = stem if pre_activation else nn.Sequential(stem, nn.BatchNorm2d(widths[0]), nn.ReLU())
        self.stage1 = stage(widths[0], widths[1], 1)
        self.stage2 = stage(widths[1], widths[2], 2)
        self.stage3 = stage(widths[2], widths[3], 2)
        self.norm = nn.Sequential(nn.BatchNorm2d(widths[3]), nn.ReLU()) if pre_activation else nn.Identity()
        self.classifier = nn.Linear(widths[3], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (B, n_classes), of images (B, C, H, W)."""
        x = self.norm(self.stage3(self.stage2(self.stage1(self.stem(x)))))
        logits: Tensor = self.classifier(x.mean(dim=(2, 3)))
        return logits


class PreActivationBlock(nn.Module):
    """Norm, ReLU, convolution, twice; where the shape changes, the shortcut is a convolution of the first ReLU."""

    def __init__(self, before: int, after: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        same = before == after and stride == 1
        self.shortcut = None if same else nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The block's sum."""
        active = functional.relu(self.norm1(x))
        shortcut: Tensor = x if self.shortcut is None else self.shortcut(active)
        inner: Tensor = self.conv1(active)
        return shortcut + self.conv2(self.dropout(functional.relu(self.norm2(inner))))  # type: ignore[no-any-return]


class PostActivationBlock(nn.Module):
    """Convolution, norm, ReLU, twice, the last ReLU after the sum; shortcut a convolution and norm where needed."""

    def __init__(self, before: int, after: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        same = before == after and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, at least 0."""
        inner = self.conv2(self.dropout(functional.relu(self.norm1(self.conv1(x)))))
        return functional.relu(self.norm2(inner) + self.shortcut(x))
