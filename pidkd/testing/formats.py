"""The contract of a file format: the right numbers or one line, whatever was done to the file."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import PidkdError, quote
from pidkd.files.format import Format
from pidkd.files.reading import read_layers

DAMAGES = 60
"""Random damages of a file."""

MEMORY = 2**24
"""Bytes that a damaged file may claim."""


def examples() -> dict[str, Array]:
    """Activations and labels of 57 samples."""
    rng = np.random.default_rng(0)
    return {"h": rng.normal(size=(57, 5)).astype(np.float32), "labels": np.arange(57) % 4}


def check_format(format_: Format) -> None:
    """Write arrays, read them, and read files that were cut short or whose bits were flipped.

    Parameters
    ----------
    format_ : Format
        Found by its suffix, so that it has to be in its folder or among the entry points of a package.

    Raises
    ------
    AssertionError
        When arrays come back with other values, or a damaged file ends in anything but an answer or a line that begins
        with its name; of a format with a check sum, the answer must be the one that was written.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{format_.suffixes[0]}"
        format_.write(path, examples())
        written = outcome(path)
        assert not isinstance(written, str), f"what the format writes is refused: {written}"
        for name, values in written.items():
            original = examples().get(name, examples()["h"])  # a format of one array names it after the file
            assert np.array_equal(values, original), f"array {name!r} comes back with other values"
        for damage, damaged in damages(path):
            answer = outcome(damaged)
            if isinstance(answer, str):
                assert answer.startswith(str(path)), f"{damage}: the message does not name the file: {answer}"
                assert "\n" not in answer, f"{damage}: a message of several lines: {answer}"
            elif format_.check_sum:
                assert same(answer, written), f"{damage}: other values are read, and nothing is said"


def damages(path: Path) -> Iterator[tuple[str, Path]]:
    """The file or folder, cut short and with flipped bits, with the damage in words; it is whole again afterwards."""
    rng = random.Random(0)
    for piece in pieces(path):
        content = piece.read_bytes()
        for length in sorted({*range(0, len(content), max(1, len(content) // 20)), len(content) - 1} - {-1}):
            piece.write_bytes(content[:length])
            yield f"{piece.name} cut to {length} of {len(content)} bytes", path
        piece.write_bytes(content)
    for number in range(DAMAGES):
        piece = rng.choice(pieces(path))
        content = piece.read_bytes()
        piece.write_bytes(flipped(content, rng))
        yield f"{piece.name} with flipped bits ({number})", path
        piece.write_bytes(content)


def outcome(path: Path) -> dict[str, Array] | str:
    """Arrays of the file, or the line that refuses it."""
    try:
        return {layer.name: layer.array() for layer in read_layers(path, MEMORY)}
    except PidkdError as error:
        return str(error)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} instead of one line: {quote(str(error), 200)}") from error


def pieces(path: Path) -> list[Path]:
    """Files of a folder, or the file itself."""
    return sorted(piece for piece in path.rglob("*") if piece.is_file()) if path.is_dir() else [path]


def flipped(content: bytes, rng: random.Random) -> bytes:
    """Bytes with one, two or eight bits flipped, half of them in the first 300 bytes."""
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8)) if damaged else 0):
        place = rng.choice((rng.randrange(len(damaged)), rng.randrange(min(300, len(damaged)))))
        damaged[place] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def same(read: Mapping[str, Array], whole: Mapping[str, Array]) -> bool:
    """Whether arrays of the shape and type that were written have the values that were written."""
    return all(
        name not in read
        or read[name].shape != values.shape
        or read[name].dtype != values.dtype
        or np.array_equal(read[name], values)
        for name, values in whole.items()
    )
