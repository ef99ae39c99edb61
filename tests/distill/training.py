"""Small networks and data that the tests of training share."""

import copy
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from pidkd.distill import Recipe, get_method, list_methods
from pidkd.distill.method import Method

SIDE, CLASSES, N = 8, 3, 96
RECIPE = Recipe(epochs=8, batch_size=16, lr=0.02, schedule="multistep", milestones=(3, 6), clip=5.0)
"""Long enough for every method to come to each of its phases."""


def network(width: int, *, seed: int, norm: bool = True, dropout: float = 0.0, stride: int = 1) -> nn.Sequential:
    """Two blocks to tap, "0" and "1", and a head."""
    torch.manual_seed(seed)

    def block(n_in: int, n_out: int, stride: int) -> nn.Sequential:
        middle = [nn.BatchNorm2d(n_out)] if norm else []
        return nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride, padding=1), *middle, nn.ReLU(), nn.Dropout(dropout))

    pooled = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8 * width, CLASSES)]
    return nn.Sequential(block(1, width, stride), block(width, 2 * width, 2), *pooled)


TAPS = [("0", "0"), ("1", "1")]


def teacher(**options: object) -> nn.Sequential:
    return network(6, seed=1, **options)  # type: ignore[arg-type]


def student(**options: object) -> nn.Sequential:
    return network(3, seed=2, stride=2, **options)  # type: ignore[arg-type]


def data(n: int = N, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Classes that a convolution can tell."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % CLASSES
    x = torch.randn(n, 1, SIDE, SIDE, generator=generator)
    x[:, 0, :4] += y[:, None, None] - 1.0
    return x, y


def methods() -> list[Method]:
    """Each method, so that eight epochs show all of its phases."""
    short = {"rid": {"warm_up": 1, "q": 3, "r": 1 / 3}}
    return [get_method(name)(**short.get(name, {})) for name in list_methods()]


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(module.state_dict())


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())


@contextmanager
def forked(work: Callable[[], object], **environment: str) -> Iterator[int]:
    """A process that does ``work`` and ends, 0 if it went well; without the seconds that a new interpreter takes."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.environ.update(environment)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    yield child
