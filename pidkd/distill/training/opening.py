"""Batches of what a user gave as data, and the part of it that is held out."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, random_split

from pidkd.distill.dataset import LabelledData
from pidkd.distill.feeding import Inputs, take_rows, tensors_in
from pidkd.distill.training.batches import Batches, InMemory, stream
from pidkd.distill.training.labels import are_batches, arrays_of, as_tensors
from pidkd.distill.training.loader import Collate, FromLoader, Streamed, length_of
from pidkd.distill.training.recipe import Recipe
from pidkd.errors import Argument, InputError, quote


def open_batches(
    data: Any,
    where: str,
    recipe: Recipe,
    seed: int,
    place: tuple[Any, ...],
    *,
    training: bool = True,
    collate: Collate | None = None,
    **options: Any,
) -> Batches:
    """Batches of what a user gave.

    Parameters
    ----------
    data : LabelledData, (x, y), torch Dataset or DataLoader, or, where nothing is trained, any iterable of batches
    where : str
        What messages call it.
    recipe : Recipe
    seed : int
    place : (device, rank, world_size)
    training : bool
        Otherwise only ``in_order`` is asked for, and nothing is augmented.
    collate : callable, optional
        Inputs and labels of what a loader gives, where that is no pair.
    **options
        Others of ``Streamed``.

    Raises
    ------
    InputError
        When it is nothing of the kind, or has no whole batch.
    """
    batches: Batches
    if not training:
        recipe = dataclasses.replace(recipe, flip=False, crop=0)
    if isinstance(data, LabelledData):
        x, y = as_tensors(data.inputs, data.name), torch.from_numpy(np.array(data.labels))
        batches = InMemory(x, y, recipe, seed, *place, name=data.name, mean=data.mean, std=data.std)
        batches.n_classes, batches.ids = data.n_classes, data.ids
    elif isinstance(data, DataLoader | Dataset):
        if recipe.flip or recipe.crop:
            raise InputError(
                Argument("Recipe", "flip, crop"), f"images in memory in {where}", type(data).__name__, "augment there"
            )
        if isinstance(data, Dataset):
            data = _loader_of(data, where, recipe.batch_size, training)
        batches = FromLoader(data, seed, *place, name=where, collate=collate, **options)
        if training and batches.steps is None:
            hint = "give its data set a __len__, or its samples as (x, y)"
            raise InputError(where, "a loader with a length", "one without", hint)
    elif not training and are_batches(data):
        batches = Streamed(data, *place, name=where, collate=collate, **options)
    else:
        x, y = arrays_of(data, where)
        _check_numbers(x, f"{where}[0]")
        batches = InMemory(x, y, recipe, seed, *place, name=where)
    if training and not batches.steps:
        got = f"{batches.n_samples} samples in {batches.name}"
        raise InputError(
            Argument("Recipe", "batch_size"), "at most as many as there are samples", f"{recipe.batch_size}, and {got}"
        )
    return batches


def _check_numbers(x: Inputs, where: str) -> None:
    """Refuse samples with missing values; infinities may be a mask."""
    for part in tensors_in(x):
        if part.is_floating_point() and bool(part.isnan().any()):
            row = int(part.isnan().nonzero()[0, 0])
            hint = "leave such samples out, or fill them in"
            raise InputError(where, "numbers in every sample", f"nan in row {row}", hint)


def hold_out(data: Any, where: str, fraction: float, seed: int) -> tuple[Any, Any]:
    """Training data without, and the data of, a held-out ``fraction``.

    Raises
    ------
    InputError
        When the data is a loader, or one part would be empty.
    """
    if isinstance(data, LabelledData):
        return data.split(fraction, seed)
    if isinstance(data, DataLoader | IterableDataset):
        hint = "give its data set, or held_out=0" if isinstance(data, DataLoader) else "held_out=0 needs no split"
        got = "a DataLoader" if isinstance(data, DataLoader) else "an IterableDataset"
        raise InputError(Argument("Recipe", "held_out"), f"data in {where} that can be split", got, hint)
    whole = data if isinstance(data, Dataset) else arrays_of(data, where)
    n = length_of(whole) if isinstance(whole, Dataset) else len(whole[1])
    if n is None:
        got = f"{type(whole).__name__} without __len__"
        raise InputError(Argument("Recipe", "held_out"), f"data in {where} with a length", got)
    n_out = round(fraction * n)
    if not 0 < n_out < n:
        raise InputError(
            Argument("Recipe", "held_out"), f"a part of {n} samples that leaves some on both sides", quote(fraction)
        )
    generator = torch.Generator().manual_seed(stream(seed, 2))
    if isinstance(whole, Dataset):
        trained, tested = random_split(whole, [n - n_out, n_out], generator)
        return trained, tested
    rows = torch.randperm(n, generator=generator)
    x, y = whole
    kept, out = rows[n_out:].sort().values, rows[:n_out].sort().values
    return (take_rows(x, kept), y[kept]), (take_rows(x, out), y[out])


def _loader_of(dataset: Any, where: str, batch_size: int, training: bool) -> DataLoader[Any]:
    """A loader of a data set: shuffled whole batches to train on, else every sample in order."""
    if isinstance(dataset, IterableDataset):
        return DataLoader(dataset, batch_size, drop_last=training)
    if length_of(dataset) is None:
        raise InputError(where, "a data set with a length", f"{type(dataset).__name__} without __len__", "give it one")
    if not len(dataset):
        raise InputError(where, "at least one sample", "none")
    return DataLoader(dataset, batch_size, shuffle=training, drop_last=training)
