"""The one place that opens what a user names: a regular file or folder, within a budget, every fault as one line."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import pickle
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from pidkd.errors import InputError, PidkdError, reason
from pidkd.runs.output import PathLike, as_path

MAX_MEMORY = 2**31
"""Bytes that one array of a file may take in memory, unless the caller says otherwise."""

IN_PIECES = "raise max_memory, or store it as .npy, which is read in pieces"
"""The hint where it is the format that has an array read whole."""

FAULTS = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, OverflowError, MemoryError, RuntimeError),
    *(AttributeError, IndexError, AssertionError, pickle.UnpicklingError, struct.error),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, tarfile.TarError),
)
"""What parsers raise when a file is damaged."""

FOREIGN = ("safetensors_rust", "pyarrow", "zarr", "numcodecs", "h5py", "torch", "yaml", "PIL")
"""Packages whose own exceptions mean the same."""


@contextmanager
def faults(where: str) -> Iterator[None]:
    """Context in which every error of a parser becomes one line that names the file."""
    try:
        yield
    except PidkdError:
        raise
    except Exception as error:
        if not isinstance(error, FAULTS) and not any(name in type(error).__module__ for name in FOREIGN):
            raise
        hint = None if isinstance(error, OSError) and error.errno else "it may be truncated or damaged"
        raise InputError(where, "a file that can be read", f"the fault: {reason(error)}", hint) from error


def existing(source: PathLike, expected: str = "an existing file or folder") -> Path:
    """The path of a regular file or a folder.

    Raises
    ------
    InputError
        When nothing bears that name, or what does is a pipe, a device or a socket: reading those may never end.
    """
    where = str(source)
    path = as_path(where, source)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise InputError(where, expected, "nothing by that name") from None
    except (OSError, ValueError) as error:
        raise InputError(where, expected, reason(error)) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(where, "a regular file or a folder", _KINDS.get(stat.S_IFMT(mode), "another kind of file"))
    return path


_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def existing_file(source: PathLike, expected: str = "a file") -> Path:
    """The path of a regular file.

    Raises
    ------
    InputError
        When there is none by that name.
    """
    path = existing(source, expected)
    if path.is_dir():
        raise InputError(str(source), expected, "a folder")
    return path


def is_there(source: PathLike) -> bool:
    """Whether something bears this name; no system takes some names, and nothing bears those."""
    try:
        Path(source).stat()
    except (OSError, ValueError):
        return False
    return bool(os.fspath(source))


def existing_tree(source: PathLike) -> dict[str, int]:
    """Sizes of the files of a folder and its folders, by relative path.

    Raises
    ------
    InputError
        When one of them is neither a regular file nor a folder, or a link to a folder.
    """
    root = existing(source)
    sizes: dict[str, int] = {}
    folders = [root]
    while folders:
        for entry in folders.pop().iterdir():
            path = existing(entry)
            if not path.is_dir():
                sizes[path.relative_to(root).as_posix()] = path.stat().st_size
            elif path.is_symlink():
                raise InputError(str(path), "a folder", "a link to one", "pidkd follows no links")
            else:
                folders.append(path)
    return sizes


@contextmanager
def opened(source: PathLike, max_memory: int = MAX_MEMORY) -> Iterator[BinaryIO]:
    """The content of a regular file, inflated where its suffix is ``.gz``; faults of reading it are said in one line.

    Raises
    ------
    InputError
        When there is no such file, it cannot be read, or more than ``max_memory`` bytes of it are asked for at once.
    """
    with faults(str(source)), existing_file(source).open("rb") as stream:
        inflated = gzip.GzipFile(fileobj=stream) if Path(source).suffix == ".gz" else stream
        yield cast("BinaryIO", _Bounded(inflated, str(source), max_memory))


class _Bounded(io.BufferedIOBase):
    """A file that is never read whole by the claim of a header: what is asked for at once is bounded."""

    def __init__(self, stream: Any, where: str, max_memory: int) -> None:
        self._stream, self._where, self._max_memory = stream, where, max_memory

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            content: bytes = self._stream.read(self._max_memory + 1)
            check_budget(self._where, len(content), self._max_memory)
            return content
        check_budget(self._where, size, self._max_memory)
        return bytes(self._stream.read(size))

    def read1(self, size: int = -1) -> bytes:
        return self.read(2**16 if size < 0 else size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())


def read_content(source: PathLike, max_memory: int = MAX_MEMORY) -> bytes:
    """Bytes of a file, inflated where its suffix is ``.gz``, within a budget.

    Raises
    ------
    InputError
        When there is no such file, it cannot be read, or its content takes more than ``max_memory`` bytes.
    """
    with opened(source, max_memory) as stream:
        return stream.read()


def read_text(source: PathLike, max_memory: int = MAX_MEMORY) -> str:
    """Text of a file in UTF-8, within a budget.

    Raises
    ------
    InputError
        When there is no such file, it cannot be read, is no such text, or too long.
    """
    try:
        return read_content(source, max_memory // 8).decode("utf-8-sig")
    except UnicodeError as error:
        raise InputError(str(source), "text in UTF-8", reason(error)) from error


def check_budget(where: str, n_bytes: int, max_memory: int, *, hint: str = "raise max_memory") -> None:
    """Refuse what would take more memory than a caller allows, before it is taken."""
    if n_bytes > max_memory:
        raise InputError(where, f"data of at most {max_memory:,} bytes in memory", f"{n_bytes:,} or more", hint)
