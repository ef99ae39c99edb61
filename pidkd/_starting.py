"""Signals while the command line is still being imported: they end it with one line, as they do later."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from typing import Any, NoReturn

from pidkd.parent import end_with_parent

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What stops a command: Ctrl-C, a batch system, and a terminal that is closed."""

INTERRUPTED = 130
"""The exit status after Ctrl-C."""


def _is_command() -> bool:
    """Whether this process was started as ``pidkd`` or ``python -m pidkd``, rather than by what imports the package."""
    started, words = sys.argv[:1], sys.orig_argv
    if started == ["-m"]:  # what stands there until the module has been found
        return ("-m", "pidkd") in itertools.pairwise(words)
    return any(word in words and os.path.basename(word) in ("pidkd", "pidkd.exe") for word in started)  # noqa: PTH119


def _end(number: int, frame: Any) -> NoReturn:
    os.write(2, b"pidkd: interrupted\n")
    os._exit(INTERRUPTED)  # at once: an import that is unwound has its own ways to say so


UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler, _end)
"""What happens at a signal where nobody has asked for something else, such as to ignore it."""

if _is_command():
    if "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun may be killed before what it has started has imported torch
        end_with_parent(os.getppid())
    for _number in SIGNALS:
        if signal.getsignal(_number) in UNTOUCHED:
            signal.signal(_number, _end)
