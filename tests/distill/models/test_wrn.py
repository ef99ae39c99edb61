"""Wide residual networks: sizes as published, shapes of the stages, the two orders of norm and ReLU."""

from __future__ import annotations

import pytest

from pidkd.distill.architectures import build_model

torch = pytest.importorskip("torch")

from pidkd.distill.taps import FeatureTap  # noqa: E402

STAGES = ("stage1", "stage2", "stage3")


@pytest.mark.parametrize(
    ("depth", "width", "n_parameters"),
    [(16, 1, 175_066), (40, 2, 2_243_546), (28, 10, 36_479_194), (16, 8, 10_961_370)],
)
def test_as_many_parameters_as_published(depth: int, width: int, n_parameters: int) -> None:
    with torch.device("meta"):
        model = build_model("wrn", (32, 32, 3), 10, depth=depth, width=width)
    assert sum(p.numel() for p in model.parameters()) == n_parameters


@pytest.mark.parametrize("pre_activation", [True, False])
def test_stages_and_logits_have_their_shapes(pre_activation: bool) -> None:
    model = build_model("wrn", (32, 32, 3), 7, depth=10, width=2, pre_activation=pre_activation)
    logits, features = FeatureTap(model, STAGES)(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 7)
    assert [tuple(f.shape[1:]) for f in features.values()] == [(32, 32, 32), (64, 16, 16), (128, 8, 8)]


@torch.no_grad()
def test_only_post_activation_ends_stages_with_a_relu() -> None:
    x = torch.randn(4, 3, 32, 32)
    least = {
        pre: FeatureTap(build_model("wrn", (32, 32, 3), 10, depth=10, pre_activation=pre), STAGES)(x)[1]
        for pre in (True, False)
    }
    assert all(float(f.min()) < 0 for f in least[True].values())
    assert all(float(f.min()) == 0 for f in least[False].values())


def test_the_norms_beside_the_convolutions_are_the_only_difference() -> None:
    """Post-activation has the norm after the stem, and norms on three shortcuts; pre-activation one at the end, and
    those before the first convolution of each stage are of its input's channels."""
    pre, post = (
        sum(p.numel() for p in build_model("wrn", (32, 32, 3), 10, depth=16, pre_activation=pre).parameters())
        for pre in (True, False)
    )
    stem, end = 2 * 16, 2 * 64
    # With k = 1 the first stage keeps its channels and needs no convolution on its shortcut.
    first_norms = 2 * ((32 - 16) + (64 - 32))
    shortcuts = 2 * (32 + 64)
    assert post - pre == stem - end + first_norms + shortcuts


@torch.no_grad()
def test_uniform_weights_have_the_variance_of_normal_ones_and_are_bounded() -> None:
    weights = {
        init: build_model("wrn", (32, 32, 3), 10, depth=10, width=4, init=init).stage3[0].conv2.weight
        for init in ("normal", "uniform")
    }
    variance = 2 / (256 * 9)
    for values in weights.values():
        # 590,000 draws; a sample variance is within 1 % (five standard deviations).
        assert float(values.var()) == pytest.approx(variance, rel=0.01)
    assert float(weights["uniform"].abs().max()) <= (3 * variance) ** 0.5
    assert float(weights["normal"].abs().max()) > (3 * variance) ** 0.5
