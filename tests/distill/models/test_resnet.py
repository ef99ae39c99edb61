"""ResNet-18 and ResNet-34: torchvision's sizes and names of parameters, so that its weights fit."""

from __future__ import annotations

import pytest

from pidkd.distill.architectures import build_model

torch = pytest.importorskip("torch")

from pidkd.distill.taps import FeatureTap  # noqa: E402

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def keys(blocks: tuple[int, ...]) -> set[str]:
    """The names in torchvision's state dictionary."""
    names = {"conv1.weight", "fc.weight", "fc.bias", *(f"bn1.{n}" for n in NORM)}
    for stage, n_blocks in enumerate(blocks, start=1):
        for block in range(n_blocks):
            prefix = f"layer{stage}.{block}"
            names |= {f"{prefix}.conv{i}.weight" for i in (1, 2)}
            names |= {f"{prefix}.bn{i}.{n}" for i in (1, 2) for n in NORM}
            if stage > 1 and block == 0:
                names |= {f"{prefix}.downsample.0.weight", *(f"{prefix}.downsample.1.{n}" for n in NORM)}
    return names


@pytest.mark.parametrize(
    ("depth", "blocks", "n_parameters"), [(18, (2, 2, 2, 2), 11_689_512), (34, (3, 4, 6, 3), 21_797_672)]
)
def test_sizes_and_names_are_those_of_torchvision(depth: int, blocks: tuple[int, ...], n_parameters: int) -> None:
    with torch.device("meta"):
        model = build_model("resnet", (224, 224, 3), 1000, depth=depth)
    assert sum(p.numel() for p in model.parameters()) == n_parameters
    assert set(model.state_dict()) == keys(blocks)


def test_stages_have_their_shapes() -> None:
    model = build_model("resnet", (64, 64, 3), 5)
    logits, features = FeatureTap(model, [f"layer{i}" for i in range(1, 5)])(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, 5)
    assert [tuple(f.shape[1:]) for f in features.values()] == [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]
