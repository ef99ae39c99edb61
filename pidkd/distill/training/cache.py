"""The teacher's outputs on the training set, computed once, where every epoch shows it the same images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pidkd.distill.training.batches import Batches, InMemory
from pidkd.distill.training.recipe import Recipe

Teacher = Callable[[Tensor], tuple[Tensor, Sequence[Tensor]]]
"""From inputs to logits and features in the order of the layer pairs."""

GIGABYTE = 2**30


class TeacherCache:
    """Logits and features of every row of a data set, in memory on the device.

    Parameters
    ----------
    outputs : sequence of Tensor, shape (n, ...)
        The logits first.
    """

    def __init__(self, outputs: Sequence[Tensor]) -> None:
        self.is_channels_last = [_is_channels_last(output) for output in outputs]
        self.stored = [
            output.permute(0, 2, 3, 1).contiguous() if last else output.contiguous()
            for output, last in zip(outputs, self.is_channels_last, strict=True)
        ]

    def __call__(self, rows: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Outputs of these rows, in the layout that the teacher gave them."""
        taken = [stored[rows] for stored in self.stored]
        logits, *features = [
            output.permute(0, 3, 1, 2) if last else output
            for output, last in zip(taken, self.is_channels_last, strict=True)
        ]
        return logits, features

    @classmethod
    @torch.no_grad()
    def of(cls, teacher: Teacher, batches: InMemory) -> TeacherCache | None:
        """The cache of a data set; None where the outputs of a sample are not the same bits in another batch.

        They are not where a teacher draws random numbers, or where its kernels depend on what else is in a batch.
        Batches have the size of those in training, as kernels are chosen by size, too.
        """
        n, size = batches.n_samples, batches.recipe.batch_size // batches.world_size
        pieces: list[list[Tensor]] = []
        for start in range(0, n, size):
            rows = torch.arange(start, start + size, device=batches.device) % n
            logits, features = teacher(batches.inputs(rows))
            pieces.append([output[: n - start] for output in (logits, *features)])
        cache = cls([torch.cat(parts) for parts in zip(*pieces, strict=True)])
        mixed = torch.randperm(n, generator=torch.Generator().manual_seed(0))[:size].to(batches.device)
        logits, features = teacher(batches.inputs(mixed))
        again, features_again = cache(mixed)
        pairs = zip((logits, *features), (again, *features_again), strict=True)
        return cache if all(torch.equal(a, b) for a, b in pairs) else None


def cache_size(logits: Tensor, features: Sequence[Tensor], n_samples: int) -> int:
    """Bytes that the outputs of all samples take, from those of a batch."""
    return sum(output.numel() * output.element_size() for output in (logits, *features)) * n_samples // len(logits)


def why_live(recipe: Recipe, batches: Batches, n_bytes: int) -> str | None:
    """Why the teacher has to run in every step; None where its outputs can be kept."""
    if recipe.cache == "never":
        return "recipe.cache is never"
    if not isinstance(batches, InMemory):
        return "the training set is not in memory"
    if recipe.flip or recipe.crop:
        return "images are augmented"
    if n_bytes > recipe.cache_memory * GIGABYTE:
        return f"{n_bytes / GIGABYTE:.2g} GiB are more than recipe.cache_memory, {recipe.cache_memory:g}"
    return None


def _is_channels_last(x: Tensor) -> bool:
    return x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
