"""The batches of a DataLoader, or of any iterable, as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, IterableDataset, SequentialSampler, Subset

from pidkd.arrays import Array
from pidkd.arrays import as_labels as as_names
from pidkd.distill.feeding import map_tensors, others_code
from pidkd.distill.training.batches import Batches, stream
from pidkd.distill.training.labels import Batch, as_labels, check_range, split_batch
from pidkd.errors import InputError

Collate: TypeAlias = Callable[[Any], tuple[Any, Any]]
"""Inputs and labels of what a loader gives, where that is no pair."""


class Streamed(Batches):
    """Batches that somebody else makes, as they come.

    Parameters
    ----------
    source : iterable
    collate : callable, optional
    tokens : bool
        Labels are of tokens, shape (B, L), and not of samples.
    id_names : sequence of str
        Entries of a mapping that name the samples.
    """

    n_samples: int | None = None
    steps: int | None = None

    def __init__(
        self,
        source: Any,
        *place: Any,
        name: str,
        collate: Collate | None = None,
        tokens: bool = False,
        id_names: Sequence[str] = (),
    ) -> None:
        super().__init__(*place)
        self.source, self.name, self.collate, self.tokens, self.id_names = source, name, collate, tokens, id_names
        self.steps = length_of(source)
        self._named: Array | None = None

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Batches of an epoch, in the order of the source."""
        batches = self._read()
        for _ in range(start):
            next(batches)
        return (self.share(self._ready(batch)) for batch in batches)

    def in_order(self) -> Iterator[Batch]:
        """The source's own order: a sum over them does not mind."""
        return map(self._ready, self._read())

    def ids_of(self, start: int, n: int) -> Array | None:
        """Names that the batch itself gives its samples, else those by its order."""
        if self._named is not None:
            return self._named
        return np.arange(start, start + n) if isinstance(self.source, Sequence) else super().ids_of(start, n)

    def _read(self) -> Iterator[Any]:
        """The batches as they come."""
        expected, hint = "samples that can be read and put into batches", "collate= says how batches become tensors"
        with others_code(self.name, expected, hint):
            batches = iter(self.source)
        while True:
            with others_code(self.name, expected, hint):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def _ready(self, batch: Any) -> Batch:
        if isinstance(batch, Mapping):
            inputs, self._named = self._without_ids(batch)
            batch = inputs if self.collate is None else batch
        if self.collate is not None:
            with others_code(f"{self.name}: collate", "a function from a batch to inputs and labels"):
                batch = self.collate(batch)
        x, y = split_batch(batch, self.name, anything=self.collate is not None)
        y = as_labels(f"{self.name}[1]", x, y, check_length=self.collate is None, n_axes=2 if self.tokens else 1)
        if self.n_classes is not None:
            check_range(self.name, y, self.n_classes)
        return map_tensors(x, self._move), self._move(y)

    def _without_ids(self, batch: Mapping[Any, Any]) -> tuple[Mapping[Any, Any], Array | None]:
        # With more axes they are no names but token ids.
        names = [name for name in self.id_names if name in batch and np.ndim(batch[name]) == 1]
        if not names:
            return batch, None
        ids = as_names(f"{self.name}[{names[0]!r}]", np.asarray(batch[names[0]]))
        return {key: value for key, value in batch.items() if key != names[0]}, ids

    def _move(self, part: Tensor) -> Tensor:
        return part.to(self.device, non_blocking=True)

    @property
    def fingerprint(self) -> str:
        """Its type and size, for its content may be drawn anew each time."""
        return f"{type(self.source).__qualname__} of {self.steps} batches"


class FromLoader(Streamed):
    """The batches of a ``DataLoader``, in the order that it makes of torch's random numbers, alike in every process."""

    def __init__(self, loader: DataLoader[Any], seed: int, *place: Any, name: str, **options: Any) -> None:
        super().__init__(loader, *place, name=name, **options)
        self.seed = seed
        self.n_samples = _n_given(loader)
        n_held = length_of(loader.dataset)
        if n_held is not None and self.n_samples is not None and self.n_samples != n_held:
            drops = loader.drop_last or getattr(loader.batch_sampler, "drop_last", False)
            why = "as it drops the last batch" if drops else "as its sampler draws them"
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
        """Batches of an epoch; the same epoch draws the same random numbers again."""
        for part in self.drawing:
            if (generator := getattr(part, "generator", None)) is not None:
                generator.manual_seed(stream(self.seed, 1, epoch))
            if hasattr(part, "set_epoch"):
                part.set_epoch(epoch)
        return super().epoch(epoch, start)

    @property
    def fingerprint(self) -> str:
        """Type and size of its data set, likewise."""
        return f"{type(self.source.dataset).__qualname__} of {self.n_samples}, {self.steps} batches"


def length_of(sized: Any) -> int | None:
    """The length of a loader or data set, where it has one."""
    try:
        return len(sized)
    except (TypeError, NotImplementedError, AttributeError):
        return None


def _n_given(loader: DataLoader[Any]) -> int | None:
    """Number of samples that a loader gives, where its samplers tell."""
    size, drops, sampler = loader.batch_size, loader.drop_last, loader.sampler
    if size is None and type(loader.batch_sampler) is BatchSampler:
        size, drops, sampler = (getattr(loader.batch_sampler, name) for name in ("batch_size", "drop_last", "sampler"))
    if size is None:
        return None
    n = length_of(loader.dataset if isinstance(loader.dataset, IterableDataset) else sampler)
    return n if n is None or not drops else n - n % size


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
