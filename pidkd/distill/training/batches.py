"""Batches of labelled samples, the same for a seed and an epoch wherever a run begins again.

Data in memory lies on the device, images as bytes, and is shuffled, normalised and augmented there.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pidkd.arrays import Array
from pidkd.distill.feeding import Inputs, batch_length, describe_inputs, map_tensors, take_rows, tensors_in
from pidkd.distill.training.labels import Batch
from pidkd.distill.training.recipe import Recipe
from pidkd.errors import Argument, InputError


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
    n_samples: int | None
    """As far as it is known before they have been read."""
    steps: int | None
    """Batches in an epoch, where that is known."""
    ids: Array | None = None
    """Names of the samples in the order of ``in_order``, where that is known."""
    smallest: int | None = None
    """Samples of the smallest batch of an epoch in this process, where that is known."""
    left_out: str | None = None
    """Samples of the data set that are in no batch, in words."""

    def __init__(self, device: torch.device, rank: int, world_size: int) -> None:
        self.device, self.rank, self.world_size = device, rank, world_size

    @abc.abstractmethod
    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The shuffled and augmented batches of an epoch, this process's share of each, from step ``start`` on."""

    @abc.abstractmethod
    def in_order(self) -> Iterator[Batch]:
        """Every sample once, in order and as it is; whole batches, and what is left in a smaller one."""

    def ids_of(self, start: int, n: int) -> Array | None:
        """Names of the ``n`` samples that ``in_order`` gave last, of which the first has number ``start``."""
        return None if self.ids is None else self.ids[start : start + n]

    @property
    @abc.abstractmethod
    def fingerprint(self) -> str:
        """Equal for equal data, as far as can be told."""

    def example(self) -> Batch:
        """A few samples."""
        x, y = self.first()
        return (x, y) if batch_length(x) is None else (take_rows(x, slice(2)), y[:2])

    def first(self) -> Batch:
        """The first batch."""
        for batch in self.in_order():
            return batch
        raise InputError(self.name, "at least one batch", "none")

    def share(self, batch: Batch) -> Batch:
        """The part of a batch that is this process's own."""
        x, y = batch
        if self.world_size == 1:
            return batch
        size = len(y) // self.world_size
        if size * self.world_size != len(y):
            expected = f"batches of a multiple of {self.world_size}, the number of processes"
            raise InputError(self.name, expected, f"one of {len(y)}", "set drop_last, or another batch size")
        if x is not None and batch_length(x) is None:
            raise InputError(self.name, "inputs that share their first axis", describe_inputs(x))
        own = slice(self.rank * size, (self.rank + 1) * size)
        return take_rows(x, own), y[own]


class InMemory(Batches):
    """Batches of tensors: bytes (n, height, width, channels), maps (n, channels, height, width) or whatever else.

    ``mean`` and ``std`` are what bytes are normalised by after division by 255; bytes without them stay as they are.
    """

    n_samples: int
    steps: int

    def __init__(
        self, x: Inputs, y: Tensor, recipe: Recipe, seed: int, *place: Any, name: str, mean: Any = (), std: Any = ()
    ) -> None:
        super().__init__(*place)
        self.name, self.seed, self.recipe = name, seed, recipe
        self.n_samples = len(y)
        self.steps = len(y) // recipe.batch_size
        if recipe.batch_size % self.world_size:
            expected = f"a multiple of {self.world_size}, the number of processes"
            raise InputError(Argument("Recipe", "batch_size"), expected, str(recipe.batch_size))
        self.smallest = recipe.batch_size // self.world_size
        self.ids = np.arange(len(y))
        self.is_map = isinstance(x, Tensor) and x.dim() == 4
        if (recipe.flip or recipe.crop) and not self.is_map:
            got = f"inputs of {describe_inputs(x)}"
            raise InputError(Argument("Recipe", "flip, crop"), f"images in {name}", got, "leave augmentation out")
        if self.is_map and not mean:
            x = x.permute(0, 2, 3, 1)  # as bytes lie: one way to cut, and the faster layout
        self.x, self.y = map_tensors(x, lambda part: part.contiguous().to(self.device)), y.to(self.device)
        self.labels = self.y
        self.is_normalised = bool(len(mean))
        self.rows = torch.zeros(0, dtype=torch.long, device=self.device)
        """Rows of the current batch of an epoch."""
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
            _, rows = self.share((None, order[step * size : (step + 1) * size]))
            self.rows = rows
            x = take_rows(self.x, rows)
            if self.recipe.flip or crop:
                x = augment(x, mirrored[rows], cut[rows], crop)
            yield self._ready(x), self.y[rows]

    def in_order(self) -> Iterator[Batch]:
        """Slices."""
        size = self.recipe.batch_size
        for start in range(0, self.n_samples, size):
            yield self._ready(take_rows(self.x, slice(start, start + size))), self.y[start : start + size]

    def inputs(self, rows: Tensor) -> Inputs:
        """The inputs of these rows, as they are."""
        return self._ready(take_rows(self.x, rows))

    def _ready(self, x: Inputs) -> Inputs:
        if self.is_normalised:
            x = (x - self.shift) / self.scale
        return x.permute(0, 3, 1, 2) if self.is_map else x

    @property
    def fingerprint(self) -> str:
        """SHA-256 of inputs and labels."""
        digest = hashlib.sha256(describe_inputs(self.x).encode())
        for values in (*tensors_in(self.x), self.y):
            digest.update(values.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
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
