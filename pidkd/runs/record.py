"""Finished work in a folder, known by the content of what it was made from: a killed audit goes on where it was."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pidkd._version import __version__
from pidkd.arrays import Array, iter_chunks
from pidkd.runs.output import PathLike, writing


def content_key(options: Any, *arrays: Any) -> str:
    """A name for arrays and options by what they hold; equal only if every byte is."""
    digest = hashlib.blake2b(digest_size=20)
    digest.update(json.dumps([__version__, options], sort_keys=True, default=str).encode())
    for values in arrays:
        digest.update(f"{values.dtype} {tuple(values.shape)}".encode())
        for _, chunk in iter_chunks(values):
            digest.update(np.ascontiguousarray(chunk).data.cast("B"))
    return digest.hexdigest()


def resumed(folder: PathLike | None, key: str, work: Callable[[], tuple[dict[str, Any], dict[str, Array]]]) -> Any:
    """What ``work`` gives, a record and arrays, read from ``folder`` where it was done before.

    A file that is damaged counts as work that was not done.
    """
    if folder is None:
        return work()
    path = Path(folder, f"{key}.npz")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return json.loads(str(arrays.pop("record"))), arrays
    except (OSError, ValueError, KeyError, EOFError):
        pass
    except Exception as error:  # zipfile has its own words for damage
        if type(error).__name__ not in ("BadZipFile", "error"):
            raise
    record, arrays = work()
    stream = io.BytesIO()
    np.savez(stream, record=np.array(json.dumps(record, allow_nan=False)), **arrays)  # type: ignore[arg-type]
    with writing(path, force=True) as out:
        out.write(stream.getvalue())
    return record, arrays
