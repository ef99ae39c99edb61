"""Files of every format, and of what else a user names, damaged in every way that comes to mind."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from pidkd.distill.experiments.loading import load_config
from pidkd.files.format import FORMATS, get_format
from pidkd.files.json import read_json
from pidkd.files.reading import open_layers, read_labels, read_layers

N = 57
VALUES = {
    "h": np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32),
    "labels": np.arange(N) * 37 % 4,
}
BUDGET = 100_000_000
READERS = [*FORMATS.names(), "csv", "yaml", "json", "idx", "shards", "record"]


def attempt(rng: random.Random, folder: Path) -> str:
    """Write a file, damage it, and read it as the commands do."""
    kind = rng.choice(READERS)
    path, read, checked = written(kind, folder)
    damage = rng.choice(DAMAGES)
    damage(rng, path)
    # Shards that are written anew with other values are other files and no damaged ones.
    checked = checked and not (kind == "shards" and damage is repair)
    values = read(path)
    if values is None:
        return "right"
    for name, whole in VALUES.items():
        held = values.get(name)
        if held is not None and held.shape == whole.shape and held.dtype == whole.dtype:
            same = np.array_equal(held, whole)
            assert same or not checked, f"numbers of a damaged {kind} file"
            if not same:
                return "read, without a check sum"
    return "right"


def written(kind: str, folder: Path) -> tuple[Path, Any, bool]:
    """A whole file, the function that reads it, and whether a check sum covers its values."""
    if kind in FORMATS:
        format_ = get_format(kind)
        path = folder / f"h{format_.suffixes[0]}"
        format_.write(path, VALUES)
        # A zip archive of one array more, or metadata in JSON, is another file and no damaged one.
        return path, _layers, format_.check_sum and not format_.folder
    if kind == "shards":
        path = folder / "shards"
        path.mkdir()
        for i in range(3):
            np.savez(path / f"shard-{i}.npz", **{name: values[i * 19 : i * 19 + 19] for name, values in VALUES.items()})
        return path, _layers, True
    if kind == "idx":
        from pidkd.distill.data.idx import read_idx

        path = folder / "labels.gz"
        header = bytes([0, 0, 8, 1]) + struct.pack(">I", N)
        path.write_bytes(gzip.compress(header + VALUES["labels"].astype(np.uint8).tobytes()))
        return path, lambda p: {"labels": read_idx(p, 1).astype(np.int64)}, True
    texts = {
        "csv": ("y.csv", "label\n" + "\n".join(map(str, VALUES["labels"])), lambda p: {"labels": read_labels(p, "")}),
        "yaml": ("c.yaml", _configuration(), lambda p: load_config(p) and None),
        "json": ("c.json", json.dumps({"a": [1, 2.5, None, {"b": "text"}]}), lambda p: read_json(p) and None),
        "record": ("r.jsonl", '{"settings": {}}\n' + json.dumps(_row()) + "\n", _record),
    }
    name, text, read = texts[kind]
    (folder / name).write_text(text)
    return folder / name, read, False


def _row() -> dict[str, Any]:
    return {"family": "gates", "problem": "xor", "estimator": "broja", "kind": "pid", "status": "solved", "cpu": 0.5}


def _record(path: Path) -> None:
    from pidkd.benchmarks.record import read_record

    read_record(path)


def _configuration() -> str:
    return load_config("digits-rid").to_yaml()


def _layers(path: Path) -> dict[str, Any]:
    open_layers(path, "teacher", BUDGET)
    return {layer.name: layer.array() for layer in read_layers(path, BUDGET)}


# --- damages


def piece_of(rng: random.Random, path: Path) -> Path:
    """The file, or one of those in the folder."""
    pieces = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return rng.choice(pieces)


def truncate(rng: random.Random, path: Path) -> None:
    """Cut the end off."""
    piece = piece_of(rng, path)
    content = piece.read_bytes()
    piece.write_bytes(content[: rng.randrange(len(content) + 1)])


def flip(rng: random.Random, path: Path) -> None:
    """Flip bits, more often near either end."""
    piece = piece_of(rng, path)
    piece.write_bytes(_hurt(rng, piece.read_bytes()))


def _hurt(rng: random.Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20)) if damaged else 0):
        near = min(400, len(damaged))
        place = rng.choice((rng.randrange(len(damaged)), rng.randrange(near), len(damaged) - 1 - rng.randrange(near)))
        damaged[place] = rng.choice((damaged[place] ^ 1 << rng.randrange(8), 0, 255, rng.randrange(256)))
    return bytes(damaged)


def blank(rng: random.Random, path: Path) -> None:
    """Write one byte over a stretch, as a lost block of a disk."""
    piece = piece_of(rng, path)
    content = bytearray(piece.read_bytes())
    start = rng.randrange(len(content) + 1)
    stop = min(len(content), start + rng.choice((4, 16, 64, 512, 4096)))
    content[start:stop] = bytes([rng.choice((0, 255, 32))]) * (stop - start)
    piece.write_bytes(content)


def move(rng: random.Random, path: Path) -> None:
    """Copy a stretch to another place, or insert it there."""
    piece = piece_of(rng, path)
    content = piece.read_bytes()
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    place = rng.randrange(len(content) + 1)
    rest = content[place:] if rng.random() < 0.5 else content[place + b - a :]
    piece.write_bytes(content[:place] + content[a:b] + rest)


def lie(rng: random.Random, path: Path) -> None:
    """Write other numbers in place of some: what a header claims."""
    piece = piece_of(rng, path)
    content = piece.read_bytes()
    numbers = list(re.finditer(rb"\d+", content))
    if not numbers:
        return
    number = rng.choice(numbers[: rng.choice((5, 50, len(numbers)))])
    old = number[0]
    new = rng.choice((b"0", b"-1", b"9" * len(old), b"99999999", b"1e9", b"4294967296", str(2**63).encode(), b"5e400"))
    if rng.random() < 0.5:
        new = new[: len(old)].rjust(len(old), b"9")
    piece.write_bytes(content[: number.start()] + new + content[number.end() :])


def claim(rng: random.Random, path: Path) -> None:
    """Write large binary numbers in place of the number of rows: what a binary header claims."""
    piece = piece_of(rng, path)
    content = piece.read_bytes()
    old, new = rng.choice(((N, 500_000_000), (N, 2**31 - 1), (5, 2**20), (N, N + 1), (N, 0)))
    for form in rng.sample(("<Q", "<I", ">I", "<H", "B"), 5):
        if struct.calcsize(form) > 2 or new < 65536:
            before, after = struct.pack(form, old), struct.pack(form, new % 256 ** struct.calcsize(form))
            if before in content:
                piece.write_bytes(content.replace(before, after, rng.choice((1, 2, -1))))
                return


def repair(rng: random.Random, path: Path) -> None:
    """Damage members of an archive under check sums that are right; compress, double or drop them."""
    piece = piece_of(rng, path)
    if not zipfile.is_zipfile(piece):
        return flip(rng, path)
    with zipfile.ZipFile(piece) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    # Values of the archive stay as they are: changed under a right check sum, they are another file.
    held = [i for i, (name, data) in enumerate(members) if not any(v.tobytes() in data for v in VALUES.values())]
    way = rng.choice(("hurt", "drop", "double", "compress"))
    if way == "hurt" and held:
        i = rng.choice(held)
        members[i] = members[i][0], _hurt(rng, members[i][1])
    elif way == "drop":
        members.pop(rng.randrange(len(members)))
    elif way == "double":
        members.append(rng.choice(members))
    compression = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(piece, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return None


def remove(rng: random.Random, path: Path) -> None:
    """Remove a piece of a folder, or exchange it for another; of a file, everything."""
    piece = piece_of(rng, path)
    if path.is_dir() and rng.random() < 0.3:
        piece.write_bytes(piece_of(rng, path).read_bytes())
    else:
        piece.unlink()


def special(rng: random.Random, path: Path) -> None:
    """Put in place what is no regular file, or one without an end."""
    piece = rng.choice((path, piece_of(rng, path)))
    shutil.rmtree(piece) if piece.is_dir() else piece.unlink()
    kind = rng.choice(("pipe", "/dev/zero", "/dev/urandom", "loop", "sparse", "empty", "folder", "dangling"))
    if kind == "pipe":
        os.mkfifo(piece)
    elif kind == "folder":
        piece.mkdir()
    elif kind in ("sparse", "empty"):
        with piece.open("wb") as stream:
            stream.truncate(2**35 if kind == "sparse" else 0)
    else:
        piece.symlink_to({"loop": str(piece), "dangling": "/nowhere"}.get(kind, kind))


def other(rng: random.Random, path: Path) -> None:
    """The content of another kind of file."""
    kind = rng.choice(READERS)
    folder = path.parent / "other"
    folder.mkdir()
    source, _, _ = written(kind, folder)
    target = piece_of(rng, path)
    target.write_bytes(piece_of(rng, source).read_bytes())


def several(rng: random.Random, path: Path) -> None:
    """Two damages."""
    for damage in rng.sample((truncate, flip, blank, move, lie, claim), 2):
        damage(rng, path)


DAMAGES = (truncate, flip, flip, blank, move, lie, lie, claim, repair, repair, remove, special, other, several)
