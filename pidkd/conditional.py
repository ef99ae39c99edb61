r"""Information given a third variable: :math:`I(X;Y|Z)`, and :math:`\sum_z p(z)\, \mathrm{PID}(Y;T,S|Z=z)`.

Given labels, the rows of each label are a sample of their own, to which any estimator applies; the parts are then added
with the shares of the labels. Given floats, the estimator itself must know how to condition.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pidkd.arrays import (
    Array,
    FloatArray,
    IntArray,
    as_activations,
    as_array,
    as_labels,
    check_equal_lengths,
    describe,
    is_array,
    is_float,
    is_whole,
)
from pidkd.errors import (
    Argument,
    IncompatibleInputError,
    InputError,
    Keyword,
    PidkdWarning,
    SolverError,
    one_of_each_kind,
    quote,
)
from pidkd.estimator import Context
from pidkd.inputs import Activations, Codes, Input, Posteriors
from pidkd.mi import MIEstimator, MIResult, Pairs
from pidkd.pid import PIDEstimator
from pidkd.registry import get_estimator, list_estimators
from pidkd.result import ATOMS, Certificate, Information, PIDResult, Status, Units

STATUSES: tuple[Status, ...] = ("exact", "optimal", "bound", "max_iter", "uncertified")
"""From the one that promises most to the one that promises least."""


def information_given(estimator: MIEstimator, data: Pairs, given: Any, units: Units, ctx: Context) -> MIResult:
    """I(X;Y|Z) of pairs, given labels or floats.

    Raises
    ------
    InputError
        When ``given`` cannot be used, or the rows of a label are too few for the estimator.
    """
    where = Keyword("mutual_information", "given")
    z = as_given(where, given, data.n_samples)
    if not is_float(z):
        return _information_of_strata(estimator, data, z, units, ctx)
    if not estimator.conditions():
        able = [name for name in list_estimators("mi") if get_estimator(name, "mi").conditions()]
        expected = f"labels, or an estimator that conditions on floats ({', '.join(able)})"
        raise IncompatibleInputError(where, expected, f"floats with estimator {estimator.name!r}")
    return estimator.estimate(data, units, ctx, as_array(where, z).reshape(len(z), -1).astype(np.float64))


def as_given(where: str, given: Any, n_samples: int) -> Any:
    """Labels or floats that condition n_samples rows.

    Raises
    ------
    InputError
        When it is neither, or of another length.
    """
    values = given if is_array(given) else as_array(where, given)
    values = as_activations(where, values) if is_float(values) else as_labels(where, values)
    check_equal_lengths(where, samples=n_samples, given=len(values))
    if is_float(values) and is_whole(values):
        got = f"{describe(values)} that holds whole numbers only"
        raise InputError(where, "labels or a continuous variable", got, "if these are labels, cast with .astype(int)")
    return values


def _information_of_strata(estimator: MIEstimator, data: Pairs, z: Array, units: Units, ctx: Context) -> MIResult:
    """The mean of I(X;Y|Z=z) over the labels z."""
    x, y = (as_array(Argument("mutual_information", name), getattr(data, name)) for name in ("x", "y"))
    results, sizes = [], {}
    for value, rows in strata(z):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PidkdWarning)
                groups = None if data.groups is None else np.unique(data.groups[rows], return_inverse=True)[1]
                results.append(estimator.estimate(type(data)(x[rows], y[rows], groups), units, ctx))
        except InputError as error:
            raise error.at(f"mutual_information(..., given), of the {len(rows)} rows with label {value}") from None
        sizes[str(value)] = len(rows)
    share = np.array(list(sizes.values())) / data.n_samples
    value = float(share @ [result.value for result in results])
    errors = [result.se for result in results if result.se is not None]
    se = float(np.linalg.norm(share * errors)) if len(errors) == len(results) else None
    ends = [result.interval for result in results if result.interval is not None]
    interval = None
    if len(ends) == len(results):
        widths = np.linalg.norm(share * np.abs(np.subtract(ends, [[result.value] for result in results])).T, axis=1)
        interval = (value - float(widths[0]), value + float(widths[1]))
    texts = tuple(one_of_each_kind(text for result in results for text in result.warnings))
    for text in texts:
        warnings.warn(text, PidkdWarning, stacklevel=3)
    return dataclasses.replace(
        results[0],
        value=value,
        se=se,
        interval=interval,
        n_samples=data.n_samples,
        seconds=sum(result.seconds for result in results),
        warnings=texts,
        provenance={"given": sizes},
        conditional=True,
    )


def decompose_given(estimator: PIDEstimator, data: Input, given: Any, units: Units, ctx: Context) -> PIDResult:
    r"""The decomposition given labels: atoms, informations and certificate are means over the labels' own.

    Raises
    ------
    InputError
        When the data are no samples, or ``given`` holds no labels.
    """
    where = Keyword("decompose", "given")
    if not isinstance(data, Codes | Activations | Posteriors):
        raise InputError(where, "None with a table or covariance, which has no rows", type(data).__name__)
    z = as_given(where, given, data.n_samples)
    if is_float(z):
        raise InputError(where, "labels, one a row", describe(z), "quantise them with pidkd.Quantizer")
    parts = list(strata(z))
    members = []
    for value, rows in parts:
        try:
            members.append(rows_of(data, rows))
        except InputError as error:
            raise error.at(f"decompose(..., given), of the {len(rows)} rows with label {value}") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        batch = estimator.decompose_batch(members, units, dataclasses.replace(ctx, keep=_local_only(ctx.keep)))
    sizes = {str(value): len(rows) for value, rows in parts}
    local = None
    if "local" in ctx.keep:
        local = _local_of_rows([(rows, result) for (_, rows), result in zip(parts, batch, strict=True)], data)
    result = dataclasses.replace(_mean(list(batch), list(sizes.values())), local=local, seconds=batch.seconds)
    if not all(math.isfinite(atom) for atom in result.atoms.values()) and result.certificate.status != "exact":
        raise SolverError(f"{estimator.name}: no finite answer; {result.certificate.message}", result)
    for text in result.warnings:
        warnings.warn(text, PidkdWarning, stacklevel=3)
    return dataclasses.replace(result, n_samples=data.n_samples, provenance={"given": sizes})


def strata(labels: Array) -> Iterator[tuple[Any, IntArray]]:
    """Each label with its rows, in the order of the labels."""
    values, index = np.unique(labels, return_inverse=True)
    for i, value in enumerate(values):
        yield value, np.flatnonzero(index == i)


def rows_of(data: Codes | Activations | Posteriors, rows: IntArray) -> Input:
    """Some of the rows, as data of the same kind."""
    arrays = {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
    taken: dict[str, Any] = {
        name: as_array(Argument("decompose", name), values)[rows] for name, values in arrays.items() if is_array(values)
    }
    rows_only: Input = dataclasses.replace(data, **taken)
    return rows_only


def _local_only(keep: tuple[str, ...]) -> tuple[str, ...]:
    for name in keep:
        if name != "local":
            raise InputError(
                Keyword("decompose", "keep"), "'local' beside given", quote(name), "each label has its own"
            )
    return keep


def _local_of_rows(parts: list[tuple[IntArray, PIDResult]], data: Any) -> dict[str, FloatArray]:
    names = list(parts[0][1].local or {})
    local = {name: np.empty(data.n_samples) for name in names}
    for rows, result in parts:
        for name, values in (result.local or {}).items():
            local[name][rows] = values
    return local


def _mean(results: list[PIDResult], sizes: list[int]) -> PIDResult:
    """The mean of decompositions with the shares of their samples as weights."""
    share = np.array(sizes) / sum(sizes)

    def mean(values: list[float]) -> float:
        return float(share @ values)

    def means(name: str) -> dict[str, float] | None:
        parts: list[Mapping[str, float] | None] = [getattr(result, name) for result in results]
        if any(part is None for part in parts):
            return None
        return {key: mean([(part or {})[key] for part in parts]) for key in parts[0] or {}}

    errors = [result.se for result in results]
    se = None
    if all(one is not None for one in errors):
        se = {key: float(np.linalg.norm(share * [(one or {})[key] for one in errors])) for key in errors[0] or {}}
    atoms: dict[str, Any] = {atom: mean([getattr(result, atom) for result in results]) for atom in ATOMS}
    certificates = [result.certificate for result in results]
    worst = max(certificates, key=lambda certificate: STATUSES.index(certificate.status))
    return dataclasses.replace(
        results[0],
        **atoms,
        information=Information(
            *(mean(list(column)) for column in zip(*(r.information for r in results), strict=True))
        ),
        certificate=Certificate(
            mean([certificate.lower for certificate in certificates]),
            mean([certificate.upper for certificate in certificates]),
            worst.status,
            f"mean over {len(results)} labels; {worst.message}",
        ),
        stats={key: sum(r.stats.get(key, 0.0) for r in results) for key in results[0].stats if key == "iterations"},
        se=se,
        bias=means("bias"),
        interval=None,
        parts=None,
        plan=None,
        potentials=None,
        warnings=tuple(one_of_each_kind(text for result in results for text in result.warnings)),
    )
