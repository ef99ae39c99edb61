"""How well a network does on labelled data."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pidkd.distill.training.batches import Batches, open_batches
from pidkd.distill.training.recipe import Recipe


def evaluate(model: nn.Module, data: Any, *, batch_size: int = 512) -> dict[str, float]:
    r"""Mean cross-entropy :math:`-\ln p_{y}(x)` in nats, and the share of samples whose class is found.

    Parameters
    ----------
    model : torch.nn.Module
        It returns logits. It is run in eval mode, where it is, and left in the mode that it had.
    data : ImageData, (x, y), torch Dataset or DataLoader
    batch_size : int

    Returns
    -------
    dict
        With "loss" and "accuracy".

    Examples
    --------
    >>> evaluate(nn.Identity(), (torch.eye(4), torch.arange(4)))["accuracy"]
    1.0
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    recipe = Recipe(batch_size=batch_size)
    batches = open_batches(data, "evaluate(data)", recipe, 0, (device, 0, 1), training=False)
    return scores(measure(model, batches))


def scores(sums: Tensor) -> dict[str, float]:
    """Means of what ``measure`` summed, in one process or over all."""
    loss, found, n = sums.tolist()
    return {"loss": loss / n, "accuracy": found / n}


@torch.no_grad()
def measure(model: nn.Module, batches: Batches, autocast: AbstractContextManager[Any] | None = None) -> Tensor:
    """Sums, of this process, of cross-entropy, samples whose class is found, and samples; float64, on the device."""
    was_training = model.training
    model.eval()
    sums = torch.zeros(3, dtype=torch.float64, device=batches.device)
    with autocast or nullcontext():
        for number, (x, y) in enumerate(batches.in_order()):
            if number % batches.world_size == batches.rank:
                output = model(x)
                logits = output[0] if isinstance(output, tuple) else getattr(output, "logits", output)
                sums[0] += functional.cross_entropy(logits.float(), y, reduction="sum")
                sums[1] += (logits.argmax(1) == y).sum()
                sums[2] += len(y)
    model.train(was_training)
    return sums
