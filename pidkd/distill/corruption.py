"""A teacher part of whose features is noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pidkd.errors import UnknownNameError


def corrupt(model: nn.Module, paths: Sequence[str], fraction: float, std: float) -> None:
    r""":math:`h + \epsilon`, :math:`\epsilon \sim N(0, \text{std}^2)`, in the last ``fraction`` of rows of each layer.

    Rows are those of a map (its lower part), the tokens of a sequence, or the entries of a vector; their number is
    rounded up. The noise is drawn anew for every batch by torch's generator, and goes on to the layers after.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place. Do this before ``FeatureTap``, which then shows what is corrupted.
    paths : sequence of str
        Layers, as ``model.named_modules()`` names them.
    fraction : float
        From 0 to 1.
    std : float

    Raises
    ------
    UnknownNameError
        When a path names no layer.

    Examples
    --------
    >>> model = nn.Sequential(nn.Identity())
    >>> corrupt(model, ["0"], fraction=0.5, std=1.0)
    >>> (model(torch.zeros(1, 1, 4, 2)) != 0).all(dim=3).flatten().tolist()
    [False, False, True, True]
    """
    layers = dict(model.named_modules())

    def add_noise(layer: nn.Module, inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (_noisy(output[0], fraction, std), *output[1:])
        return _noisy(output, fraction, std)

    for path in dict.fromkeys(paths):
        if path not in layers:
            raise UnknownNameError("corrupt(paths)", "a layer", path, layers)
        layers[path].register_forward_hook(add_noise)
    model._pidkd_noise = [*noise_of(model), [*dict.fromkeys(paths), fraction, std]]  # type: ignore[assignment]


def noise_of(model: nn.Module) -> list[list[Any]]:
    """Layers, fraction and standard deviation of each corruption of a network, for the record of what it puts out."""
    noise: list[list[Any]] = getattr(model, "_pidkd_noise", [])
    return noise


def _noisy(feature: Tensor, fraction: float, std: float) -> Tensor:
    axis = 2 if feature.dim() == 4 else 1
    n_rows = feature.shape[axis]
    n_noisy = math.ceil(round(fraction * n_rows, 9))
    is_noisy = torch.arange(n_rows, device=feature.device) >= n_rows - n_noisy
    shape = [1] * feature.dim()
    shape[axis] = n_rows
    return feature + std * torch.randn_like(feature) * is_noisy.view(shape)
