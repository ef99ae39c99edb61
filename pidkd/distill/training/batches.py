"""Batches of labelled samples, the same for a seed and an epoch wherever a run begins again.

Data in memory lies on the device, images as bytes, and is shuffled, normalised and augmented there.
"""

from __future__ import annotations

import abc
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, DistributedSampler, random_split

from pidkd.distill.dataset import ImageData
from pidkd.distill.training.recipe import Recipe
from pidkd.errors import Argument, InputError

Batch = tuple[Tensor, Tensor]
"""Inputs, and their class labels of shape (B,)."""


def stream(seed: int, *keys: int) -> int:
    """A seed of its own for every sequence of keys."""
    return int(np.random.SeedSequence([seed, *keys]).generate_state(1, np.uint64)[0])


class Batches(abc.ABC):
    """The batches of a data set.

    Parameters
    ----------
    device : torch.device
    rank, world_size : int
        With several processes each gets its share of every batch: together they see what one would.
    """

    n_classes: int | None = None
    """Where the data says it, or the student that is trained."""
    labels: Tensor | None = None
    """All of them, where they are known."""
    name: str
    n_samples: int
    steps: int
    """Batches in an epoch."""

    def __init__(self, device: torch.device, rank: int, world_size: int) -> None:
        self.device, self.rank, self.world_size = device, rank, world_size

    @abc.abstractmethod
    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The shuffled and augmented batches of an epoch, this process's share of each, from step ``start`` on."""

    @abc.abstractmethod
    def in_order(self) -> Iterator[Batch]:
        """Every sample once, in order and as it is; whole batches, and what is left in a smaller one."""

    @property
    @abc.abstractmethod
    def fingerprint(self) -> str:
        """Equal for equal data, as far as can be told."""

    def example(self) -> Batch:
        """A few samples."""
        x, y = next(self.in_order())
        return x[:2], y[:2]

    def share(self, batch: Tensor) -> Tensor:
        """The part of a batch that is this process's own."""
        size = len(batch) // self.world_size
        if size * self.world_size != len(batch):
            expected = f"batches of a multiple of {self.world_size}, the number of processes"
            raise InputError(self.name, expected, f"one of {len(batch)}", "set drop_last, or another batch size")
        return batch[self.rank * size : (self.rank + 1) * size]


class InMemory(Batches):
    """Batches of tensors: bytes (n, height, width, channels), maps (n, channels, height, width) or whatever else.

    ``mean`` and ``std`` are what bytes are normalised by after division by 255.
    """

    def __init__(
        self, x: Tensor, y: Tensor, recipe: Recipe, seed: int, *place: Any, name: str, mean: Any = (), std: Any = ()
    ) -> None:
        super().__init__(*place)
        self.name, self.seed, self.recipe = name, seed, recipe
        self.n_samples = len(y)
        self.steps = len(y) // recipe.batch_size
        if recipe.batch_size % self.world_size:
            expected = f"a multiple of {self.world_size}, the number of processes"
            raise InputError(Argument("Recipe", "batch_size"), expected, str(recipe.batch_size))
        self.is_map = x.dim() == 4
        if (recipe.flip or recipe.crop) and not self.is_map:
            got = f"inputs of shape {tuple(x.shape)}"
            raise InputError(Argument("Recipe", "flip, crop"), f"images in {name}", got, "leave augmentation out")
        if self.is_map and x.dtype != torch.uint8:
            x = x.permute(0, 2, 3, 1)  # as bytes lie: one way to cut, and the faster layout
        self.x, self.y = x.contiguous().to(self.device), y.to(self.device)
        self.labels = self.y
        self.scale = 255 * torch.tensor(std, device=self.device)
        self.shift = 255 * torch.tensor(mean, device=self.device)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The order, and each sample's cut and mirroring, are drawn from (seed, epoch) on the CPU, all at once."""
        generator = torch.Generator().manual_seed(stream(self.seed, 1, epoch))
        order = torch.randperm(self.n_samples, generator=generator).to(self.device)
        crop = self.recipe.crop
        mirrored = torch.rand(self.n_samples, generator=generator).to(self.device) < (0.5 if self.recipe.flip else 0)
        cut = torch.randint(2 * crop + 1, (self.n_samples, 2), generator=generator).to(self.device)
        size = self.recipe.batch_size
        for step in range(start, self.steps):
            rows = self.share(order[step * size : (step + 1) * size])
            x = self.x[rows]
            if self.recipe.flip or crop:
                x = augment(x, mirrored[rows], cut[rows], crop)
            yield self._ready(x), self.y[rows]

    def in_order(self) -> Iterator[Batch]:
        """Slices."""
        size = self.recipe.batch_size
        for start in range(0, self.n_samples, size):
            yield self._ready(self.x[start : start + size]), self.y[start : start + size]

    def _ready(self, x: Tensor) -> Tensor:
        if x.dtype == torch.uint8 and self.is_map:
            x = (x - self.shift) / self.scale
        return x.permute(0, 3, 1, 2) if self.is_map else x

    @property
    def fingerprint(self) -> str:
        """SHA-256 of inputs and labels."""
        digest = hashlib.sha256(f"{self.x.dtype} {tuple(self.x.shape)}".encode())
        for values in (self.x, self.y):
            digest.update(np.ascontiguousarray(values.cpu().numpy()).data)
        return digest.hexdigest()


