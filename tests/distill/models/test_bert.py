"""Encoders of texts."""

from __future__ import annotations

import pytest

from pidkd.distill import build_model
from pidkd.distill.architectures import list_models
from pidkd.errors import InputError

torch = pytest.importorskip("torch")

from pidkd.distill.taps import FeatureTap  # noqa: E402


def batch(length: int = 6) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 20, (4, length), generator=generator)
    mask = (torch.arange(length) < torch.tensor([[6], [3], [1], [4]])).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def test_padding_says_nothing() -> None:
    model = build_model("bert", (9, 20), 3, width=8).eval()
    x = batch()
    y = {"input_ids": torch.where(x["attention_mask"] == 1, x["input_ids"], 7), "attention_mask": x["attention_mask"]}
    longer = batch(9)
    longer["input_ids"][:, :6] = x["input_ids"]
    longer["attention_mask"][0, 6:] = 0
    longer["input_ids"] *= longer["attention_mask"]
    logits = model(**x)
    torch.testing.assert_close(model(**y), logits, rtol=0, atol=1e-6)
    torch.testing.assert_close(model(**longer), logits, rtol=0, atol=1e-6)
    alone = [
        model(x["input_ids"][i : i + 1, :n], x["attention_mask"][i : i + 1, :n]) for i, n in enumerate((6, 3, 1, 4))
    ]
    torch.testing.assert_close(torch.cat(alone), logits, rtol=0, atol=1e-6)


def test_layers_put_out_tokens() -> None:
    model = build_model("bert", (6, 20), 3, layers=3, width=8, heads=2)
    _, features = FeatureTap(model, ["embeddings", "layer1", "layer3"])(batch())
    assert [tuple(feature.shape) for feature in features.values()] == [(4, 6, 8)] * 3
    # Two embeddings, three layers of 12 d^2 + 13 d, a norm and the classifier.
    assert sum(p.numel() for p in model.parameters()) == 26 * 8 + 16 + 3 * (12 * 64 + 13 * 8) + 9 * 3


def test_data_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"model 'bert': expected data of texts, got images"):
        build_model("bert", (8, 8, 1), 3)
    for name in set(list_models()) - {"bert"}:
        with pytest.raises(InputError, match=rf"model '{name}': expected data of images, got texts"):
            build_model(name, (6, 20), 3)
    with pytest.raises(InputError, match=r"model 'bert': heads: expected a divisor of the width, 8, got 3"):
        build_model("bert", (6, 20), 3, width=8, heads=3)
