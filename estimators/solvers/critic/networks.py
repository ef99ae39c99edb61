r"""Critics: :math:`f(x, y) = \log r_0(x, y) + g(x, y)`, :math:`r_0` the base's density ratio and g a network.

All start as the base itself: the last layer of each network is zero. A critic gives its scores of all pairs of rows
as a matrix, whose diagonal holds the pairs that were drawn together.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pidkd.arrays import FloatArray


class Critic(nn.Module):
    """A base and a network of pairs.

    Parameters
    ----------
    network : {"separable", "joint", "bilinear"}
    correlations : array, shape (k,)
        Canonical correlations; the first k columns of either variable are its canonical variates.
    d_x, d_y : int
        The columns after those, which the network sees.
    hidden : int
        Width of the network.
    """

    correlations: Tensor

    def __init__(self, network: str, correlations: FloatArray, d_x: int, d_y: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("correlations", torch.as_tensor(correlations, dtype=torch.float32))
        self.network = {"separable": Separable, "joint": Joint, "bilinear": Bilinear}[network](d_x, d_y, hidden)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores of all pairs, shape (n_x, n_y)."""
        k = len(self.correlations)
        scores: Tensor = self._base(x[:, :k], y[:, :k]) + self.network(x[:, k:], y[:, k:])
        return scores

    def _base(self, u: Tensor, v: Tensor) -> Tensor:
        squared = self.correlations**2
        weight = squared / (1 - squared) / 2
        cross = (u * (self.correlations / (1 - squared))) @ v.T
        return cross - (u**2 @ weight)[:, None] - v**2 @ weight - torch.log1p(-squared).sum() / 2


class Separable(nn.Module):
    r""":math:`g = a(x) \cdot b(y) + c(x) + d(y)`, a, c and b, d the outputs of one network of each variable."""

    def __init__(self, d_x: int, d_y: int, hidden: int) -> None:
        super().__init__()
        self.rank = hidden // 2
        self.of_x = _tower(d_x, hidden, self.rank + 1, zero_from=self.rank)
        self.of_y = _tower(d_y, hidden, self.rank + 1, zero_from=0)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Of all pairs."""
        a, b = self.of_x(x), self.of_y(y)
        scores: Tensor = a[:, :-1] @ b[:, :-1].T / math.sqrt(self.rank) + a[:, -1:] + b[:, -1]
        return scores


class Joint(nn.Module):
    """A network of x and y together, above one of each; takes time and memory by the pairs times its width."""

    def __init__(self, d_x: int, d_y: int, hidden: int) -> None:
        super().__init__()
        width = hidden // 2
        self.of_x, self.of_y = _tower(d_x, hidden, width), _tower(d_y, hidden, width)
        last = nn.Linear(width, 1)
        _zero(last)
        self.of_both = nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Of all pairs."""
        scores: Tensor = self.of_both(self.of_x(x)[:, None] + self.of_y(y))
        return scores[..., 0]


class Bilinear(nn.Module):
    r""":math:`g = x^\top W y + c \cdot x + d \cdot y`."""

    def __init__(self, d_x: int, d_y: int, hidden: int) -> None:
        super().__init__()
        self.of_both, self.of_x, self.of_y = nn.Linear(d_x, d_y, bias=False), nn.Linear(d_x, 1), nn.Linear(d_y, 1)
        for layer in (self.of_both, self.of_x, self.of_y):
            _zero(layer)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Of all pairs."""
        scores: Tensor = self.of_both(x) @ y.T + self.of_x(x) + self.of_y(y)[:, 0]
        return scores


def _tower(d: int, hidden: int, out: int, zero_from: int | None = None) -> nn.Sequential:
    """Of one variable; its outputs from ``zero_from`` on are 0 before training."""
    last = nn.Linear(hidden, out)
    with torch.no_grad():
        last.bias.zero_()
        last.weight[out if zero_from is None else zero_from :] = 0
    return nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), last)


def _zero(layer: nn.Linear) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
