"""Folders of files: one layer each, or shards that are read one after the other."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import InputError, printable
from pidkd.files.archive import contents_digest
from pidkd.files.format import format_of
from pidkd.files.layer import Layer, Sliced
from pidkd.files.opening import check_budget, existing_file, faults, is_there, read_text

FOLDER = "a folder of .npy files, one per layer, or of shards"

Read = Callable[[Path], list[Layer]]
"""What reads the layers of one file."""

SHARD = re.compile(r"(?:shard|part|chunk)?[-_.]?(\d{1,18})", re.ASCII)
"""File names by which the pieces of one whole are known, with their number."""

OF = re.compile(r"(.*?)[-_.]?(\d{1,18})[-_.]of[-_.](\d{1,18})", re.ASCII | re.DOTALL)
"""File names that say of how many pieces they are one, such as model-00001-of-00004: whole, number, how many."""


def read_folder(path: Path, read: Read) -> list[Layer]:
    """One layer per .npy file or subfolder of shards; or shards that each hold all layers."""
    inside = sorted((p for p in path.iterdir() if not p.name.startswith(".")), key=lambda p: natural(p.stem))
    arrays = [p for p in inside if p.suffix.lower() == ".npy" and p.is_file()]
    pieces = [p for p in inside if format_of(p) is not None and p not in arrays]
    folders = [p for p in inside if p.is_dir() and format_of(p) is None and any(p.glob("*.npy"))]
    if pieces and (arrays or folders):
        got = f"{(arrays + folders)[0].name} beside {pieces[0].name}"
        raise InputError(str(path), "files of one layer each, or shards of all layers", got)
    if pieces:
        _check_capture(path, pieces)
        _none_missing(pieces)
        shards = [{layer.name: layer for layer in read(p)} for p in pieces]
        for piece, shard in zip(pieces, shards, strict=True):
            if set(shard) != set(shards[0]):
                odd = sorted(set(shard) ^ set(shards[0]))[0]
                raise InputError(str(piece), f"the layers of {pieces[0].name}", f"a difference in {odd!r}")
        if not is_there(path / CAPTURE):
            _none_twice([p for p, shard in zip(pieces, shards, strict=True) if any(map(_measures, shard.values()))])
        return [_joined(name, path, [shard[name] for shard in shards]) for name in shards[0]]
    are_shards = any(all(names.fullmatch(p.stem) for p in arrays) for names in (SHARD, OF))
    if len(arrays) > 1 and not folders and are_shards:
        return [_sharded(path, arrays, read)]
    if not arrays and not folders:
        below = [p.name for p in inside if p.is_dir() and any(format_of(file) for file in p.iterdir())]
        hint = f"name one of the folders in it: {', '.join(below)}" if below else None
        raise InputError(str(path), FOLDER, "a folder without any", hint)
    layers = [layer for file in arrays for layer in read(file)]
    layers += [_sharded(p, sorted(p.glob("*.npy"), key=lambda file: natural(file.stem)), read) for p in folders]
    return sorted(layers, key=lambda layer: natural(layer.name))


CAPTURE = "capture.json"
"""Record that a capture leaves beside its shards."""


def capture_record(folder: Path) -> dict[str, Any]:
    """Record of a capture: its position, normalisation, accuracy; empty where the folder is none.

    Raises
    ------
    InputError
        When the record cannot be read.
    """
    if not is_there(folder / CAPTURE):
        return {}
    try:
        record = json.loads(read_text(folder / CAPTURE))
        return {name: record[name] for name in ABOUT if record.get(name) is not None}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(str(folder / CAPTURE), "the record of a capture", "other data") from error


ABOUT = ("position", "normalisation", "accuracy", "kinds")
"""Entries of the record of a capture that a reader of the numbers must know."""


def _check_capture(folder: Path, pieces: Sequence[Path]) -> None:
    """Refuse the shards of a capture that was stopped, or that are gone, exchanged or written by another."""
    if not is_there(folder / CAPTURE):
        return
    try:
        record = json.loads(read_text(folder / CAPTURE))
        finished, digests = bool(record["finished"]), [str(shard["digest"]) for shard in record["shards"]]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(str(folder / CAPTURE), "the record of a capture", "other data") from error
    hint = "go on with it by --resume (resume=True)"
    if not finished or len(digests) != len(pieces):
        got = f"{len(pieces)} shards of {len(digests)}" if finished else "one that was stopped"
        raise InputError(str(folder), "a capture that is whole", got, hint)
    for piece, digest in zip(pieces, digests, strict=True):
        with faults(str(piece)):
            if contents_digest(existing_file(piece)) != digest:
                raise InputError(str(piece), f"the shard that {CAPTURE} knows", "another file", hint)


def _measures(layer: Layer) -> bool:
    """Whether a layer holds numbers that no two shards have alike: more than one row of floats."""
    return layer.dtype.kind == "f" and layer.shape[:1] > (1,)


def _none_twice(pieces: Sequence[Path]) -> None:
    """Refuse an archive that is a copy of another, by their check sums: nothing else says what was in its place."""
    known: dict[str, Path] = {}
    for piece in pieces:
        with faults(str(piece)):
            digest = contents_digest(piece) if zipfile.is_zipfile(existing_file(piece)) else piece.name
        if (first := known.setdefault(digest, piece)) is not piece:
            hint = "one was copied over another; write it anew"
            raise InputError(str(piece), f"other samples than in {first.name}", "the same ones", hint)


def _sharded(path: Path, files: Sequence[Path], read: Read) -> Layer:
    _none_missing(files)
    return _joined(path.name, path, [layer for file in files for layer in read(file)])


def _none_missing(files: Sequence[Path]) -> None:
    """Refuse numbered shards that skip a number, or of which two bear the same."""
    _none_missing_of([(file, match) for file in files if (match := OF.fullmatch(file.stem))])
    numbers = sorted(int(match[1]) for file in files if (match := SHARD.fullmatch(file.stem)))
    if not len(numbers) == len(files) > 1:
        return
    place, expected = str(files[0].parent), f"shards up to number {numbers[-1]}"
    for number, previous in zip(numbers, [min(numbers[0], 1) - 1, *numbers], strict=False):
        if number == previous:
            raise InputError(place, f"{expected}, one of each", f"number {number} twice")
        if number > previous + 1:
            raise InputError(place, expected, f"{len(numbers)} of them, without number {previous + 1}")


def _none_missing_of(shards: Sequence[tuple[Path, re.Match[str]]]) -> None:
    """Refuse shards that say of how many each is one, and are not as many, or are of two wholes."""
    if not shards:
        return
    first, of_first = shards[0]
    place, total = str(first.parent), int(of_first[3])
    odd = next((file for file, of in shards if (of[1], int(of[3])) != (of_first[1], total)), None)
    if odd is not None:
        raise InputError(place, "shards of one whole", f"{first.name} and {odd.name}")
    if len({int(of[2]) for _, of in shards}) != total:
        raise InputError(place, f"{total:,} shards, as {first.name} says", f"{len(shards):,}")


def _joined(name: str, path: Path, shards: Sequence[Layer]) -> Layer:
    """Shards as one layer, one after the other."""
    first = shards[0]
    for shard in shards:
        text = shard.dtype.kind in "US" and first.dtype.kind == shard.dtype.kind
        if not shard.shape or shard.shape[1:] != first.shape[1:] or (shard.dtype != first.dtype and not text):
            got = f"{shard.dtype} of shape {shard.shape}"
            raise InputError(shard.where, f"{first.dtype} of shape (n, ...) {first.shape[1:]} as in {first.where}", got)
    shape = (sum(shard.shape[0] for shard in shards), *first.shape[1:])
    where = f"{path}, layer {name!r}" if name != path.name else str(path)
    load = partial(_load_joined, tuple(shards), shape, where)
    return Layer(printable(name), where, shape, first.dtype, load, str(path), first.max_memory)


def _load_joined(shards: tuple[Layer, ...], shape: tuple[int, ...], where: str) -> Any:
    if len(shards) == 1 or len(shape) == 1:
        check_budget(where, sum(shard.nbytes for shard in shards), shards[0].max_memory)
        parts = [np.asarray(shard.load()) for shard in shards]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    starts = np.cumsum([0, *(shard.shape[0] for shard in shards)])

    def get(index: Any) -> Array:
        """Each shard is opened for its rows and let go, so that their number does not matter."""
        wanted = np.arange(*index.indices(shape[0])) if isinstance(index, slice) else np.asarray(index)
        parts = []
        for shard, start, end in zip(shards, starts, starts[1:], strict=False):
            local = wanted[(wanted >= start) & (wanted < end)] - start
            if len(local):
                whole = len(local) == local[-1] - local[0] + 1
                parts.append(np.asarray(shard.load()[slice(int(local[0]), int(local[-1]) + 1) if whole else local]))
        return np.concatenate(parts) if parts else np.empty((0, *shape[1:]), shards[0].dtype)

    return Sliced(shape, shards[0].dtype, get)


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which layer2 comes before layer10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]{1,18})", name)]
