"""Batches of labelled samples, the same for a seed and an epoch wherever a run begins again.

Data in memory lies on the device, images as bytes, and is shuffled, normalised and augmented there.
"""

from __future__ import annotations

import abc
import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    SequentialSampler,
    Subset,
    random_split,
)

from pidkd.arrays import Array
from pidkd.distill.dataset import ImageData
from pidkd.distill.feeding import Inputs, batch_length, describe_inputs, map_tensors, others_code, take_rows, tensors_in
from pidkd.distill.training.recipe import Recipe
from pidkd.errors import Argument, InputError

Batch: TypeAlias = tuple[Inputs, Tensor]
"""Inputs, and their class labels of shape (B,)."""

Collate: TypeAlias = Callable[[Any], tuple[Any, Any]]
"""Inputs and labels of what a loader gives, where that is no pair."""

LABELS = ("labels", "label", "targets", "target", "y")
"""Keys of the labels in a batch that is a mapping."""


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

    @property
    @abc.abstractmethod
    def fingerprint(self) -> str:
        """Equal for equal data, as far as can be told."""

    def example(self) -> Batch:
        """A few samples."""
        for x, y in self.in_order():
            return (x, y) if batch_length(x) is None else (take_rows(x, slice(2)), y[:2])
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
            x = take_rows(self.x, rows)
            if self.recipe.flip or crop:
                x = augment(x, mirrored[rows], cut[rows], crop)
            yield self._ready(x), self.y[rows]

    def in_order(self) -> Iterator[Batch]:
        """Slices."""
        size = self.recipe.batch_size
        for start in range(0, self.n_samples, size):
            yield self._ready(take_rows(self.x, slice(start, start + size))), self.y[start : start + size]

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


class FromLoader(Batches):
    """The batches of a ``DataLoader``, in the order that it makes of torch's random numbers, alike in every process."""

    def __init__(
        self, loader: DataLoader[Any], seed: int, *place: Any, name: str, collate: Collate | None = None
    ) -> None:
        super().__init__(*place)
        self.loader, self.seed, self.name, self.collate = loader, seed, name, collate
        self.steps = _length(loader)
        self.n_samples = _n_given(loader)
        n_held = _length(loader.dataset)
        if n_held is not None and self.n_samples is not None and self.n_samples != n_held:
            why = "as it drops the last batch" if loader.drop_last else "as its sampler draws them"
            self.left_out = f"{self.n_samples:,} samples of the {n_held:,} of its data set, {why}"
        if self.n_samples is not None and loader.batch_size is not None:
            rest = self.n_samples % loader.batch_size
            self.smallest = (rest or loader.batch_size) // self.world_size
        if _in_order(loader) and n_held is not None:
            self.ids = _row_numbers(loader.dataset, n_held)
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
        batches = self._read()
        for _ in range(start):
            next(batches)
        return (self.share(self._ready(batch)) for batch in batches)

    def in_order(self) -> Iterator[Batch]:
        """The loader's own order: a sum over them does not mind."""
        return map(self._ready, self._read())

    def _read(self) -> Iterator[Any]:
        """The loader's batches as they come."""
        expected, hint = "samples that can be read and put into batches", "collate= says how batches become tensors"
        with others_code(self.name, expected, hint):
            batches = iter(self.loader)
        while True:
            with others_code(self.name, expected, hint):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def _ready(self, batch: Any) -> Batch:
        if self.collate is not None:
            with others_code(f"{self.name}: collate", "a function from a batch to inputs and labels"):
                batch = self.collate(batch)
        x, y = split_batch(batch, self.name)
        y = as_class_labels(f"{self.name}[1]", x, y, check_length=self.collate is None)
        if self.n_classes is not None:
            check_range(self.name, y, self.n_classes)
        return map_tensors(x, self._move), self._move(y)

    def _move(self, part: Tensor) -> Tensor:
        return part.to(self.device, non_blocking=True)

    @property
    def fingerprint(self) -> str:
        """Its type and size, for its content may be drawn anew each time."""
        return f"{type(self.loader.dataset).__qualname__} of {self.n_samples}, {self.steps} batches"


