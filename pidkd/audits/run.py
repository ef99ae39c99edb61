"""The run of an audit: every layer read once, every pair measured once, in workers, with finished work kept."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pidkd.arrays import Array
from pidkd.audits.engine import AuditEngine, Reading
from pidkd.audits.plan import AuditPlan, LayerKey, PairKey
from pidkd.errors import ConvergenceWarning, NegativeAtomWarning, PidkdWarning, SmallSampleWarning
from pidkd.files.layer import Layer
from pidkd.result import ATOMS, PIDResult
from pidkd.runs.output import scratch
from pidkd.runs.pool import advancing, one_thread, run_spread, workers_see
from pidkd.runs.record import content_key, resumed


def run(
    engine: AuditEngine,
    plan: AuditPlan,
    n_jobs: int | None,
    folder: str | None,
    progress: Callable[[float], None] | None,
) -> tuple[dict[LayerKey, Reading], dict[PairKey, PIDResult]]:
    """Readings by layer and results by pair, as ``n_jobs`` processes make them or ``folder`` has kept them."""
    layers, comparisons = plan.layers, plan.comparisons
    advance = advancing(progress, len(layers) + len(comparisons))
    with warnings.catch_warnings(), _guarded(engine), ExitStack() as end:
        if folder is None and engine.reading_bytes(len(layers)) > engine.probe_memory:
            folder = os.fspath(end.enter_context(scratch("audit")))
        # Finished work is carried by its name where workers see the folder, and else as arrays.
        by_name = folder is not None and workers_see(folder)
        # Results carry these. Filters are those of all threads: one that ends would else let through another's.
        for category in (ConvergenceWarning, NegativeAtomWarning, SmallSampleWarning):
            warnings.simplefilter("ignore", category)
        tasks: list[tuple[Any, ...]] = [(engine, layer, folder, by_name) for layer in layers.values()]
        readings = dict(zip(layers, run_spread(read_layer, tasks, n_jobs, advance), strict=True))
        parts = {key: engine.for_pairs(reading) for key, reading in readings.items()}
        tasks = [(engine, parts["teacher", None, t], parts["student", stage, s], folder) for stage, t, s in comparisons]
        results = dict(zip(comparisons, run_spread(measure_pair, tasks, n_jobs, advance), strict=True))
    return readings, results


def read_layer(engine: AuditEngine, layer: Layer, folder: str | None, by_name: bool = False) -> Reading:
    """The reading of one layer; opens its file in the process that calls it."""
    values = layer.read(engine.options.pool)

    def work() -> tuple[dict[str, Any], dict[str, Array]]:
        with _guarded(engine):
            reading = engine.read(layer, values)
        record = {"record": dict(reading.record), "probe": reading.probe, "again": reading.layer is not None}
        return record, dict(reading.arrays)

    record, arrays = resumed(folder, _key(folder, "layer", engine.layer_key(), values), work, by_name)
    origin = {
        "layer": layer.name,
        "file": layer.file,
        "shape": list(layer.shape),
        "pool": layer.pool(engine.options.pool),
        **record["record"],
    }
    return Reading(layer.where, layer if record["again"] else None, origin, arrays, record["probe"])


def measure_pair(engine: AuditEngine, t: Reading, s: Reading, folder: str | None) -> PIDResult:
    """The result of one pair, with its warnings inside, for those of a worker would be lost."""
    t, s = (dataclasses.replace(reading, values=engine.values(reading)) for reading in (t, s))

    def work() -> tuple[dict[str, Any], dict[str, Array]]:
        with warnings.catch_warnings(), _guarded(engine):
            warnings.simplefilter("ignore", PidkdWarning)
            result = engine.measure(t, s)
        local = {name: np.asarray(result.local[name], np.float32) for name in ATOMS} if result.local else {}
        return dataclasses.replace(result, local=None).to_dict(), local

    record, local = resumed(folder, _key(folder, "pair", engine.pair_key(), t.values, s.values), work)
    return dataclasses.replace(
        PIDResult.from_dict(record), local={name: local[name] for name in ATOMS} if local else None
    )


def _key(folder: str | None, piece: str, key: tuple[list[Any], list[Array]], *values: Any) -> str:
    """Name of a finished piece, by the content of everything it is made from."""
    if folder is None:
        return ""
    options, arrays = key
    return content_key([piece, *options], *arrays, *values)


@contextmanager
def _guarded(engine: AuditEngine) -> Iterator[None]:
    """One thread, as threads add in another order in another process; torch is not imported for what needs none."""
    with one_thread() if engine.in_torch else threadpool_limits(1):
        yield
