"""A teacher part of whose features is noise."""

from __future__ import annotations

import pytest

from pidkd.errors import UnknownNameError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from pidkd.distill.corruption import corrupt  # noqa: E402
from pidkd.distill.taps import FeatureTap  # noqa: E402


@pytest.mark.parametrize("shape", [(64, 3, 10, 5), (64, 10, 3), (64, 10)])
@pytest.mark.parametrize(("fraction", "n_noisy"), [(0.0, 0), (0.3, 3), (0.31, 4), (1.0, 10)])
def test_the_last_rows_and_no_others_are_noisy(shape: tuple[int, ...], fraction: float, n_noisy: int) -> None:
    model = nn.Sequential(nn.Identity())
    corrupt(model, ["0"], fraction, std=2.0)
    x = torch.randn(shape)
    rows = (model(x) - x).movedim(2 if len(shape) == 4 else 1, 0)
    assert not rows[: 10 - n_noisy].any()
    assert (rows[10 - n_noisy :] != 0).all()


def test_noise_has_the_standard_deviation_asked_for() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Identity())
    corrupt(model, ["0"], 0.5, std=3.0)
    noise = model(torch.zeros(4000, 20))[:, 10:]
    # 40,000 draws: five standard deviations of a sample deviation are 5 * 3 / sqrt(80,000).
    assert abs(float(noise.std()) - 3.0) < 5 * 3 / 80_000**0.5


def test_a_tap_sees_it_and_so_do_the_layers_after() -> None:
    model = nn.Sequential(nn.Identity(), nn.Identity())
    corrupt(model, ["0"], 0.5, std=1.0)
    logits, features = FeatureTap(model, ["0"])(torch.zeros(2, 4))
    assert (features["0"][:, 2:] != 0).all()
    assert torch.equal(logits, features["0"])


def test_unknown_layers_are_named() -> None:
    with pytest.raises(UnknownNameError, match="'1'"):
        corrupt(nn.Sequential(nn.Identity()), ["1"], 0.5, 1.0)
