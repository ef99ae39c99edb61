import numpy as np
import pytest

from pidkd.errors import InputError

torch = pytest.importorskip("torch")

from pidkd.distill.methods.at import AT, attention  # noqa: E402

torch.manual_seed(0)
logits, y = torch.randn(6, 4).double(), torch.tensor([0, 1, 2, 3, 0, 1])
t, s = torch.randn(6, 5, 4, 3).double(), torch.randn(6, 2, 4, 3).double()


def distance(t, s):
    loss = AT().loss((logits, [t]), (logits, [s]))
    return float(loss((logits, [t]), (logits, [s]), y)[1]["attention"])


def test_attention_is_its_formula():
    energy = (t.numpy() ** 2).mean(axis=1).reshape(6, -1)
    np.testing.assert_allclose(attention(t), energy / np.linalg.norm(energy, axis=1, keepdims=True), rtol=1e-12)


def test_attention_of_tokens_is_over_their_positions():
    torch.testing.assert_close(attention(t.flatten(2).transpose(1, 2)), attention(t))


def test_scale_and_order_of_channels_do_not_matter():
    assert distance(3 * t[:, [4, 2, 0, 1, 3]], -0.5 * s[:, [1, 0]]) == pytest.approx(distance(t, s), rel=1e-12)


def test_the_same_layer_costs_nothing_and_disjoint_attention_the_most():
    assert distance(t, t) == pytest.approx(0.0, abs=1e-30)
    left, right = torch.zeros(6, 1, 4, 3), torch.zeros(6, 1, 4, 3)
    left[:, :, 0, 0] = 1
    right[:, :, 3, 2] = 1
    assert distance(left, right) == pytest.approx(2 / 12)
    assert 0 <= distance(t, s) <= 2 / 12


def test_vectors_are_refused():
    with pytest.raises(InputError, match=r"layers with positions \(maps, or tokens without padding\), got a vector"):
        AT().loss((logits, [torch.ones(6, 3)]), (logits, [torch.ones(6, 3)]))
