"""The work of an audit that can be spread: one layer, and one pair of layers."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pidkd.arrays import Array
from pidkd.decomposition import decompose, decompose_batch
from pidkd.distill.resuming import content_key, resumed
from pidkd.distill.similarity import centred_gram, linear_probe, read_rows
from pidkd.errors import InputError, PidkdWarning
from pidkd.inputs import Codes
from pidkd.layers import Layer, Pool, Sliced
from pidkd.result import ATOMS, PIDResult, Units

if TYPE_CHECKING:
    from pidkd.estimator import PIDEstimator
    from pidkd.quantize import Quantizer
    from pidkd.resample import Method


@dataclass(frozen=True)
class Task:
    """What is done with every layer.

    Parameters
    ----------
    quantizer : Quantizer or None
    pool : {"flatten", "mean"}
    fitted, counted : array of row numbers, or None
        Rows that cells are fitted on, and rows that are counted; None for all.
    rows : array of row numbers
        Rows of the probe, and of the likeness to other layers.
    seed : int
    folder : str or None
        Where finished work is kept.
    """

    quantizer: Quantizer | None
    pool: Pool
    fitted: Array | None
    counted: Array | None
    rows: Array
    seed: int
    folder: str | None


@dataclass(frozen=True)
class Measured:
    """What an audit needs of a layer: its codes, how they came to be, and what stands beside the atoms."""

    codes: Array
    record: dict[str, Any]
    probe: float | None
    gram: Array | None


def measure_layer(layer: Layer, y: Array, task: Task) -> Measured:
    """Read, check, quantise and probe one layer; runs where the work is spread to, and opens its file there."""
    values = layer.read(task.pool)
    origin = {"layer": layer.name, "file": layer.file, "shape": list(layer.shape), "pool": task.pool}
    if layer.is_codes or task.quantizer is None:
        codes = values if task.counted is None else values[task.counted]
        return Measured(codes, {**origin, "quantizer": None}, None, None)

    def work() -> tuple[dict[str, Any], dict[str, Array]]:
        codes, record, probe, gram = _quantised(layer, values, y, task)
        return {"quantizer": record, "probe": probe}, {"codes": codes, "gram": gram}

    key = ""
    if task.folder is not None:
        some = [rows for rows in (task.fitted, task.counted) if rows is not None]
        options = [task.quantizer.get_params(), task.seed, len(some)]
        key = content_key(options, y, task.rows, *some, values)
    record, arrays = resumed(task.folder, key, work)
    gram = arrays["gram"] if len(arrays["gram"]) else None
    return Measured(arrays["codes"], {**origin, "quantizer": record["quantizer"]}, record["probe"], gram)


def _quantised(layer: Layer, values: Any, y: Array, task: Task) -> tuple[Array, dict[str, Any], float | None, Array]:
    from sklearn.base import clone

    quantizer = clone(task.quantizer)
    try:
        quantizer.fit(_some(values, task.fitted))
        codes = quantizer.transform(values)
    except InputError as error:
        raise error.at(f"{layer.where}, {error.where}") from error
    # As in the quantizer: threads would add in another order in another process.
    with threadpool_limits(1):
        x = read_rows(values, task.rows)
        probe = linear_probe(x, y[task.rows], task.seed)
        gram = centred_gram(x, task.seed) if len(x) >= 4 else np.empty((0, 0), np.float32)
    return codes if task.counted is None else codes[task.counted], quantizer.record, probe, gram


def _some(values: Any, rows: Array | None) -> Any:
    """Some rows, read when they are needed."""
    if rows is None:
        return values
    return Sliced((len(rows), *values.shape[1:]), values.dtype, lambda index: np.asarray(values[rows[index]]))


def measure_pair(
    y: Array,
    t: Array,
    s: Array,
    estimator: PIDEstimator,
    seed: int,
    units: Units,
    shuffles: int,
    uncertainty: Method | Sequence[Method] | None,
    folder: str | None,
) -> tuple[PIDResult, float | None]:
    """The atoms of one pair with their level under shuffled labels, and the largest I(Y;T) among the shuffled.

    What it warns of is in the result, for the warnings of a worker would be lost.
    """

    def work() -> tuple[dict[str, Any], dict[str, Array]]:
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", PidkdWarning)
            options: dict[str, Any] = {} if uncertainty is None else {"uncertainty": uncertainty}
            result = decompose(Codes(y, t, s), estimator=estimator, seed=seed, units=units, **options)
            generator = np.random.default_rng([seed, 5])
            shuffled = [Codes(generator.permutation(y), t, s) for _ in range(shuffles)]
            batch = list(decompose_batch(shuffled, estimator=estimator, seed=seed, units=units)) if shuffled else []
        null = {name: float(np.mean([one.atoms[name] for one in batch])) for name in ATOMS} if batch else None
        record = {"result": result.to_dict(), "null": null, "top": max((one.mi_t for one in batch), default=None)}
        return record, {}

    if folder is None:
        record, _ = work()
    else:
        options = [estimator.name, estimator.get_params(), seed, units, shuffles, repr(uncertainty)]
        record, _ = resumed(folder, content_key(options, y, t, s), work)
    result = PIDResult.from_dict(record["result"])
    if record["null"] is not None and result.null is None:
        result = dataclasses.replace(result, null=record["null"])
    return result, record["top"]
