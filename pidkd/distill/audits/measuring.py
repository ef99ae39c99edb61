"""The work of an audit that can be spread: one layer, and one pair of layers."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pidkd.arrays import Array
from pidkd.decomposition import AUTO, decompose
from pidkd.distill.audits.resuming import content_key, resumed
from pidkd.distill.audits.similarity import centred_gram, linear_probe, read_rows
from pidkd.errors import InputError, PidkdWarning
from pidkd.inputs import Codes
from pidkd.layers import Layer, Pool, Sliced
from pidkd.resample import Bootstrap, Method, Permutation
from pidkd.result import PIDResult, Units

if TYPE_CHECKING:
    from pidkd.estimator import PIDEstimator
    from pidkd.quantize import Quantizer

BOOTSTRAP = Bootstrap(n=100, bias="shuffle", repeats=10)
"""Intervals of an audit unless something else is asked for: 171 tables, half a second if they are (10, 10, 10)."""

MOST_CELLS = 10_000
"""Larger tables get no intervals by themselves: hundred classes and ten cells a source take ten seconds."""


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
    uncertainty: Method | Sequence[Method] | Literal["auto"] | None,
    folder: str | None,
) -> PIDResult:
    """The atoms of one pair, with their level under shuffled labels and their sampling intervals.

    What it warns of is in the result, for the warnings of a worker would be lost.
    """
    data = Codes(y, t, s)

    def work() -> tuple[dict[str, Any], dict[str, Array]]:
        methods, left_out = _methods(data, estimator, shuffles, uncertainty)
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", PidkdWarning)
            result = decompose(data, estimator=estimator, seed=seed, units=units, uncertainty=methods or None)
        said = (*result.warnings, *([left_out] if left_out else []))
        return dataclasses.replace(result, warnings=said).to_dict(), {}

    if folder is None:
        record, _ = work()
    else:
        options = [estimator.name, estimator.get_params(), seed, units, shuffles, repr(uncertainty)]
        record, _ = resumed(folder, content_key(options, *(np.asarray(x).astype(str) for x in (y, t, s))), work)
    return PIDResult.from_dict(record)


def _methods(
    data: Codes, estimator: PIDEstimator, shuffles: int, uncertainty: Method | Sequence[Method] | Literal["auto"] | None
) -> tuple[list[Method], str | None]:
    """What is resampled, and what a reader must know if there shall be no intervals."""
    left_out = None
    if uncertainty == "auto":
        cells = math.prod(len(np.unique(codes)) for codes in (data.y, data.t, data.s))
        methods: list[Method] = []
        if estimator.name == AUTO[Codes.__name__] and data.n_samples >= 8:
            if cells <= MOST_CELLS:
                methods = [BOOTSTRAP]
            else:
                left_out = (
                    f"no sampling intervals: {cells} combinations of class and cells make them slow; "
                    f"uncertainty={BOOTSTRAP} gives them"
                )
    else:
        methods = [uncertainty] if isinstance(uncertainty, Method) else [*(uncertainty or ())]
    if shuffles and not any(isinstance(method, Permutation) for method in methods):
        methods.append(Permutation(n=shuffles))
    return methods, left_out
