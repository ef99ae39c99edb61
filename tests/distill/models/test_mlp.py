"""The multilayer perceptron."""

from __future__ import annotations

import pytest

from pidkd.distill.architectures import build_model

torch = pytest.importorskip("torch")

from pidkd.distill.taps import FeatureTap  # noqa: E402


def test_mlp_has_no_batch_statistics() -> None:
    model = build_model("mlp", (8, 8, 1), 10, widths=[12, 5])
    _, features = FeatureTap(model, ["hidden1", "hidden2"])(torch.randn(3, 1, 8, 8))
    assert [tuple(f.shape) for f in features.values()] == [(3, 12), (3, 5)]
    assert not list(model.buffers())
    assert sum(p.numel() for p in model.parameters()) == 65 * 12 + 13 * 5 + 6 * 10
