"""What every audit does alike: which pairs of layers at which stages, and how the work is spread."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pidkd.errors import InputError, Keyword


def run_spread(
    work: Callable[..., Any], tasks: Iterable[tuple[Any, ...]], n_jobs: int | None, advance: Callable[[], None]
) -> list[Any]:
    """Do independent work on whatever joblib is set to use."""
    import joblib
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0):
        raise InputError(Keyword("audit", "n_jobs"), "a number of processes, or -1 for all cores", repr(n_jobs))
    results = []
    # Here too, or a thread that is done would give the others more threads.
    with threadpool_limits(1):
        for result in joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
            joblib.delayed(work)(*task) for task in tasks
        ):
            results.append(result)
            advance()
    return results


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
    """To be called once for each piece of work that is done."""
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done / total)

    return advance