def augment(images: Tensor, mirrored: Tensor, cut: Tensor, pad: int) -> Tensor:
    """Mirror some images, pad all by zeros on each side, and cut their size out of that at row and column ``cut``.

    Parameters
    ----------
    images : Tensor, shape (n, height, width, channels)
    mirrored : Tensor of bool, shape (n,)
    cut : Tensor of int, shape (n, 2)
        From 0 to 2 ``pad``; ``pad`` leaves an image where it is.
    pad : int

    Examples
    --------
    >>> image = torch.tensor([[1, 2], [3, 4]])[None, :, :, None]
    >>> augment(image, torch.tensor([True]), torch.tensor([[1, 1]]), 1)[0, :, :, 0]
    tensor([[2, 1],
            [4, 3]])
    >>> augment(image, torch.tensor([False]), torch.tensor([[0, 1]]), 1)[0, :, :, 0]
    tensor([[0, 0],
            [1, 2]])
    """
    n, height, width, _ = images.shape
    images = torch.where(mirrored[:, None, None, None], images.flip(2), images)
    if pad:
        images = functional.pad(images, (0, 0, pad, pad, pad, pad))
    i = cut[:, :1] + torch.arange(height, device=images.device)
    j = cut[:, 1:] + torch.arange(width, device=images.device)
    return images[torch.arange(n, device=images.device)[:, None, None], i[:, :, None], j[:, None, :]]


class FromLoader(Batches):
    """The batches of a ``DataLoader``, in the order that it makes of torch's random numbers, alike in every process."""

    def __init__(self, loader: DataLoader[Any], seed: int, *place: Any, name: str) -> None:
        super().__init__(*place)
        self.loader, self.seed, self.name = loader, seed, name
        try:
            self.steps = len(loader)
            self.n_samples = len(loader.dataset)  # type: ignore[arg-type]
        except TypeError as error:
            raise InputError(name, "a loader with a length", "one without", "give its data set a __len__") from error
        batch_sampler = loader.batch_sampler
        self.drawing: tuple[Any, ...] = (
            loader,
            loader.sampler,
            batch_sampler,
            getattr(batch_sampler, "sampler", None),
        )
        if self.world_size > 1 and any(isinstance(part, DistributedSampler) for part in self.drawing):
            expected = "a loader of whole batches, of which each process takes its share"
            raise InputError(name, expected, "one with a DistributedSampler", "leave the sampler out")

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """What a loader draws, it draws again for the same epoch, if it uses torch, numpy or random to draw."""
        for part in self.drawing:
            if (generator := getattr(part, "generator", None)) is not None:
                generator.manual_seed(stream(self.seed, 1, epoch))
            if hasattr(part, "set_epoch"):
                part.set_epoch(epoch)
        batches = iter(self.loader)
        for _ in range(start):
            next(batches)
        return (tuple(map(self.share, batch)) for batch in map(self._ready, batches))  # type: ignore[misc]

    def in_order(self) -> Iterator[Batch]:
        """The loader's own order: a sum over them does not mind."""
        return map(self._ready, self.loader)

    def _ready(self, batch: Any) -> Batch:
        if not isinstance(batch, Sequence) or len(batch) != 2 or not all(isinstance(part, Tensor) for part in batch):
            raise InputError(self.name, "batches of two tensors, inputs and labels", type(batch).__name__)
        _check_labels(f"{self.name}[1]", *batch)
        if self.n_classes is not None:
            check_range(self.name, batch[1], self.n_classes)
        x, y = (part.to(self.device, non_blocking=True) for part in batch)
        return x.to(memory_format=torch.channels_last) if x.dim() == 4 else x, y

    @property
    def fingerprint(self) -> str:
        """Its type and size, for its content may be drawn anew each time."""
        return f"{type(self.loader.dataset).__qualname__} of {self.n_samples}, {self.steps} batches"


