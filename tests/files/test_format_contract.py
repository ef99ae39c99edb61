"""What every format promises of damaged files: the right numbers or one line, whatever was done to them."""

import os
import random
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pidkd.errors import PidkdError
from pidkd.files.format import FORMATS, get_format
from pidkd.files.reading import open_layers, read_layers
from pidkd.testing import check_format
from pidkd.testing.formats import DAMAGES, flipped, pieces, same

N = 57
VALUES = {
    "h": np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32),
    "labels": np.arange(N) % 4,
}


@pytest.fixture(params=FORMATS.names())
def saved(request, tmp_path) -> Path:
    format_ = get_format(request.param)
    for module in format_.requires:
        pytest.importorskip(module)
    path = tmp_path / f"a{format_.suffixes[0]}"
    format_.write(path, VALUES)
    return path


def expected(path: Path) -> dict[str, np.ndarray]:
    return {"a": VALUES["h"]} if path.suffix == ".npy" else VALUES


def outcome(path: Path) -> dict[str, np.ndarray] | str:
    """Arrays of the file, or the one line that refuses it."""
    try:
        return {layer.name: layer.array() for layer in read_layers(path, 2**24)}
    except PidkdError as error:
        message = str(error)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", FORMATS.names())
def test_contract(name):
    format_ = get_format(name)
    for module in format_.requires:
        pytest.importorskip(module)
    check_format(format_)


def test_reads_what_it_writes(saved):
    read = outcome(saved)
    assert not isinstance(read, str), read
    for name, values in expected(saved).items():
        np.testing.assert_array_equal(read[name], values)
        assert read[name].dtype == values.dtype


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path: Path, content: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def test_flipped_bits_under_a_repaired_check_sum(saved):
    if not zipfile.is_zipfile(saved):
        pytest.skip("no archive")
    rng, whole = random.Random(1), members(saved)
    for _ in range(DAMAGES):
        name = rng.choice(list(whole))
        rewritten(saved, {**whole, name: flipped(whole[name], rng)})
        outcome(saved)


def test_a_compressed_archive_is_read_right_or_refused(saved):
    if not zipfile.is_zipfile(saved):
        pytest.skip("no archive")
    rewritten(saved, members(saved), zipfile.ZIP_DEFLATED)
    read = outcome(saved)
    assert isinstance(read, str) or same(read, expected(saved))


def without_one(path: Path) -> Iterator[None]:
    """The file or folder without one of its pieces, for each of them."""
    if path.is_dir():
        for piece in pieces(path):
            moved = piece.rename(path.with_name("moved"))
            yield
            moved.rename(piece)
    elif zipfile.is_zipfile(path):
        whole = members(path)
        for name in whole:
            rewritten(path, {key: data for key, data in whole.items() if key != name})
            yield


def test_a_missing_piece(saved):
    for _ in without_one(saved):
        read = outcome(saved)
        assert isinstance(read, str) or all(np.array_equal(read[name], expected(saved)[name]) for name in read)


def test_shorter_pieces_one_instead_of_another(saved):
    """Pieces of a folder that change places are a file that no check sum covers: they are read or refused."""
    for piece in pieces(saved) if saved.is_dir() else ():
        content = piece.read_bytes()
        piece.write_bytes(pieces(saved)[0].read_bytes())
        outcome(saved)
        piece.write_bytes(content)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.parametrize("kind", ["pipe", "device", "link to itself", "sparse", "empty", "folder"])
def test_what_is_no_file(saved, kind):
    for piece in [saved, *pieces(saved)][:3]:
        held = piece.with_name("held")
        piece.rename(held)
        make(piece, kind)
        read = outcome(saved)
        shutil.rmtree(piece) if piece.is_dir() and not piece.is_symlink() else piece.unlink()
        held.rename(piece)
        assert isinstance(read, str)


def make(path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind in ("device", "link to itself"):
        path.symlink_to("/dev/zero" if kind == "device" else path)
    else:
        with path.open("wb") as stream:
            stream.truncate(0 if kind == "empty" else 2**36)


def test_names_that_a_terminal_would_obey(tmp_path):
    for name in ("a\x1b[31mred", "two\nlines", "lone\udc80"):
        [layer] = open_layers({name: VALUES["h"]}, "teacher").values()
        assert layer.name.isprintable()
