"""The whole state of a run in a file, written so that there is always one that is whole."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from pidkd.errors import CheckpointWarning, InputError
from pidkd.files.opening import existing_file, faults
from pidkd.runs.output import remove_leftovers, writing

LAST, PREVIOUS = "last.pt", "previous.pt"


def save_checkpoint(folder: Path, state: dict[str, Any], keep: str | None = None) -> None:
    """Write the last checkpoint of a run; the one before it becomes the previous one.

    Parameters
    ----------
    folder : Path
    state : dict
        Plain values and tensors.
    keep : str, optional
        Keep it under this name, too.

    Raises
    ------
    InputError
        When it cannot be written. Those written before are as they were.
    """
    buffer = io.BytesIO()  # by way of memory, for torch has its own words for a full disc
    torch.save(state, buffer)
    with writing(folder / LAST, force=True) as stream:
        stream.write(buffer.getbuffer())
        stream.flush()
        os.fsync(stream.fileno())  # its name must not outlive the power while its content does not
        if (folder / LAST).exists():
            (folder / LAST).replace(folder / PREVIOUS)
    if keep is not None:
        with writing(folder / keep, force=True) as stream:
            stream.write(buffer.getbuffer())


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The state of the last checkpoint that is whole, or None where none was ever written.

    Warns
    -----
    CheckpointWarning
        When the last one is damaged, and the previous one is used.

    Raises
    ------
    InputError
        When all are damaged.
    """
    remove_leftovers(folder, deep=False)
    paths = [path for name in (LAST, PREVIOUS) if (path := folder / name).exists()]
    for number, path in enumerate(paths):
        damage = _damage(path)
        if damage is None:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return state
        if number + 1 < len(paths):
            text = f"{path}: expected a whole checkpoint, got {damage}; going on from {paths[number + 1].name}"
            warnings.warn(text, CheckpointWarning, stacklevel=2)
        else:
            raise InputError(str(path), "a whole checkpoint", damage, "train anew in another folder")
    return None


def _damage(path: Path) -> str | None:
    """Damage of a checkpoint, by the checksums that torch writes into it; None if there is none."""
    try:
        with faults(str(path)), zipfile.ZipFile(existing_file(path)) as archive:
            return "other bytes than were written" if archive.testzip() else None
    except InputError as error:
        return f"a truncated or damaged one ({error.what})"
