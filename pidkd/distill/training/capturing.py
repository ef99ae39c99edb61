"""Activations of layers for every sample, written to files that ``pidkd.audit`` reads."""

from __future__ import annotations

import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler

from pidkd.arrays import Array
from pidkd.distill.corruption import noise_of
from pidkd.distill.dataset import LabelledData
from pidkd.distill.features import kind
from pidkd.distill.feeding import Forward, eval_mode, id_names, layer_path, same_buffers
from pidkd.distill.lens import Head, Lens
from pidkd.distill.positions import POSITIONS, Position, answered, at_position, mask_of
from pidkd.distill.taps import FeatureTap
from pidkd.distill.training.arguments import check_arguments
from pidkd.distill.training.batches import Batches, stream
from pidkd.distill.training.labels import Batch
from pidkd.distill.training.loader import Collate
from pidkd.distill.training.opening import open_batches
from pidkd.distill.training.recipe import Recipe
from pidkd.distill.training.runtime import device_of, together
from pidkd.distill.training.shard_folder import SharedFolder
from pidkd.distill.training.state import fingerprint
from pidkd.errors import Argument, DataWarning, InputError, quote
from pidkd.files.reading import BESIDE_LAYERS, is_beside
from pidkd.parameters import check_choice, check_whole
from pidkd.runs.output import PathLike