def open_batches(
    data: Any, where: str, recipe: Recipe, seed: int, place: tuple[Any, ...], *, training: bool = True
) -> Batches:
    """Batches of what a user gave.

    Parameters
    ----------
    data : ImageData, (x, y), torch Dataset or DataLoader
    where : str
        What messages call it.
    recipe : Recipe
    seed : int
    place : (device, rank, world_size)
    training : bool
        Otherwise only ``in_order`` is asked for, and nothing is augmented.

    Raises
    ------
    InputError
        When it is nothing of the kind, or has no whole batch.
    """
    batches: Batches
    if not training:
        recipe = dataclasses.replace(recipe, flip=False, crop=0)
    if isinstance(data, ImageData):
        x, y = torch.from_numpy(np.array(data.images)), torch.from_numpy(np.array(data.labels))
        batches = InMemory(x, y, recipe, seed, *place, name=data.name, mean=data.mean, std=data.std)
        batches.n_classes = data.n_classes
    elif isinstance(data, DataLoader | Dataset):
        if recipe.flip or recipe.crop:
            raise InputError(
                Argument("Recipe", "flip, crop"), f"images in memory in {where}", type(data).__name__, "augment there"
            )
        if isinstance(data, Dataset):
            data = DataLoader(data, recipe.batch_size, shuffle=training, drop_last=training)
        batches = FromLoader(data, seed, *place, name=where)
    else:
        x, y = _arrays(data, where)
        batches = InMemory(x.float(), y.long(), recipe, seed, *place, name=where)
    if training and not batches.steps:
        got = f"{batches.n_samples} samples in {batches.name}"
        raise InputError(
            Argument("Recipe", "batch_size"), "at most as many as there are samples", f"{recipe.batch_size}, and {got}"
        )
    return batches


def hold_out(data: Any, where: str, fraction: float, seed: int) -> tuple[Any, Any]:
    """Training data without, and the data of, a held-out ``fraction``.

    Raises
    ------
    InputError
        When the data is a loader, or one part would be empty.
    """
    if isinstance(data, ImageData):
        return data.split(fraction, seed)
    if isinstance(data, DataLoader):
        hint = "give its data set, or held_out=0"
        raise InputError(Argument("Recipe", "held_out"), f"data in {where} that can be split", "a DataLoader", hint)
    whole = data if isinstance(data, Dataset) else _arrays(data, where)
    n = len(whole) if isinstance(whole, Dataset) else len(whole[1])  # type: ignore[arg-type]
    n_out = round(fraction * n)
    if not 0 < n_out < n:
        raise InputError(
            Argument("Recipe", "held_out"), f"a part of {n} samples that leaves some on both sides", repr(fraction)
        )
    generator = torch.Generator().manual_seed(stream(seed, 2))
    if isinstance(whole, Dataset):
        trained, tested = random_split(whole, [n - n_out, n_out], generator)
        return trained, tested
    rows = torch.randperm(n, generator=generator)
    x, y = whole
    kept, out = rows[n_out:].sort().values, rows[:n_out].sort().values
    return (x[kept], y[kept]), (x[out], y[out])


def check_range(where: str, y: Tensor, n_classes: int) -> None:
    """Refuse a label that is none of the classes."""
    odd = y[(y < 0) | (y >= n_classes)]
    if len(odd):
        raise InputError(where, f"labels from 0 to {n_classes - 1}, the classes of the student", str(int(odd[0])))


def _arrays(data: Any, where: str) -> Batch:
    """Inputs and labels that a user gave, as tensors."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise InputError(where, "(x, y), a torch Dataset or DataLoader, or ImageData", type(data).__name__)
    try:
        x, y = (torch.as_tensor(part) for part in data)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(where, "(x, y) of numbers", str(error)) from error
    _check_labels(f"{where}[1]", x, y)
    return x, y


def _check_labels(where: str, x: Tensor, y: Tensor) -> None:
    if y.shape != x.shape[:1] or y.dtype.is_floating_point or y.dtype == torch.bool:
        got = f"{y.dtype} of shape {tuple(y.shape)} beside inputs of shape {tuple(x.shape)}"
        raise InputError(where, "one class label, an integer, for each input", got)
