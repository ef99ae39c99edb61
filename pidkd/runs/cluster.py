"""A cluster of dask: the client of its scheduler, to which joblib is set."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pidkd.errors import InputError, LostWorkersError, import_extra, quote, reason

SECONDS = 10
"""That a scheduler may take to answer."""

LOST = ("distributed", "dask", "joblib.externals.loky", "concurrent.futures", "asyncio", "tornado")
"""Packages whose exceptions mean that a worker or a scheduler is gone."""


@contextmanager
def on_cluster(where: str, address: str | None) -> Iterator[Any]:
    """Client of the scheduler at an address, with joblib set to it; None, and nothing set, without an address.

    Parameters
    ----------
    where : str
        The option, as messages call it.
    address : str, optional
        As in ``tcp://host:8786``.

    Raises
    ------
    InputError
        When no scheduler answers there, or it has no workers.
    MissingDependencyError
        When dask is not installed.
    """
    if address is None:
        yield None
        return
    import joblib

    distributed = import_extra("distributed", "cluster", needed_by=where)
    _silence("distributed", "tornado")  # what is gone is said in one line, by what waits for it
    expected = "the address of a dask scheduler, as in tcp://host:8786"
    try:
        client = distributed.Client(address, timeout=SECONDS, set_as_default=True)
    except (OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
        got = f"{quote(address)} ({reason(error)})"
        raise InputError(where, expected, got, "start one by: dask scheduler") from error
    try:
        if not client.scheduler_info()["workers"]:
            raise InputError(where, "a scheduler with workers", "none", f"start some by: dask worker {address}")
        with joblib.parallel_config(backend="dask"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph")
            yield client
    finally:
        client.close(timeout=1)


def _silence(*packages: str) -> None:
    """Log nothing of these packages, whose modules have levels and handlers of their own."""
    for name in (*packages, *logging.root.manager.loggerDict):
        if name.partition(".")[0] in packages:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def lost(call: str, error: BaseException, done: int, total: int, hint: str) -> LostWorkersError | None:
    """The error for a worker or a scheduler that is gone; None where the exception is another one."""
    if not type(error).__module__.startswith(LOST):
        return None
    return LostWorkersError(
        f"{call}: expected {total} results of the workers, got {done}, for a worker or the scheduler is gone "
        f"({type(error).__name__}: {reason(error) if isinstance(error, Exception) else 'stopped'}); {hint}"
    )
