"""What layers put out, for every sample, written to files that ``pidkd.audit`` reads."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler

from pidkd.arrays import Array
from pidkd.distill.dataset import ImageData
from pidkd.distill.taps import FeatureTap
from pidkd.distill.training.batches import Batches, open_batches
from pidkd.distill.training.engine import fingerprint
from pidkd.distill.training.recipe import Recipe
from pidkd.distill.training.runtime import device_of
from pidkd.errors import Argument, InputError
from pidkd.files.reading import BESIDE_LAYERS
from pidkd.runs.output import PathLike, writing

RECORD = "capture.json"


def capture(
    model: nn.Module,
    data: Any,
    taps: Sequence[str],
    out: PathLike | None = None,
    *,
    shard_size: int = 4096,
    batch_size: int = 256,
    device: str = "cpu",
    resume: bool = False,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Array] | None:
    r""":math:`h_\text{path}(x_i)` for every path and every sample i, in the order of the data, in float32.

    Parameters
    ----------
    model : torch.nn.Module
        It is run in eval mode on ``device``, and left there in the mode that it had.
    data : ImageData, (x, y), torch Dataset or DataLoader
        Nothing is shuffled or augmented; a ``DataLoader`` must not shuffle either.
    taps : sequence of str
        Paths of layers, as ``FeatureTap`` takes them.
    out : path, optional
        A new folder. It gets ``shard-00000.npz`` and so on, each with an array for every path, "labels" and "ids": the
        ids of ``ImageData``, else row numbers. ``pidkd.audit`` reads the folder. Without it, all is returned.
    shard_size : int
        Samples of a shard, rounded up to whole batches: what has to fit into memory.
    batch_size : int
    device : {"cpu", "cuda", "auto"}
    resume : bool
        Keep the shards that are in the folder already, if they are of this model and data.
    progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    dict of str to array, or None
        Without ``out`` one array for each path, "labels" and "ids".

    Raises
    ------
    InputError
        When a path names no layer, the folder holds another capture, or cannot be written to.

    Examples
    --------
    >>> held = capture(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), (torch.zeros(5, 3), torch.arange(5)), ["1"])
    >>> {name: values.shape for name, values in held.items()}
    {'1': (5, 4), 'labels': (5,), 'ids': (5,)}
    """
    for path in taps:
        if path in BESIDE_LAYERS:
            raise InputError(Argument("capture", "taps"), f"names other than {', '.join(BESIDE_LAYERS)}", repr(path))
    if not taps:
        raise InputError(Argument("capture", "taps"), "at least one path of a layer", "none")
    if shard_size < 1:
        raise InputError(Argument("capture", "shard_size"), "a number of samples >= 1", repr(shard_size))
    if isinstance(data, DataLoader) and isinstance(data.sampler, RandomSampler):
        raise InputError(
            Argument("capture", "data"), "a loader that keeps the order of its samples", "one that shuffles them"
        )
    place = device_of(device)
    was_training = model.training
    tap = FeatureTap(model.to(place), taps)
    try:
        model.eval()
        recipe = Recipe(batch_size=batch_size)
        batches = open_batches(data, Argument("capture", "data"), recipe, 0, (place, 0, 1), training=False)
        ids = data.ids if isinstance(data, ImageData) else np.arange(batches.n_samples)
        if out is None:
            [(_, held)] = _shards(tap, batches, ids, batches.n_samples, 0, progress)
            return held
        per_shard = -(-shard_size // batch_size)
        settings = {
            "model": fingerprint(model),
            "data": batches.fingerprint,
            "n_samples": batches.n_samples,
            "taps": list(tap.paths),
            "shard_size": per_shard * batch_size,
        }
        n_done = _begin(Path(out), settings, resume)
        for number, shard in _shards(tap, batches, ids, per_shard, n_done, progress):
            with writing(_shard(Path(out), number), force=True) as stream:
                _write(stream, shard)
        return None
    finally:
        tap.close()
        model.train(was_training)


def _shards(
    tap: FeatureTap,
    batches: Batches,
    ids: Array,
    per_shard: int,
    n_done: int,
    progress: Callable[[float], None] | None,
) -> Iterator[tuple[int, dict[str, Array]]]:
    """Shards of ``per_shard`` batches from number ``n_done`` on."""
    pieces: dict[str, list[Array]] = {}
    row = 0
    for number, (x, y) in enumerate(batches.in_order()):
        first, row = row, row + len(y)
        if number >= n_done * per_shard:
            for name, values in {**_features(tap, x), "labels": y}.items():
                pieces.setdefault(name, []).append(values.cpu().numpy())
            pieces.setdefault("ids", []).append(ids[first:row])
            if (number + 1) % per_shard == 0 or row == batches.n_samples:
                yield number // per_shard, {name: np.concatenate(held) for name, held in pieces.items()}
                pieces = {}
        if progress is not None:
            progress(row / batches.n_samples)


@torch.no_grad()
def _features(tap: FeatureTap, x: Tensor) -> dict[str, Tensor]:
    return {path: feature.float() for path, feature in tap(x)[1].items()}


def _shard(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05}.npz"


def _write(stream: BinaryIO, arrays: Mapping[str, Array]) -> None:
    """As ``numpy.savez`` does, for names of any kind."""
    with zipfile.ZipFile(stream, "w") as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)


def _begin(folder: Path, settings: Mapping[str, Any], resume: bool) -> int:
    """How many shards are there already; the record is written if there is none."""
    record = folder / RECORD
    if not record.exists():
        with writing(record) as stream:
            stream.write(json.dumps(settings, indent=1).encode())
        return 0
    if not resume:
        hint = "go on with it by --resume (resume=True), or take another folder"
        raise InputError(str(folder), "a new folder", "one with a capture", hint)
    try:
        before = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(str(record), "the record of a capture", f"one that cannot be read ({error})") from error
    other = [key for key in settings if not isinstance(before, dict) or before.get(key) != settings[key]]
    if other:
        raise InputError(str(folder), f"a capture with the same {other[0]}", "another", "take another folder")
    n_done = 0
    while _shard(folder, n_done).exists():
        n_done += 1
    return n_done
