"""Processes that end with their parent."""

from __future__ import annotations

import os
import threading
import time

LOOK = 0.5
"""Seconds between two looks of a worker for its parent."""


def end_with_parent(parent: int) -> None:
    """End this process as soon as its parent is no more, whatever ended it."""

    def watch() -> None:
        _wait_for_end(parent)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="pidkd-parent").start()


def _wait_for_end(parent: int) -> None:
    if os.name == "nt":
        import _winapi

        synchronize = 0x00100000
        handle = _winapi.OpenProcess(synchronize, False, parent)  # type: ignore[attr-defined]
        _winapi.WaitForSingleObject(handle, _winapi.INFINITE)  # type: ignore[attr-defined]
    while os.name != "nt" and os.getppid() == parent:  # an orphan is given another one
        time.sleep(LOOK)
