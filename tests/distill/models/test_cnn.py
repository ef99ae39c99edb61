"""The small convolutional network."""

from __future__ import annotations

import pytest

from pidkd.distill.architectures import build_model

torch = pytest.importorskip("torch")

from pidkd.distill.taps import FeatureTap  # noqa: E402


def test_cnn_halves_between_stages() -> None:
    model = build_model("cnn", (28, 28, 1), 10, widths=[4, 6, 8])
    logits, features = FeatureTap(model, ["stage1", "stage2", "stage3"])(torch.randn(2, 1, 28, 28))
    assert logits.shape == (2, 10)
    assert [tuple(f.shape[1:]) for f in features.values()] == [(4, 28, 28), (6, 14, 14), (8, 7, 7)]
    # Convolutions without bias, two numbers of a norm for each channel, and the classifier.
    expected = 9 * (1 * 4 + 4 * 6 + 6 * 8) + 2 * (4 + 6 + 8) + (8 + 1) * 10
    assert sum(p.numel() for p in model.parameters()) == expected


def test_the_first_convolution_may_skip_pixels() -> None:
    model = build_model("cnn", (7, 7, 1), 2, widths=[3, 3], stride=2)
    _, features = FeatureTap(model, ["stage1", "stage2"])(torch.randn(2, 1, 7, 7))
    assert [tuple(f.shape[2:]) for f in features.values()] == [(4, 4), (2, 2)]