class Captured(dict[str, Array]):
    """Arrays by path, "labels" and, where the order of the samples is known, "ids"; empty where files were written.

    Attributes
    ----------
    n_samples : int
    accuracy : float or None
        Share of the samples that the network classifies as labelled; None where it puts out no logits for these labels.
    normalisation : str
        What was done to the inputs before the network saw them.
    position : str or None
        The tokens that stand for a sample; padding is none of them.
    kinds : dict of str to str
        "vector", "tokens" or "map", by path, as the layers put them out.
    notes : list of str
    folder : str or None
        Where the arrays were written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.n_samples = 0
        self.accuracy: float | None = None
        self.normalisation = "none"
        self.position: str | None = None
        self.kinds: dict[str, str] = {}
        self.notes: list[str] = []
        self.folder: str | None = None

    def __missing__(self, name: str) -> Array:
        if self.folder is None:
            raise KeyError(name)
        hint = "name the folder instead, as in audit('teacher', 'student', ...), or capture without out="
        raise InputError(f"capture(...)[{name!r}]", "an array in memory", f"arrays in the folder {self.folder!r}", hint)

    def about(self) -> dict[str, Any]:
        """The attributes as plain data, but for the folder: a record may be moved."""
        return {name: value for name, value in vars(self).items() if name != "folder"}


def capture(
    model: nn.Module,
    data: Any,
    taps: Sequence[str | int],
    out: PathLike | None = None,
    *,
    shard_size: int = 4096,
    batch_size: int = 256,
    device: str = "cpu",
    resume: bool = False,
    position: Position | None = None,
    head: Head | None = None,
    layout: Mapping[str, str] | None = None,
    forward: Forward | None = None,
    collate: Collate | None = None,
    progress: Callable[[float], None] | None = None,
) -> Captured:
    r""":math:`h_\text{path}(x_i)` for every path and every sample i, in the order of the data, in float32.

    Parameters
    ----------
    model : torch.nn.Module
        It is run in eval mode on ``device``, and left there, every layer in the mode that it had. It need not put out
        logits.
    data : ImageData or TextData, (x, y), torch Dataset, DataLoader, or any iterable of batches
        Nothing is shuffled or augmented; a ``DataLoader`` must not shuffle either. Every sample that it gives is
        written. A batch is a pair, or a mapping with "labels" beside the arguments of the network, as "input_ids" and
        "attention_mask"; its "ids", "id" or "idx" name the samples.
    taps : sequence of str or int
        Paths of layers or hidden states, as ``FeatureTap`` takes them.
    out : path, optional
        A new folder. It gets ``shard-00000.npz`` and so on, each with an array for every path, "labels" and "ids": the
        ids of ``ImageData`` and ``TextData``, else row numbers, and none where the order of the samples is not known;
        and ``capture.json`` with the accuracy, the normalisation and what was noted. ``pidkd.audit`` reads the folder.
        Without it, all is returned.
    shard_size : int
        Samples of a shard, rounded up to whole batches: what has to fit into memory.
    batch_size : int
        Of data that is not in batches.
    device : {"cpu", "cuda", "auto"}
    resume : bool
        Keep the shards that are in the folder already, if they are of this model and data.
    position : {"mean", "cls", "last", "answer"}, optional
        The state that stands for a sample: of tokens the mean, that of the first or of the last one, or that from which
        a causal model predicts the first answered token (``labels`` of shape (B, L), -100 where nothing is answered;
        that token is then the label). Tokens that ``attention_mask`` calls padding count nowhere. Of maps "mean" keeps
        the mean over their positions. Without it
        ``TextData`` has the mean over its tokens; of all else every position is kept, and padded tokens are refused.
    head : path, sequence of paths, or callable, optional
        Layers of the model that what is kept goes through, one after the other, before it is written: with the model's
        own head this is the logit lens, whose logits ``Posteriors.from_logits`` takes.
    layout : mapping from path to str, optional
        Axes of the layers of which they cannot be told, by letters: "BHWC", "LBD", "BCL".
    forward : callable, optional
        ``forward(model, inputs)`` runs the model on the inputs of a batch. Else a mapping becomes keyword arguments, a
        tuple positional ones.
    collate : callable, optional
        ``inputs, labels = collate(batch)`` of what a loader gives. Else a batch is a pair, or a mapping with "labels".
    progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    Captured
        A dict of arrays, empty where files were written, with the accuracy and the normalisation as attributes.

    Warns
    -----
    DataWarning
        When a loader leaves out samples of its data set, or the order of the samples is not known.

    Raises
    ------
    InputError
        When a path names no layer, the model fails, an output has not one row for each sample, padding would be
        counted, the folder holds another capture, or cannot be written to.

    Notes
    -----
    Under ``torchrun`` each process writes its share of the shards, and the folder is the one that a single process
    writes.

    Examples
    --------
    >>> held = capture(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), (torch.zeros(5, 3), torch.arange(4).repeat(2)[:5]),
    ...                ["1"])
    >>> {name: values.shape for name, values in held.items()}
    {'1': (5, 4), 'labels': (5,), 'ids': (5,)}
    >>> held.accuracy is not None, held.normalisation, held.kinds
    (True, 'none: inputs as the data gives them', {'1': 'vector'})
    """
    check_arguments("capture", batch_size=batch_size, device=device, resume=resume, layout=layout, out=out)
    check_arguments("capture", forward=forward, collate=collate, progress=progress)
    if position is None and isinstance(data, LabelledData):
        position = data.position
    _check(model, data, taps, shard_size, position)
    place = device_of(device)
    tap = FeatureTap(model, taps, layout=layout, forward=forward, logits=False, where=Argument("capture", "model"))
    try:
        lens = None if head is None else Lens(model, head, Argument("capture", "head"))
        batches = open_batches(
            data,
            Argument("capture", "data"),
            Recipe(batch_size=batch_size),
            0,
            (place, 0, 1),
            training=False,
            collate=collate,
            tokens=position == "answer",
            id_names=id_names(model),
        )
        captured = Captured()
        captured.normalisation, captured.position = _normalisation(data), position
        captured.folder = None if out is None else os.fspath(out)
        model.to(place)
        with eval_mode(model), same_buffers(model):
            samples = iter(batches.in_order())
            first = next(samples, None)  # read once only: not all data can be read again
            if first is None:
                raise InputError(Argument("capture", "data"), "at least one sample", "none")
            captured.notes = _notes(batches, len(first[1]))
            for note in captured.notes:
                warnings.warn(f"capture(data): {note}", DataWarning, stacklevel=2)
            tap.settle(first[0], sizes=(2, 3, 1) if _ends_in_one(batches, batch_size) else (2, 3))
            pieces = _Pieces(tap, batches, lens, captured, progress)
            if out is None:
                [(_, arrays)] = pieces.shards(chain([first], samples), sys.maxsize, lambda _: True)
                captured.update(arrays or {})
                captured.accuracy = pieces.accuracy(pieces.right.values())
                pieces.note(pieces.not_finite.values())
                return captured
            per_shard = -(-shard_size // batch_size)
            made_from = {
                "model": fingerprint(model),
                "data": batches.fingerprint,
                "taps": list(tap.paths),
                "shard_size": per_shard * batch_size,
                "position": position,
                "head": lens and lens.name,
                "noise": noise_of(model) and {"parts": noise_of(model), "seed": pieces.seed, "batch_size": batch_size},
            }
            with together(place), closing(SharedFolder(out, made_from, resume)) as folder:
                for number, shard in pieces.shards(chain([first], samples), per_shard, folder.is_mine):
                    folder.write(number, shard, pieces.right.get(number), pieces.not_finite.get(number, {}))
                shards = folder.shared()
                captured.accuracy = pieces.accuracy(shard["right"] for shard in shards)
                pieces.note(shard["not_finite"] for shard in shards)
                folder.finish(captured.about())
            return captured
    finally:
        tap.close()


class _Pieces:
    """Arrays of batch after batch, and what is counted on the way."""

    def __init__(
        self,
        tap: FeatureTap,
        batches: Batches,
        lens: Lens | None,
        captured: Captured,
        progress: Callable[[float], None] | None,
    ) -> None:
        self.tap, self.batches, self.lens, self.captured, self.progress = tap, batches, lens, captured, progress
        self.position: Any = captured.position
        self.seed = torch.initial_seed()
        self.right: dict[int, int | None] = {}
        """Samples classified as labelled in each shard; None where the logits are not those of the labels."""
        self.not_finite: dict[int, dict[str, int]] = {}
        """Samples of each shard by path whose values are not all finite numbers."""

    def shards(
        self, samples: Iterator[Batch], per_shard: int, is_mine: Callable[[int], bool]
    ) -> Iterator[tuple[int, dict[str, Array] | None]]:
        """Number and arrays of each shard of ``per_shard`` batches; for others than ours the network is not run."""
        pieces: dict[str, list[Array]] = {}
        number = -1
        for number, (x, y) in enumerate(samples):
            shard, step = divmod(number, per_shard)
            if is_mine(shard):
                self.right.setdefault(shard, 0)
                self._add(shard, pieces, x, y)
            self.captured.n_samples += len(y)
            if step == per_shard - 1:
                yield shard, self._whole(pieces)
                pieces = {}
            if self.progress is not None and self.batches.n_samples:
                self.progress(min(self.captured.n_samples / self.batches.n_samples, 1.0))
        if (number + 1) % per_shard:
            yield number // per_shard, self._whole(pieces)
        n = self.batches.n_samples
        if n is not None and self.captured.n_samples != n:
            note = f"{self.captured.n_samples:,} samples came where {n:,} were announced"
            self.captured.notes.append(note)
            warnings.warn(f"capture(data): {note}", DataWarning, stacklevel=3)

    @torch.no_grad()
    def _add(self, shard: int, pieces: dict[str, list[Array]], x: Any, y: Tensor) -> None:
        captured, start = self.captured, self.captured.n_samples
        at = None
        if y.is_floating_point():
            got, hint = f"probabilities of shape {tuple(y.shape)}", "labels.argmax(1) are the likeliest classes"
            raise InputError(Argument("capture", "data"), "one class label for each sample", got, hint)
        if self.position == "answer":
            at, y = answered(y, f"{self.batches.name}[1]")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(self.seed, start))  # noise belongs to the samples, wherever a capture goes on
            logits, features = self.tap(x)
        for path, feature in features.items():
            where = f"capture(taps)[{path!r}]"
            if len(feature) != len(y):
                raise InputError(where, "one row for each sample", f"{len(feature)} for {len(y)} samples")
            captured.kinds[path] = kind(feature)
            values = at_position(feature.float(), self.position, mask_of(x, path), at, where)
            if self.lens is not None:
                values = self.lens(values, where).float()
            kept = pieces.setdefault(path, [])
            if kept and kept[-1].shape[1:] != values.shape[1:]:
                got = f"rows of shape {tuple(values.shape[1:])} after {kept[-1].shape[1:]}"
                hint = "pad the samples to one length, or keep the mean over positions by position='mean'"
                raise InputError(where, "rows of one shape", got, hint)
            odd = int((~values.flatten(1).isfinite().all(1)).sum())
            if odd:
                counts = self.not_finite.setdefault(shard, {})
                counts[path] = counts.get(path, 0) + odd
            kept.append(values.cpu().numpy())
        pieces.setdefault("labels", []).append(y.cpu().numpy())
        ids = self.batches.ids_of(start, len(y))
        if ids is not None:
            if len(ids) != len(y):
                raise InputError(self.batches.name, f"ids of {len(y)} samples", str(len(ids)))
            pieces.setdefault("ids", []).append(ids)
        if at is not None and isinstance(logits, Tensor) and logits.dim() == 3:
            logits = logits[torch.arange(len(y), device=logits.device), at]
        self._count_right(shard, logits, y)

    def _count_right(self, shard: int, logits: Any, y: Tensor) -> None:
        """Count samples that are classified as labelled, as long as the logits are those of the labels."""
        of_labels = isinstance(logits, Tensor) and logits.dim() == 2 and len(logits) == len(y)
        if not of_labels or bool((y < 0).any() | (y >= logits.shape[1]).any() | logits.isnan().any()):
            self.right[shard] = None
        before = self.right[shard]
        if before is not None:
            self.right[shard] = before + int((logits.argmax(1) == y).sum())

    def note(self, not_finite: Iterable[Mapping[str, int]]) -> None:
        """Note and warn of values that are not finite, from the counts of each shard."""
        totals: Counter[str] = Counter()
        for counts in not_finite:
            totals.update(counts)
        for path, count in totals.items():
            note = f"{path!r} has infinite or missing values in {count:,} of {self.captured.n_samples:,} samples"
            self.captured.notes.append(note)
            warnings.warn(f"capture(model): {note}", DataWarning, stacklevel=3)

    def accuracy(self, right: Iterable[int | None]) -> float | None:
        """Share of all samples that are classified as labelled, from those of each shard."""
        counts = list(right)
        known = [count for count in counts if count is not None]
        return sum(known) / self.captured.n_samples if len(known) == len(counts) else None

    def _whole(self, pieces: Mapping[str, list[Array]]) -> dict[str, Array] | None:
        return {name: np.concatenate(kept) for name, kept in pieces.items()} or None


def _check(model: Any, data: Any, taps: Any, shard_size: int, position: Any) -> None:
    if not isinstance(model, nn.Module):
        raise InputError(Argument("capture", "model"), "a torch.nn.Module", type(model).__name__)
    if isinstance(taps, str):
        raise InputError(Argument("capture", "taps"), "a list of paths", quote(taps), f"write [{quote(taps)}]")
    if not isinstance(taps, list | tuple) or any(layer_path(path) is None for path in taps):
        raise InputError(Argument("capture", "taps"), "a list of paths", quote(taps))
    for path in taps:
        if is_beside(str(path)):
            hint = "such arrays beside layers are taken for labels or ids"
            raise InputError(
                Argument("capture", "taps"), f"names other than {', '.join(BESIDE_LAYERS)}", quote(path), hint
            )
    if not taps:
        raise InputError(Argument("capture", "taps"), "at least one path of a layer", "none")
    check_whole(Argument("capture", "shard_size"), shard_size, 1)
    if position is not None:
        check_choice(Argument("capture", "position"), position, POSITIONS)
    if isinstance(data, DataLoader):
        batch_sampler = getattr(data, "batch_sampler", None)
        for sampler in (data.sampler, getattr(batch_sampler, "sampler", None)):
            if isinstance(sampler, RandomSampler):
                expected = "a loader that keeps the order of its samples"
                raise InputError(Argument("capture", "data"), expected, "one that shuffles them", "set shuffle=False")


def _ends_in_one(batches: Batches, batch_size: int) -> bool:
    """Whether some batch is known to have one sample."""
    if isinstance(batches.smallest, int) and batches.smallest == 1:
        return True
    return batches.n_samples is not None and batches.n_samples % batch_size == 1


def _normalisation(data: Any) -> str:
    if not isinstance(data, LabelledData) or not data.mean:
        return "none: inputs as the data gives them"
    mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (data.mean, data.std))
    return f"pixels / 255, then mean {mean} and std {std}"


def _notes(batches: Batches, n_first: int) -> list[str]:
    notes = []
    if batches.left_out:
        notes.append(f"the loader gives {batches.left_out}")
    if batches.ids_of(0, n_first) is None:
        notes.append("no ids are written, as the order of the samples is not known: capture both networks on one pass")
    return notes
