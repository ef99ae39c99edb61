"""Audits by codes: each layer is quantised once, then each pair is a table of counts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from pidkd.arrays import Array, IntArray, as_array
from pidkd.audits.engine import AuditEngine, Reading
from pidkd.audits.options import AuditOptions
from pidkd.audits.plan import AuditPlan, file_of
from pidkd.decomposition import AUTO, decompose
from pidkd.ensemble import UnionSession
from pidkd.errors import InputError, Keyword, quote
from pidkd.estimator import Context
from pidkd.files.layer import Layer, Sliced
from pidkd.files.reading import read_array
from pidkd.inputs import Codes
from pidkd.inputs.several import as_several
from pidkd.pid import PIDEstimator
from pidkd.registry import get_estimator
from pidkd.result import PIDResult
from pidkd.uncertainty import Bootstrap, Method, Permutation
from pidkd.union import UnionEstimator

if TYPE_CHECKING:
    from pidkd.quantize import Quantizer

BOOTSTRAP = Bootstrap(n=100, bias="shuffle", repeats=10)
"""Intervals of an audit unless something else is asked for: 171 tables, half a second if they are (10, 10, 10)."""

MOST_CELLS = 10_000
"""Larger tables get no intervals by themselves: hundred classes and ten cells a source take ten seconds."""


@runtime_checkable
class OfCells(Protocol):
    """An estimator of activations that decomposes codes of its own making, as ``kmeans`` does."""

    def steps(self, seed: int) -> tuple[Quantizer, PIDEstimator]:
        """The quantizer of each source, and the estimator of the codes."""


class CodesEngine(AuditEngine):
    """Estimators of codes, and those of activations that make codes first."""

    name = "codes"
    shuffles = 20

    def __init__(self, estimator: PIDEstimator, options: AuditOptions) -> None:
        super().__init__(estimator, options)
        self.solver, self.quantizer = estimator, options.quantize
        if isinstance(estimator, OfCells):
            own, self.solver = estimator.steps(options.seed)
            self.quantizer = self.quantizer or own

    @classmethod
    def serves(cls, estimator: PIDEstimator, continuous: bool) -> bool:
        """Whether it decomposes codes, for a target of labels."""
        return not continuous and (isinstance(estimator, OfCells) or Codes.__name__ in estimator.accepted_kinds())

    def check(self, options: AuditOptions) -> None:
        """Refuse what is no quantizer, atoms of single samples, and an accelerator."""
        from pidkd.quantize import Quantizer

        if not isinstance(options.quantize, Quantizer | None):
            got = type(options.quantize).__name__
            raise InputError(Keyword("audit", "quantize"), "a pidkd.Quantizer", got)
        self.refuse_local()
        self.refuse_accelerator()

    def prepare(self, plan: AuditPlan) -> None:
        """Settle the quantizer, and the rows that cells are fitted on and counted on."""
        self.quantizer = None if plan.of_codes else _quantizer(self.quantizer, self.options)
        super().prepare(plan)
        self.counted_groups = None
        n_samples = len(plan.target)
        self.fitted = _fit_rows(self.options.fit_on, n_samples, self.options.seed, plan.groups)
        self.counted_rows = None if self.fitted is None else np.setdiff1d(np.arange(n_samples), self.fitted)
        if self.counted_rows is not None:
            self.counted = plan.target[self.counted_rows]
        if plan.groups is not None:
            self.counted_groups = np.unique(self._counted(plan.groups), return_inverse=True)[1]
        if len(np.unique(self.counted)) == 1:
            raise InputError(
                Keyword("audit", "fit_on"), "samples of two classes left to count", "those of one class only"
            )

    @property
    def probe_memory(self) -> int:
        """Memory of the quantizer, if there is one."""
        return super().probe_memory if self.quantizer is None else int(self.quantizer.max_memory)

    def read(self, layer: Layer, values: Any) -> Reading:
        """Codes of the counted samples, and the probe of what was quantised."""
        if layer.is_codes or self.quantizer is None:
            return Reading(layer.where, None, {"quantizer": None}, {"codes": self._counted(values)})
        codes, record = self.quantised(layer.where, values)
        return Reading(layer.where, None, {"quantizer": record}, **self.probed(values, codes=self._counted(codes)))

    def quantised(self, where: str, values: Any) -> tuple[Array, dict[str, Any]]:
        """Codes of all samples by a quantizer of the layer's own, and its record."""
        from sklearn.base import clone

        quantizer = clone(self.quantizer)
        try:
            quantizer.fit(_some(values, self.fitted))
            return quantizer.transform(values), quantizer.record
        except InputError as error:
            raise error.at(f"{where}, {error.where}") from error

    def measure(self, t: Reading, s: Reading) -> PIDResult:
        """Atoms of the table of counts, named after the estimator that was asked for."""
        data = Codes(self.counted, t.values, s.values, self.counted_groups)
        methods, left_out = self.methods(data)
        options = self.options
        result = decompose(
            data,
            estimator=self.solver,
            seed=options.seed,
            units=options.units,
            uncertainty=methods or None,
            by=None if self.by is None else self._counted(self.by),
        )
        warnings = (*result.warnings, *([left_out] if left_out else []))
        return dataclasses.replace(
            result,
            method=self.estimator.name,
            params=self.estimator.get_params(),
            warnings=tuple(dict.fromkeys(warnings)),
        )

    def methods(self, data: Codes) -> tuple[list[Method], str | None]:
        """Methods of uncertainty, and a note where there are no intervals though none were declined."""
        methods, note = self.options.methods, None
        if self.options.uncertainty == "auto" and self.solver.name == AUTO[Codes.__name__] and data.n_samples >= 8:
            cells = math.prod(len(np.unique(codes)) for codes in (data.y, data.t, data.s))
            methods = [BOOTSTRAP] if cells <= MOST_CELLS else []
            if not methods:
                note = (
                    f"no sampling intervals: {cells} combinations of class and cells make them slow; "
                    f"uncertainty={BOOTSTRAP} gives them"
                )
        if data.groups is not None:  # a shuffle of rows would part groups
            methods = [_of_groups(method) for method in methods]
        if self.n_shuffles and not any(isinstance(method, Permutation) for method in methods):
            methods.append(Permutation(n=self.n_shuffles))
        return methods, note

    def values(self, reading: Reading) -> Any:
        """The codes."""
        return reading.codes

    def describe(self) -> dict[str, Any]:
        """Quantizer, samples that cells are fitted on and counted on, shuffles, samples of the probe."""
        return {
            "quantizer": None if self.quantizer is None else self.quantizer.get_params(),
            "fitted_on": len(self.target) if self.fitted is None else len(self.fitted),
            "counted_on": len(self.counted),
            "shuffles": self.n_shuffles,
            "probed_on": len(self.rows),
        }

    def unions(self, readings: Mapping[str, Reading]) -> UnionSession | None:
        """Unions of the counted codes, certified."""
        if "BROJA" not in self.estimator.measure:
            return None
        data = as_several("audit", self.counted, {name: reading.codes for name, reading in readings.items()}, "codes")
        estimator: UnionEstimator = get_estimator("broja", "union")()
        ctx = Context(seed=self.options.seed)
        solver = estimator.start("audit", data, ctx)
        return UnionSession(tuple(data.names), data.n_samples, estimator, solver, ctx)

    def layer_key(self) -> tuple[list[Any], list[Array]]:
        """Quantizer and rows; the estimator does not matter yet."""
        some = [rows for rows in (self.fitted, self.counted_rows) if rows is not None]
        params = None if self.quantizer is None else self.quantizer.get_params()
        return [self.name, params, self.options.seed, len(some)], [self.target, self.rows, *self.grouping, *some]

    def _counted(self, codes: Array) -> Array:
        return codes if self.counted_rows is None else codes[self.counted_rows]


