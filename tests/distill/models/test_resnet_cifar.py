"""Residual networks for CIFAR: sizes as published, shortcuts without parameters."""

from __future__ import annotations

import pytest

from pidkd.distill.architectures import build_model

torch = pytest.importorskip("torch")

from pidkd.distill.taps import FeatureTap  # noqa: E402


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)], ids=lambda v: str(v)
)
def test_as_many_parameters_as_published(depth: int, millions: float) -> None:
    model = build_model("resnet_cifar", (32, 32, 3), 10, depth=depth)
    # Two digits are printed, of the last one only that it is within one.
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(
        millions, abs=0.1 if depth == 110 else 0.01
    )


def test_stages_have_their_shapes() -> None:
    _, features = FeatureTap(build_model("resnet_cifar", (32, 32, 3), 10, depth=8), ["stage1", "stage2", "stage3"])(
        torch.randn(2, 3, 32, 32)
    )
    assert [tuple(f.shape[1:]) for f in features.values()] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_a_shortcut_takes_every_second_pixel_and_adds_empty_channels() -> None:
    block = build_model("resnet_cifar", (8, 8, 1), 2, depth=8).stage2[0].eval()
    torch.nn.init.zeros_(block.norm2.weight)
    x = torch.rand(1, 16, 8, 8)
    out = block(x)
    assert torch.equal(out[:, :16], x[:, :, ::2, ::2])
    assert not out[:, 16:].any()
