"""Arrays mapped from files, and their release: pages that have been read count as memory of the process."""

from __future__ import annotations

import mmap
import weakref
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

_MAPS: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def mapped(
    file: Path | IO[bytes],
    dtype: npt.DTypeLike,
    mode: Literal["r", "r+"],
    offset: int,
    shape: tuple[int, ...],
    order: Literal["C", "F"] = "C",
) -> npt.NDArray[Any]:
    """An array whose values lie in a file from byte ``offset`` on; it has at least one."""
    values = np.memmap(file, dtype, mode, offset, shape, order)
    if isinstance(values.base, mmap.mmap):
        _MAPS.add(values.base)
    return values


def release() -> None:
    """Release the memory of all mapped arrays: what is read again comes from the system's cache, or from the file.

    The system would do so only when it is short of memory. What was written is not lost, for it is the file's.
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    for one in list(_MAPS):
        if not one.closed:
            one.madvise(mmap.MADV_DONTNEED)
