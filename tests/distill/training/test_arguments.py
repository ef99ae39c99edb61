"""Options of train, capture and Monitor: what they cannot be is refused in one line before any work."""

from typing import Any

import numpy as np
import pytest

from pidkd.errors import InputError

torch = pytest.importorskip("torch")

from pidkd.distill import Monitor, capture, train  # noqa: E402
from pidkd.distill.training.arguments import OPTIONS  # noqa: E402

DATA = torch.zeros(8, 3), torch.arange(8) % 2
NETWORK = torch.nn.Linear(3, 2)


def distil(**options: Any) -> Any:
    return train(None, torch.nn.Linear(3, 2), DATA, **{"method": "none"} | options)


def taken(**options: Any) -> Any:
    return capture(NETWORK, DATA, **{"taps": [""]} | options)


def monitor(**options: Any) -> Any:
    return Monitor(NETWORK, DATA, **{"pairs": [("", "")]} | options)


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - {"batch_size"}))
def test_train_refuses_what_an_option_cannot_be(name: str) -> None:
    for value in OPTIONS[name].invalid():
        with pytest.raises(InputError, match=rf"^train\({name}\): expected [^\n]*$"):
            distil(**{name: value})


@pytest.mark.parametrize(
    ("call", "options"),
    [
        (taken, {"taps": 1}),
        (taken, {"taps": [1]}),
        (taken, {"taps": np.arange(2)}),
        (taken, {"batch_size": 10**30}),
        (taken, {"shard_size": "x"}),
        (taken, {"position": np.arange(2)}),
        (taken, {"out": 3}),
        (taken, {"progress": 3}),
        (monitor, {"pairs": 1}),
        (monitor, {"pairs": [("a",)]}),
        (monitor, {"shuffle": 3}),
        (monitor, {"shuffles": -1}),
        (monitor, {"seed": 2**70}),
        (monitor, {"units": np.arange(2)}),
        (monitor, {"folder": 3}),
        (distil, {"out": 3}),
        (distil, {"taps": 1}),
        (distil, {"method": np.arange(2)}),
    ],
)
def test_values_that_no_call_takes(call: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*: expected [^\n]*$"):
        call(**options)
