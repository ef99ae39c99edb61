"""The pool of workers: independent tasks on processes that are no more than the tasks, and end with their parent."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pidkd.errors import InputError, Keyword, quote
from pidkd.parent import end_with_parent
from pidkd.runs.cluster import lost
from pidkd.runs.output import PREFIX, UNFINISHED, PathLike

PER_CORE = 4
"""Processes per core at most, whatever was asked for: more only wait for each other."""


def run_spread(
    work: Callable[..., Any], tasks: Iterable[tuple[Any, ...]], n_jobs: int | None, advance: Callable[[], None]
) -> list[Any]:
    """Results of independent tasks, in their order, on whatever joblib is set to use.

    Raises
    ------
    InputError
        When ``n_jobs`` is no number of processes.
    LostWorkersError
        When a worker or a scheduler has gone.
    """
    import joblib
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0):
        raise InputError(Keyword("audit", "n_jobs"), "a number of processes, or -1 for all cores", quote(n_jobs))
    tasks = list(tasks)
    options: dict[str, Any] = {"n_jobs": n_jobs}
    if type(joblib.parallel.get_active_backend()[0]).__name__ == "LokyBackend":
        # None is what joblib is set to use.
        asked: int = joblib.effective_n_jobs(n_jobs)  # type: ignore[arg-type]
        options["n_jobs"] = max(1, min(asked, len(tasks), PER_CORE * joblib.cpu_count()))
        options |= {"initializer": end_with_parent, "initargs": (os.getpid(),)}
    results = []
    # Here too, or a thread that is done would give the others more threads.
    with threadpool_limits(1):
        try:
            for result in joblib.Parallel(return_as="generator", **options)(
                joblib.delayed(work)(*task) for task in tasks
            ):
                results.append(result)
                advance()
        except Exception as error:
            hint = "with an output folder (resume=) the same call goes on with what is left"
            if (gone := lost("audit", error, len(results), len(tasks), hint)) is None:
                raise
            raise gone from error
    return results


def workers_see(folder: PathLike) -> bool:
    """Whether every worker of what joblib is set to use reads the same folder; a cluster's are asked."""
    import joblib

    backend = joblib.parallel.get_active_backend()[0]
    client = getattr(backend, "client", None)
    if client is None:
        return type(backend).__module__.startswith("joblib.")
    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=PREFIX, suffix=UNFINISHED) as token:
        try:
            seen = client.run(os.path.exists, str(Path(token.name).absolute()))
        except Exception:  # whatever a cluster does: run_spread says it of the first task
            return False
    return bool(seen) and all(seen.values())


@contextmanager
def one_thread() -> Iterator[None]:
    """Computing with one thread, because the order in which threads add decides the last digit."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        if importlib.util.find_spec("torch") is None:
            yield
            return
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def advancing(progress: Callable[[float], None] | None, total: int) -> Callable[[], None]:
    """A function to call once for each piece of work that is done, which tells ``progress`` the fraction."""
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done / total)

    return advance
