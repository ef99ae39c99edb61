"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import InputError, reason

PathLike: TypeAlias = str | os.PathLike[str]


def check_output(path: PathLike, force: bool) -> None:
    """Refuse an output that exists (unless ``force``) or cannot be written, before any work is done for it."""
    target = Path(path)
    if target.is_dir():
        raise InputError(str(path), "the name of a file", "a folder")
    if target.exists() and not force:
        raise InputError(str(path), "a new file", "one that exists", "overwrite it with --force (force=True)")
    parent = next(folder for folder in target.absolute().parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(str(path), "a place that can be written to", f"{parent}, which cannot")


@contextmanager
def writing(path: PathLike, force: bool = False) -> Iterator[BinaryIO]:
    """A binary file that takes its name only when it is whole; missing folders are made.

    Raises
    ------
    InputError
        When the file exists and ``force`` is not given, or it cannot be written.
    """
    check_output(path, force)
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("xb") as stream:
            yield stream
        unfinished.replace(target)
    except OSError as error:
        raise InputError(str(path), "a place that can be written to", reason(error)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def save_layers(folder: PathLike, layers: Mapping[str, Array], force: bool = False) -> None:
    """Write each array to ``<folder>/<name>.npy``, as ``open_layers`` reads them.

    Raises
    ------
    InputError
        When a name is no file name, a file exists and ``force`` is not given, or a file cannot be written.
    """
    for name, values in layers.items():
        if not name or name != Path(name).name:
            raise InputError("save_layers(layers)", "names that can be file names", repr(name))
        with writing(Path(folder, f"{name}.npy"), force) as stream:
            np.save(stream, np.asarray(values), allow_pickle=False)