def split_batch(batch: Any, where: str) -> tuple[Inputs, Any]:
    """Inputs and labels of a batch: a pair, or a mapping with one entry for labels.

    Raises
    ------
    InputError
        When it is neither.
    """
    if isinstance(batch, Mapping):
        keys = [key for key in LABELS if key in batch]
        inputs = {key: value for key, value in batch.items() if key not in keys}
        if len(keys) == 1 and inputs:
            return inputs, batch[keys[0]]
        got = f"entries {', '.join(map(str, batch))}"
        raise InputError(where, f"batches with inputs and one of {', '.join(LABELS)}", got, HINT_COLLATE)
    if isinstance(batch, tuple | list) and len(batch) == 2 and len(tensors_in(batch[0])):
        return (tuple(batch[0]) if isinstance(batch[0], list) else batch[0]), batch[1]
    got = type(batch).__name__
    if isinstance(batch, tuple | list):
        got = f"{got} of {len(batch)}: {', '.join(type(part).__name__ for part in batch)}"
    raise InputError(where, "batches of inputs and labels", got, HINT_COLLATE)


HINT_COLLATE = "say which is which by collate=lambda batch: (inputs, labels)"


def as_class_labels(where: str, x: Inputs, y: Any, *, check_length: bool = True) -> Tensor:
    """Class labels of the samples as int64.

    Raises
    ------
    InputError
        When they are not one integer for each sample.
    """
    n = batch_length(x) if check_length else None
    whole = isinstance(y, Tensor) and not (y.is_floating_point() or y.is_complex())
    if not whole or y.dim() != 1 or (n is not None and len(y) != n):
        got = f"{type(y).__name__}"
        if isinstance(y, Tensor):
            got = f"{y.dtype} of shape {tuple(y.shape)}"
        hint = None
        if isinstance(y, Tensor) and y.dim() == 2:
            hint = "labels.squeeze(1) has one axis" if y.shape[1] == 1 else "labels.argmax(1) are the classes"
        elif isinstance(y, Tensor) and y.dim() == 1 and y.is_floating_point():
            hint = "labels.long(), if they are classes"
        got = f"{got} beside inputs of {describe_inputs(x)}"
        raise InputError(where, "one class label, an integer, for each input", got, hint)
    labels: Tensor = y.long()
    return labels


def _length(sized: Any) -> int | None:
    """The length of a loader or data set, where it has one."""
    try:
        return len(sized)
    except (TypeError, NotImplementedError, AttributeError):
        return None


def _n_given(loader: DataLoader[Any]) -> int | None:
    """Number of samples that a loader gives, where its samplers tell."""
    if loader.batch_size is None:
        return None
    n = _length(loader.dataset if isinstance(loader.dataset, IterableDataset) else loader.sampler)
    return n if n is None or not loader.drop_last else n - n % loader.batch_size


def _in_order(loader: DataLoader[Any]) -> bool:
    """Whether a loader is known to give the rows of its data set one after the other."""
    return (
        not isinstance(loader.dataset, IterableDataset)
        and type(loader.sampler) is SequentialSampler
        and type(loader.batch_sampler) is BatchSampler
    )


def _row_numbers(dataset: Any, n: int) -> Array:
    """Rows of the samples in the data set that they were taken from: a ``Subset`` has those of the whole."""
    rows = np.arange(n)
    while type(dataset) is Subset:
        rows = np.asarray(dataset.indices, dtype=np.int64)[rows]
        dataset = dataset.dataset
    return rows


