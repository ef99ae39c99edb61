"""Loss and accuracy of a network on labelled data."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pidkd.distill.feeding import Forward, eval_mode, id_names, same_buffers
from pidkd.distill.taps import FeatureTap
from pidkd.distill.training.batches import Batches
from pidkd.distill.training.labels import Batch, check_range, classes_of
from pidkd.distill.training.loader import Collate
from pidkd.distill.training.opening import open_batches
from pidkd.distill.training.recipe import Recipe
from pidkd.errors import Argument, DataWarning, InputError


def evaluate(
    model: nn.Module,
    data: Any,
    *,
    batch_size: int = 512,
    forward: Forward | None = None,
    collate: Collate | None = None,
) -> dict[str, float]:
    r"""Mean cross-entropy :math:`-\ln p_{y}(x)` in nats, and the share of samples that are classified as labelled.

    Of soft labels q it is the mean of :math:`-\sum_c q_c \ln p_c(x)`; a sample is labelled as its likeliest class.

    Parameters
    ----------
    model : torch.nn.Module
        It returns logits. It is run in eval mode, where it is, and every layer is left in the mode that it had.
    data : ImageData or TextData, (x, y), torch Dataset or DataLoader
    batch_size : int
    forward : callable, optional
        ``forward(model, inputs)`` runs the model on the inputs of a batch.
    collate : callable, optional
        Inputs and labels of what a loader gives, where that is no pair.

    Returns
    -------
    dict
        With "loss" and "accuracy".

    Warns
    -----
    DataWarning
        When a loader leaves out samples of its data set.

    Raises
    ------
    InputError
        When the data is no such thing, the model fails on it, or a label is none of its classes.

    Examples
    --------
    >>> evaluate(nn.Identity(), (torch.eye(4), torch.arange(4)))["accuracy"]
    1.0
    """
    if not isinstance(model, nn.Module):
        raise InputError(Argument("evaluate", "model"), "a torch.nn.Module", type(model).__name__)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    recipe = Recipe(batch_size=batch_size)
    place = (device, 0, 1)
    options: dict[str, Any] = {"training": False, "collate": collate, "id_names": id_names(model)}
    batches = open_batches(data, Argument("evaluate", "data"), recipe, 0, place, **options)
    if batches.left_out:
        warnings.warn(f"evaluate(data): the loader gives {batches.left_out}", DataWarning, stacklevel=2)
    tap = FeatureTap(model, [], forward=forward, where=Argument("evaluate", "model"))
    samples = iter(batches.in_order())
    first = next(samples, None)  # read once only: not all data can be read again
    if first is None:
        raise InputError(Argument("evaluate", "data"), "at least one sample", "none")
    tap.settle(first[0])
    with same_buffers(model):
        result = scores(measure(tap, batches, samples=chain([first], samples)))
    if math.isnan(result["loss"]):
        hint = "look for nan in the inputs and in the weights"
        raise InputError(Argument("evaluate", "model"), "logits that are numbers", "nan", hint)
    return result


def scores(sums: Tensor) -> dict[str, float]:
    """Means of what ``measure`` summed, in one process or over all."""
    loss, n_right, n = sums.tolist()
    if not n:
        hint = "a data set must give its samples each time that it is read"
        raise InputError("evaluated data", "at least one sample", "none", hint)
    return {"loss": loss / n, "accuracy": n_right / n}


@torch.no_grad()
def measure(
    tap: FeatureTap,
    batches: Batches,
    autocast: AbstractContextManager[Any] | None = None,
    samples: Iterable[Batch] | None = None,
) -> Tensor:
    """Sums, of this process, of cross-entropy, samples classified as labelled, and samples; float64, on the device."""
    sums = torch.zeros(3, dtype=torch.float64, device=batches.device)
    with eval_mode(tap), autocast or nullcontext():
        for number, (x, y) in enumerate(batches.in_order() if samples is None else samples):
            if number % batches.world_size == batches.rank:
                logits = tap(x)[0]
                add_scores(sums, check_logits(logits, y, tap.where), y, batches)
    return sums


def check_logits(logits: Tensor, y: Tensor, where: str) -> Tensor:
    """Logits of shape (n_samples, n_classes), in float32 at least."""
    if logits.dim() != 2 or len(logits) != len(y):
        got = f"shape {tuple(logits.shape)} for {len(y)} samples"
        raise InputError(where, "logits of shape (n_samples, n_classes)", got, "say how it is run by forward=")
    if logits.is_complex():
        raise InputError(
            where, "logits that are real numbers", str(logits.dtype), "take z.abs() or z.real in the model"
        )
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def add_scores(sums: Tensor, logits: Tensor, y: Tensor, batches: Batches) -> None:
    """Add a batch's cross-entropy, samples classified as labelled, and samples."""
    if batches.n_classes is None:  # else the labels have been checked as they were read
        check_range(batches.name, y, logits.shape[1], "the classes of the network")
    labels = y.to(logits.dtype) if y.is_floating_point() else y
    sums[0] += functional.cross_entropy(logits, labels, reduction="sum")
    sums[1] += (logits.argmax(1) == classes_of(y)).sum()
    sums[2] += len(y)