def _some(values: Any, rows: Array | None) -> Any:
    """Some rows, read when they are needed."""
    if rows is None:
        return values
    return Sliced((len(rows), *values.shape[1:]), values.dtype, lambda index: np.asarray(values[rows[index]]))


def _of_groups(method: Method) -> Method:
    """The method for samples in groups, of which there is no table to shuffle."""
    if isinstance(method, Bootstrap) and method.bias == "shuffle":
        return dataclasses.replace(method, bias="extrapolation")
    return method


def _fit_rows(fit_on: Any, n_samples: int, seed: int, groups: IntArray | None) -> Array | None:
    """Rows that cells are fitted on, in rising order and whole groups of them; None for all."""
    where = Keyword("audit", "fit_on")
    if isinstance(fit_on, str) and fit_on == "all":
        return None
    if isinstance(fit_on, int | float) and not isinstance(fit_on, bool):
        size = round(fit_on * n_samples) if 0 < fit_on < 1 else 0
        if not 0 < size < n_samples:
            raise InputError(where, "'all', a fraction between 0 and 1, or row numbers", quote(fit_on))
        if groups is not None:
            order = np.random.default_rng([seed, 4]).permutation(int(groups.max()) + 1)
            first = order[: max(1, min(len(order) - 1, round(fit_on * len(order))))]
            return np.flatnonzero(np.isin(groups, first))
        return np.sort(np.random.default_rng([seed, 4]).permutation(n_samples)[:size])
    path = file_of(fit_on)
    rows = as_array(where, fit_on) if path is None else read_array(path, ("rows", "fit_on"))
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or len(rows) == 0:
        raise InputError(path or where, "row numbers, shape (n,)", f"{rows.dtype} of shape {rows.shape}")
    rows = np.unique(rows)
    if rows[0] < 0 or rows[-1] >= n_samples or len(rows) == n_samples:
        expected = f"some of the rows 0 to {n_samples - 1}, and others left to count"
        raise InputError(path or where, expected, f"{len(rows)} from {rows[0]} to {rows[-1]}")
    if groups is not None:
        parted = rows[np.isin(groups[rows], np.delete(groups, rows))]
        if parted.size:
            got = f"row {parted[0]} without others that belong to it or repeat it"
            raise InputError(path or where, "rows of whole groups", got, "a fraction chooses whole groups")
    return rows


def _quantizer(quantize: Quantizer | None, options: AuditOptions) -> Quantizer:
    """The quantizer that every layer gets a copy of."""
    from sklearn.base import clone

    from pidkd.quantize import Quantizer

    quantizer: Quantizer = Quantizer(seed=options.seed) if quantize is None else clone(quantize)
    return quantizer if options.max_memory is None else quantizer.set_params(max_memory=options.max_memory)
