"""The folder of a capture: shards, and the record of what each was made from."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pidkd.arrays import Array
from pidkd.distill.training.runtime import from_main, gather, rank_of
from pidkd.errors import InputError
from pidkd.files.archive import contents_digest, is_whole
from pidkd.files.json import read_json
from pidkd.runs.output import PathLike, check_folder, holding, writing
from pidkd.runs.record import differences

RECORD = "capture.json"


class ShardFolder:
    """``shard-00000.npz`` and so on, and ``capture.json``, which knows each of them by its digest.

    Parameters
    ----------
    path : path
    made_from : mapping
        What must be the same for a capture to go on: network, data, layers, noise.
    resume : bool
        Keep the shards that are there and as they were written.

    Attributes
    ----------
    shards : list of dict
        "digest", "right", samples classified as labelled, and "not_finite", samples by layer whose values are not all
        finite numbers, of each shard that is whole.

    Raises
    ------
    InputError
        When another run holds the folder, or a capture is in it that is not to be gone on with, or of something else.
    """

    def __init__(self, path: PathLike, made_from: Mapping[str, Any], resume: bool) -> None:
        self.path = Path(path)
        self.made_from = json.loads(json.dumps(made_from))
        self.shards: list[dict[str, Any]] = []
        check_folder(path)
        self._held = ExitStack()
        self._held.enter_context(holding(path))
        try:
            self._begin(resume)
        except BaseException:
            self._held.close()
            raise

    def _begin(self, resume: bool) -> None:
        record = self.path / RECORD
        if record.exists():
            hint = "go on with it by --resume (resume=True), or take another folder"
            if not resume:
                raise InputError(str(self.path), "a new folder", "one with a capture", hint)
            try:
                held = read_json(record)
            except InputError as error:
                got = f"one that cannot be read ({error.what})"
                raise InputError(str(record), "the record of a capture", got) from error
            before = held.get("made_from") if isinstance(held, dict) else None
            if not isinstance(before, dict):
                raise InputError(str(record), "the record of a capture", "other data", "take another folder")
            if other := differences(before, self.made_from):
                key = other[0].partition(" ")[0].partition(".")[0]
                raise InputError(str(self.path), f"a capture with the same {key}", other[0], "take another folder")
            shards = held.get("shards")
            self.shards = self._whole(shards if isinstance(shards, list) else [])
        elif shard_path(self.path, 0).exists():
            raise InputError(str(self.path), "a new folder", "one with shards of something else")
        self._record(finished=False)

    def _whole(self, shards: list[Any]) -> list[dict[str, Any]]:
        """Entries of the first shards that are as they were written; those after a damaged one are made anew."""
        whole = []
        for number, entry in enumerate(shards):
            path = shard_path(self.path, number)
            if not _known(entry) or not is_whole(path, str(entry.get("digest"))):
                break
            whole.append(entry)
        return whole

    def add(self, entries: Sequence[dict[str, Any]]) -> None:
        """Write the entries of the next shards into the record."""
        self.shards += entries
        self._record(finished=False)

    def finish(self, about: Mapping[str, Any]) -> None:
        """Write that all samples are there, with what else is known."""
        number = len(self.shards)
        while (path := shard_path(self.path, number)).exists():  # of a capture of more samples that was stopped
            path.unlink()
            number += 1
        self._record(finished=True, **about)

    def close(self) -> None:
        """Leave the folder to other runs."""
        self._held.close()

    def _record(self, finished: bool, **about: Any) -> None:
        content = {"made_from": self.made_from, "shards": self.shards, "finished": finished, **about}
        with writing(self.path / RECORD, force=True) as stream:
            stream.write(json.dumps(content, indent=1).encode())


class SharedFolder:
    """The folder of a capture that all processes of a run write to, each its share of the shards.

    Parameters
    ----------
    path, made_from, resume
        As for ``ShardFolder``, which the first process keeps.
    """

    def __init__(self, path: PathLike, made_from: Mapping[str, Any], resume: bool) -> None:
        self.path, self.rank, self.world_size = Path(path), *rank_of()
        self.kept = from_main(lambda: ShardFolder(path, made_from, resume))
        self.entries: list[dict[str, Any]] = list(gather(self.kept.shards if self.kept else [])[0])
        self.n_done = len(self.entries)
        self._new: dict[int, dict[str, Any]] = {}

    def is_mine(self, number: int) -> bool:
        """Whether this process writes a shard that is not there yet."""
        return number >= self.n_done and number % self.world_size == self.rank

    def write(
        self, number: int, arrays: Mapping[str, Array] | None, right: int | None, not_finite: Mapping[str, int]
    ) -> None:
        """Write a shard, if it is ours; after one shard of each process all of them are put into the record."""
        if arrays is not None:
            path = shard_path(self.path, number)
            with writing(path, force=True) as stream:
                _write(stream, arrays)
            counts = {"rows": len(arrays["labels"]), "right": right, "not_finite": dict(not_finite)}
            self._new[number] = {**counts, "digest": contents_digest(path)}
        if (number + 1) % self.world_size == 0:
            self._share()

    def _share(self) -> None:
        together = {number: entry for part in gather(self._new) for number, entry in part.items()}
        entries = [together[number] for number in sorted(together)]
        self.entries += entries
        if self.kept is not None and entries:
            self.kept.add(entries)
        self._new = {}

    def shared(self) -> list[dict[str, Any]]:
        """Entries of all shards, of all processes."""
        self._share()
        return self.entries

    def finish(self, about: Mapping[str, Any]) -> None:
        """Write that all samples are there, with what else is known; no process goes on before."""
        if self.kept is not None:
            self.kept.finish(about)
        gather(None)

    def close(self) -> None:
        """Leave the folder to other runs."""
        if self.kept is not None:
            self.kept.close()


def _known(entry: Any) -> bool:
    """Whether this is the entry of a shard."""
    if not isinstance(entry, dict) or not isinstance(entry.get("right"), int | None):
        return False
    not_finite = entry.get("not_finite")
    return isinstance(not_finite, dict) and all(isinstance(count, int) for count in not_finite.values())


def shard_path(folder: Path, number: int) -> Path:
    """File of a shard."""
    return folder / f"shard-{number:05}.npz"


def _write(stream: BinaryIO, arrays: Mapping[str, Array]) -> None:
    """Write arrays as ``numpy.savez`` does, for names of any kind."""
    with zipfile.ZipFile(stream, "w") as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
