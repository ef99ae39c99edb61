"""Outputs of a run: held by one run at a time, and written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import platform
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO, TypeAlias, cast

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import InputError, quote, reason, unwritable

PathLike: TypeAlias = str | os.PathLike[str]

PREFIX, UNFINISHED, HELD = ".pidkd-", ".tmp", ".lock"
"""How names begin and end of what a run writes and has not finished, and of what says that it is alive.

Both are locked by the system for as long as their run lives, however it ends: one that is not locked is a leftover.
"""


def as_path(where: str, path: object) -> Path:
    """The path that an argument names.

    Raises
    ------
    InputError
        When it is none, or empty.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(where, "a path", quote(path))
    if not os.fspath(path):  # as of a variable that is not set, and not the present folder
        raise InputError(where or "path", "the name of a file or folder", "an empty one")
    return Path(path)


def check_output(path: PathLike, force: bool) -> None:
    """Refuse an output that exists (unless ``force``) or cannot be written, before any work is done for it.

    Raises
    ------
    InputError
        When it is a folder or no regular file, exists, or its place cannot be written to.
    """
    where = os.fspath(path)
    target = as_path(where, path)
    try:
        mode = _mode(target)
        if mode is not None and stat.S_ISDIR(mode):
            raise InputError(where, "the name of a file", "a folder")
        if mode is not None and not stat.S_ISREG(mode):
            raise InputError(where, "the name of a file", "a device or a pipe")
        if mode is not None and not force:
            raise InputError(where, "a new file", "one that exists", "overwrite it with --force (force=True)")
        parent = next(folder for folder in target.absolute().parents if folder.exists())
        with tempfile.TemporaryFile(dir=parent):
            pass
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise unwritable(where, error) from error


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def check_folder(path: PathLike) -> None:
    """Refuse an output folder that is a file or cannot be written to, before any work is done for it.

    Raises
    ------
    InputError
        When it is no folder, or its place cannot be written to.
    """
    where = os.fspath(path)
    try:
        mode = _mode(as_path(where, path))
    except (OSError, ValueError) as error:
        raise InputError(where, "a folder, or a place for one", reason(error)) from error
    if mode is not None and not stat.S_ISDIR(mode):
        raise InputError(where, "a folder, or a place for one", "a file that exists")
    check_output(Path(path, f"{PREFIX}{uuid.uuid4().hex}") if mode is not None else path, force=True)


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
    unfinished: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished, stream = _locked_file(target.parent)
        with stream:
            yield cast("BinaryIO", stream)
            stream.flush()
            if os.name == "nt":  # where no open file is renamed
                stream.close()
            unfinished.replace(target)
    except OSError as error:
        raise unwritable(str(path), error) from error
    finally:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)


def _locked_file(folder: Path) -> tuple[Path, IO[bytes]]:
    """A new file of a name that no two runs share, locked."""
    while True:
        path = folder / f"{PREFIX}{uuid.uuid4().hex}{UNFINISHED}"
        stream = path.open("xb")
        if _lock(stream, wait=True) and _is_at(stream, path):  # not taken for a leftover before it was locked
            return path, stream
        stream.close()


@contextmanager
def holding(path: PathLike, file: bool = False) -> Iterator[None]:
    """A folder, or a ``file``, as the output of this run alone; leftovers of runs that were killed are removed.

    Raises
    ------
    InputError
        When another run holds it; the message says which.
    """
    target = Path(path)
    folder = target.parent if file else target
    lock = folder / f"{PREFIX}{target.name if file else 'run'}{HELD}"
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = _held(lock, os.fspath(path))
    except OSError as error:
        raise unwritable(os.fspath(path), error) from error
    try:
        remove_leftovers(folder, deep=not file)
        yield
    finally:
        with suppress(OSError):
            lock.unlink(missing_ok=True)
        stream.close()
        if is_new:  # and goes again where nothing was written
            with suppress(OSError):
                folder.rmdir()


def _held(lock: Path, where: str) -> IO[bytes]:
    while True:
        stream = lock.open("a+b")
        if not _lock(stream, wait=False):
            stream.seek(0)
            owner = _owner(stream.read(1000))
            stream.close()
            hint = "wait until it ends, or take another place"
            raise InputError(where, "a place that no other run writes to", f"one held by {owner}", hint)
        if _is_at(stream, lock):  # whoever held it before may have removed it meanwhile
            stream.truncate(0)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            stream.write(json.dumps({"pid": os.getpid(), "host": platform.node(), "since": now}).encode())
            stream.flush()
            return stream
        stream.close()


def _owner(content: bytes) -> str:
    try:
        owner = json.loads(content)
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def remove_leftovers(folder: Path, deep: bool = True) -> None:
    """Remove what runs that were killed have left unfinished in a folder; what a living run writes is locked."""
    for path in (folder.rglob if deep else folder.glob)(f"{PREFIX}*{UNFINISHED}"):
        with suppress(OSError), path.open("r+b") as stream:
            if _lock(stream, wait=False):
                path.unlink(missing_ok=True)


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A temporary folder; those of runs that were killed are removed first."""
    place = Path(tempfile.gettempdir())
    for lock in place.glob(f"{PREFIX}*/{PREFIX}run{HELD}"):
        with suppress(OSError), lock.open("r+b") as stream:
            if _lock(stream, wait=False) and time.time() - lock.stat().st_mtime > FRESH:
                _remove(lock.parent)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{name}-") as folder, holding(folder):
        yield Path(folder)


FRESH = 2.0
"""Seconds in which a lock that nobody holds may be one that is just being taken: two calls of the system."""


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _is_at(stream: IO[bytes], path: Path) -> bool:
    """Whether an open file still bears its name."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(stream: IO[bytes], wait: bool) -> bool:
    """Lock an open file until it is closed or its process ends; False where another process has it.

    Where a file system knows no locks, every file counts as free to hold, and none as a leftover.
    """
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows(stream, wait)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def _lock_on_windows(stream: IO[bytes], wait: bool) -> bool:
    import msvcrt

    position = stream.tell()
    try:
        stream.seek(2**30)  # a byte beyond the content, which others may read
        msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    finally:
        stream.seek(position)
    return True


def write_text(path: PathLike, text: str, force: bool = False) -> None:
    """Write text in UTF-8; of a character that it cannot write, half of a surrogate pair, the code.

    Raises
    ------
    InputError
        As ``writing``.
    """
    with writing(path, force) as stream:
        stream.write(text.encode(errors="backslashreplace"))


def save_layers(folder: PathLike, layers: Mapping[str, Array], force: bool = False) -> None:
    """Write each array to ``<folder>/<name>.npy``, as ``open_layers`` reads them.

    Raises
    ------
    InputError
        When a name is no file name, a file exists and ``force`` is not given, or a file cannot be written.
    """
    for name, values in layers.items():
        if not name or name != Path(name).name:
            raise InputError("save_layers(layers)", "names that can be file names", quote(name))
        with writing(Path(folder, f"{name}.npy"), force) as stream:
            np.save(stream, np.asarray(values), allow_pickle=False)
