"""Residual networks for CIFAR: sizes as published, shortcuts without parameters."""

from __future__ import annotations

import itertools

import pytest

from pidkd.distill.architectures import build_model

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from pidkd.distill.models.resnet_cifar import published_order  # noqa: E402
from pidkd.distill.taps import FeatureTap  # noqa: E402
from pidkd.distill.weights import load_weights  # noqa: E402
from pidkd.errors import WeightsWarning  # noqa: E402


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


def published(state):
    """A state dictionary of ours under the published names and in the published order of channels."""
    orders = dict(enumerate(published_order(), start=1))
    renamed = {}
    for name, value in state.items():
        part, rest = name.split(".", 1)
        if part == "stem":
            number, kind = rest.split(".")
            renamed[f"{['conv1', 'bn1'][int(number)]}.{kind}"] = value
        elif part == "classifier":
            renamed[f"linear.{rest}"] = value[:, torch.tensor(orders[3]).argsort()] if rest == "weight" else value
        else:
            n, (block, layer, kind) = int(part[-1]), rest.split(".")
            before = orders[n - 1 if block == "0" and n > 1 else n]
            if layer == "conv1":
                value = value[:, torch.tensor(before).argsort()]
            elif value.dim() and layer in ("conv2", "norm2"):
                value = value[torch.tensor(orders[n]).argsort()]
            renamed[f"layer{n}.{block}.{layer.replace('norm', 'bn')}.{kind}"] = value
    return renamed


def forward_as_published(state, x, blocks):
    """A network whose shortcuts pad a quarter of the new channels on either side."""

    def norm(x, name):
        mean, var, weight, bias = (state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, mean, var, weight, bias)

    x = functional.relu(norm(functional.conv2d(x, state["conv1.weight"], padding=1), "bn1"))
    for n, block in itertools.product((1, 2, 3), range(blocks)):
        name, stride = f"layer{n}.{block}", 2 if n > 1 and block == 0 else 1
        inner = functional.relu(
            norm(functional.conv2d(x, state[f"{name}.conv1.weight"], None, stride, 1), f"{name}.bn1")
        )
        inner = norm(functional.conv2d(inner, state[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
        new = inner.shape[1] - x.shape[1]
        shortcut = functional.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, new // 2, new // 2))
        x = functional.relu(inner + shortcut)
    return functional.linear(x.mean((2, 3)), state["linear.weight"], state["linear.bias"])


def test_published_weights_mean_the_same_here():
    model = build_model("resnet_cifar", (8, 8, 3), 10, depth=14).eval()
    for p in model.parameters():
        torch.nn.init.uniform_(p, -0.2, 0.2)
    x, state = torch.randn(4, 3, 8, 8), published(model.state_dict())
    again = build_model("resnet_cifar", (8, 8, 3), 10, 1, depth=14).eval()
    again.load_state_dict(state)
    torch.testing.assert_close(again(x), model(x))
    torch.testing.assert_close(forward_as_published(state, x, 2), model(x), rtol=1e-4, atol=1e-5)


def test_a_published_file_is_read_as_it_is(tmp_path):
    """With its entry "state_dict" and the names that DataParallel gives."""
    model = build_model("resnet_cifar", (8, 8, 3), 10, depth=14).eval()
    state = {f"module.{name}": value for name, value in published(model.state_dict()).items()}
    torch.save({"state_dict": state, "best_prec1": 91.7}, tmp_path / "weights.th")
    again = build_model("resnet_cifar", (8, 8, 3), 10, 1, depth=14).eval()
    with pytest.warns(WeightsWarning, match="state_dict"):
        load_weights(again, tmp_path / "weights.th", "weights")
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(again(x), model(x))
