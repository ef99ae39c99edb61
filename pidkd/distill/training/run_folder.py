"""The folder of a run: what it was, how it went, and from where it can go on."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import pidkd
from pidkd.distill.training.checkpoint import LAST, load_checkpoint, save_checkpoint
from pidkd.errors import Argument, InputError, unwritable
from pidkd.files.json import read_json
from pidkd.runs.output import PathLike, check_folder, holding, writing
from pidkd.runs.record import differences


class RunFolder:
    """``run.json``, ``log.jsonl``, ``last.pt``, ``previous.pt``, ``epoch-N.pt``, and at the end ``student.pt``.

    Parameters
    ----------
    path : path
    settings : mapping
        What must be the same for a run to go on.
    resume : bool
        Go on with a run that is there.
    about : mapping
        What else is written into ``run.json``.

    Raises
    ------
    InputError
        When there is a run already, or one of other settings; or nothing can be written.
    """

    def __init__(self, path: PathLike, settings: Mapping[str, Any], resume: bool, about: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self._board: Any = None
        check_folder(path)
        self._held = ExitStack()
        self._held.enter_context(holding(path))
        try:
            self._begin(settings, resume, about)
        except BaseException:
            self._held.close()
            raise

    def _begin(self, settings: Mapping[str, Any], resume: bool, about: Mapping[str, Any]) -> None:
        record = self.path / "run.json"
        settings = json.loads(json.dumps(settings))
        if record.exists():
            if not resume:
                hint = "go on with it by resume=True, or take another folder"
                raise InputError(Argument("train", "out"), "a new folder", f"{self.path}, in which a run is", hint)
            self._check_same(record, settings)
            return
        versions = {
            "pidkd": pidkd.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        }
        with writing(record, force=True) as stream:
            stream.write(json.dumps({"settings": settings, "versions": versions, **about}, indent=1).encode())

    def load(self) -> dict[str, Any] | None:
        """The last checkpoint that is whole; the log is cut to what it knows."""
        state = load_checkpoint(self.path)
        with writing(self.path / "log.jsonl", force=True) as stream:
            for row in [] if state is None else state["history"]:
                stream.write(_line(row).encode())
        return state

    def save(self, state: Mapping[str, Any], keep: str | None = None) -> None:
        """Write a checkpoint."""
        save_checkpoint(self.path, dict(state), keep)

    @property
    def last(self) -> Path | None:
        """The last checkpoint."""
        return self.path / LAST if (self.path / LAST).exists() else None

    def log(self, row: Mapping[str, Any]) -> None:
        """Add a row to the log."""
        try:
            with (self.path / "log.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(_line(row))
        except OSError as error:
            raise unwritable(str(self.path / "log.jsonl"), error) from error
        if self._board is not None:
            for name, value in _scalars(row):
                self._board.add_scalar(name, value, row["epoch"])
            self._board.flush()

    def show_on_tensorboard(self, from_epoch: int) -> None:
        """Write what is logged from here on for TensorBoard too."""
        from torch.utils.tensorboard import SummaryWriter

        self._board = SummaryWriter(str(self.path / "tensorboard"), purge_step=from_epoch)

    def finish(self, student: nn.Module, best: Mapping[str, Any] | None) -> None:
        """Write the weights of the student after the last epoch, and of the best, for ``load_state_dict`` anywhere."""
        for name, state in {"student.pt": student.state_dict(), "best.pt": best and best["student"]}.items():
            if state is not None:
                with writing(self.path / name, force=True) as stream:
                    torch.save({k: v.cpu() if isinstance(v, torch.Tensor) else v for k, v in state.items()}, stream)

    def close(self) -> None:
        """Close what is open, and leave the folder to other runs."""
        if self._board is not None:
            self._board.close()
        self._held.close()

    def _check_same(self, record: Path, settings: Mapping[str, Any]) -> None:
        stored = read_json(record)
        before = stored.get("settings") if isinstance(stored, Mapping) else None
        if not isinstance(before, Mapping):
            raise InputError(str(record), "the record of a run", "other data")
        other = differences({key: before.get(key) for key in settings}, settings)
        if other:
            hint = "resume with the same settings, or take another folder"
            raise InputError(
                Argument("train", "resume"), f"the settings of the run in {self.path}", "; ".join(other), hint
            )


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"


def _scalars(values: Mapping[str, Any], prefix: str = "") -> Sequence[tuple[str, float]]:
    scalars: list[tuple[str, float]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            scalars += _scalars(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            scalars.append((prefix + name, value))
    return scalars