def open_batches(
    data: Any,
    where: str,
    recipe: Recipe,
    seed: int,
    place: tuple[Any, ...],
    *,
    training: bool = True,
    collate: Collate | None = None,
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
    collate : callable, optional
        Inputs and labels of what a loader gives, where that is no pair.

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
        batches.n_classes, batches.ids = data.n_classes, data.ids
    elif isinstance(data, DataLoader | Dataset):
        if recipe.flip or recipe.crop:
            raise InputError(
                Argument("Recipe", "flip, crop"), f"images in memory in {where}", type(data).__name__, "augment there"
            )
        if isinstance(data, Dataset):
            data = _loader_of(data, where, recipe.batch_size, training)
        batches = FromLoader(data, seed, *place, name=where, collate=collate)
        if training and batches.steps is None:
            hint = "give its data set a __len__, or its samples as (x, y)"
            raise InputError(where, "a loader with a length", "one without", hint)
    else:
        x, y = _arrays(data, where)
        batches = InMemory(x, y, recipe, seed, *place, name=where)
    if training and not batches.steps:
        got = f"{batches.n_samples} samples in {batches.name}"
        raise InputError(
            Argument("Recipe", "batch_size"), "at most as many as there are samples", f"{recipe.batch_size}, and {got}"
        )
    return batches


def _loader_of(dataset: Any, where: str, batch_size: int, training: bool) -> DataLoader[Any]:
    """A loader of a data set: shuffled whole batches to train on, else every sample in order."""
    if isinstance(dataset, IterableDataset):
        return DataLoader(dataset, batch_size, drop_last=training)
    if _length(dataset) is None:
        raise InputError(where, "a data set with a length", f"{type(dataset).__name__} without __len__", "give it one")
    if not len(dataset):
        raise InputError(where, "at least one sample", "none")
    return DataLoader(dataset, batch_size, shuffle=training, drop_last=training)


def hold_out(data: Any, where: str, fraction: float, seed: int) -> tuple[Any, Any]:
    """Training data without, and the data of, a held-out ``fraction``.

    Raises
    ------
    InputError
        When the data is a loader, or one part would be empty.
    """
    if isinstance(data, ImageData):
        return data.split(fraction, seed)
    if isinstance(data, DataLoader | IterableDataset):
        hint = "give its data set, or held_out=0" if isinstance(data, DataLoader) else "held_out=0 needs no split"
        got = "a DataLoader" if isinstance(data, DataLoader) else "an IterableDataset"
        raise InputError(Argument("Recipe", "held_out"), f"data in {where} that can be split", got, hint)
    whole = data if isinstance(data, Dataset) else _arrays(data, where)
    n = _length(whole) if isinstance(whole, Dataset) else len(whole[1])
    if n is None:
        got = f"{type(whole).__name__} without __len__"
        raise InputError(Argument("Recipe", "held_out"), f"data in {where} with a length", got)
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
    return (take_rows(x, kept), y[kept]), (take_rows(x, out), y[out])


def check_range(where: str, y: Tensor, n_classes: int, of: str = "the classes of the student") -> None:
    """Refuse a label that is none of the classes."""
    odd = y[(y < 0) | (y >= n_classes)]
    if len(odd):
        raise InputError(where, f"labels from 0 to {n_classes - 1}, {of}", str(int(odd[0])))


def _arrays(data: Any, where: str) -> Batch:
    """Inputs and labels that a user gave, as tensors."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        got = f"{type(data).__name__} of {len(data)}" if isinstance(data, tuple | list) else type(data).__name__
        raise InputError(where, "(x, y), a torch Dataset or DataLoader, or ImageData", got)
    x, y = _as_tensors(data[0], f"{where}[0]"), _as_tensors(data[1], f"{where}[1]")
    if not tensors_in(x):
        raise InputError(f"{where}[0]", "arrays of inputs", type(data[0]).__name__)
    if batch_length(x) is None:
        raise InputError(f"{where}[0]", "inputs with one row for each sample", describe_inputs(x))
    return x, as_class_labels(f"{where}[1]", x, y)


def _as_tensors(values: Any, where: str) -> Inputs:
    """Arrays, data frames or lists as tensors, dtype kept; of a mapping or a tuple each part."""
    if isinstance(values, Tensor):
        return values.detach()
    if isinstance(values, Mapping):
        return {str(key): _as_tensors(part, f"{where}[{key!r}]") for key, part in values.items()}
    if isinstance(values, tuple) and values and all(hasattr(part, "shape") and part.shape for part in values):
        return tuple(_as_tensors(part, where) for part in values)
    try:
        if isinstance(values, list) and values and isinstance(values[0], Tensor):
            values = torch.stack(values)
            return values.detach()
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        got = " ".join(str(error).split())
        raise InputError(where, "numbers, with rows of one shape", got, "pad rows to one length") from error
    if array.dtype.kind not in "biufc":
        raise InputError(where, "numbers", f"dtype {array.dtype}", "encode text and categories as integers from 0")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        raise InputError(where, "numbers of at most 64 bits", f"dtype {array.dtype}", "convert them by astype(float)")
    dtype = array.dtype.newbyteorder("=") if array.dtype.kind != "u" or array.dtype.itemsize == 1 else np.int64
    return torch.from_numpy(np.array(array, dtype=dtype, order="C"))
