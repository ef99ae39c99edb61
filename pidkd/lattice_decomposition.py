"""The verb that decomposes over the redundancy lattice of two to four sources."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pidkd.antichains import MOST, SIZES, label, lattice
from pidkd.arrays import FloatArray, IntArray, as_labels, check_equal_lengths, check_same_rows
from pidkd.errors import (
    ConvergenceWarning,
    IncompatibleInputError,
    InputError,
    Keyword,
    SmallSampleWarning,
    SolverError,
    quote,
)
from pidkd.estimator import Context
from pidkd.info import set_tables, table_information, too_few_for
from pidkd.inputs import Pmf
from pidkd.inputs.codes import counted
from pidkd.inputs.tables import is_dit
from pidkd.lattice import LatticeResult
from pidkd.pid import PIDEstimator, RawLattice, lattice_measures
from pidkd.registry import get_estimator
from pidkd.result import NATS_PER, Units, check_units

CALL = "decompose_lattice"


def decompose_lattice(
    y: Any,
    sources: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    measure: str | PIDEstimator = "sx",
    units: Units = "bits",
    seed: int = 0,
    keep: Sequence[str] = (),
    **params: Any,
) -> LatticeResult:
    r"""Split :math:`I(Y;X_1,\dots,X_n)` into an atom for every antichain of sets of two to four sources.

    The atoms are the Moebius inversion of the redundancies :math:`I_\cap(\alpha)`, which the measure defines:
    :math:`I_\cap(\alpha) = \sum_{\beta \preceq \alpha} \Pi(\beta)`. From three sources on no measure has nonnegative
    atoms together with all the other properties that people ask for.

    Parameters
    ----------
    y : array of labels, shape (n_samples,), or Pmf
        The target; or the joint table of target and sources, alone.
    sources : mapping from name to array of labels, or sequence of arrays, shape (n_samples,) each
        Two to four.
    measure : str or PIDEstimator, default "sx"
        A measure that defines a redundancy for every antichain: ``sx``, ``i_min``, ``mmi``, ``gk``, or ``dit_measure``
        with its parameter, ``get_estimator("dit_measure")(measure="ccs")``; for two classes also ``broja``.
    units : {"bits", "nats"}
    seed : int, default 0
    keep : sequence of {"local"}
        "local": atoms of every sample, or of every cell of a table.
    **params
        Parameters of the measure.

    Returns
    -------
    LatticeResult

    Raises
    ------
    InputError
        When data or options cannot be used, or the measure defines no redundancy of antichains.
    SolverError
        When the measure has no finite answer.

    References
    ----------
    williams2010, rauh2014

    Examples
    --------
    >>> import itertools
    >>> import pidkd
    >>> rows = list(itertools.product((0, 1), repeat=3)) * 100
    >>> y, sources = [a ^ b ^ c for a, b, c in rows], [list(column) for column in zip(*rows)]
    >>> result = pidkd.decompose_lattice(y, sources, measure="i_min")  # parity of three bits
    >>> {antichain: round(atom, 9) for antichain, atom in result.atoms.items() if abs(atom) > 1e-9}
    {'{123}': 1.0}
    """
    check_units(Keyword(CALL, "units"), units)
    estimator = PIDEstimator.from_name(CALL, measure, params, lambda: get_estimator("sx"))
    ctx = Context.of_call(CALL, seed, "cpu", keep)
    p, cells, names, n_samples = _table(y, sources)
    _check_lattice(estimator)
    ctx = estimator.prepared(ctx)
    started = time.perf_counter()
    raw = estimator._redundancies(p, ctx)
    for name in ctx.keep:
        if name != "local" or raw.local is None:
            has = "an empty list" if raw.local is None else "'local'"
            raise InputError(Keyword(CALL, "keep"), has, f"{name!r}, which {estimator.name!r} does not have")
    result = _result(raw, p, names, estimator, cells, n_samples, time.perf_counter() - started).to(units)
    if not all(map(math.isfinite, result.atoms.values())):
        raise SolverError(f"{estimator.name}: no finite answer; {raw.message}", result)
    for text in result.warnings:
        warnings.warn(text, ConvergenceWarning, stacklevel=2)
    together = p.reshape(len(p), -1)
    bits = table_information(together) / NATS_PER["bits"]
    quantity = f"I(Y;{','.join(names)})"
    if n_samples is not None and (few := too_few_for(quantity, bits, together, n_samples, None, "cells together")):
        warnings.warn(few, SmallSampleWarning, stacklevel=2)
        result = dataclasses.replace(result, warnings=(few, *result.warnings))
    return result


def _check_lattice(estimator: PIDEstimator) -> None:
    """Refuse a measure that defines no redundancy of antichains, and name those that do."""
    if not estimator.has_lattice():
        expected = f"a measure that defines a redundancy for every antichain ({', '.join(lattice_measures())})"
        raise IncompatibleInputError(Keyword(CALL, "measure"), expected, quote(estimator.name), estimator.lattice_hint)


def _table(y: Any, sources: Any) -> tuple[FloatArray, tuple[IntArray, ...] | None, tuple[str, ...], int | None]:
    """Joint table, cell of each sample where there are samples, the names of the sources, and how many samples."""
    y = Pmf(y) if is_dit(y) else y
    if isinstance(y, Pmf):
        if sources is not None:
            raise InputError(f"{CALL}(sources)", "None beside a Pmf, which holds them", type(sources).__name__)
        n = y.p.ndim - 1
        _check_number(n)
        return y.p, None, tuple(f"x{i}" for i in range(1, n + 1)), y.n_samples
    if isinstance(sources, Mapping):
        names, columns = tuple(map(str, sources)), list(sources.values())
    elif isinstance(sources, Sequence) and not isinstance(sources, str):
        names, columns = tuple(f"x{i}" for i in range(1, len(sources) + 1)), list(sources)
    else:
        raise InputError(f"{CALL}(sources)", "arrays of labels by name, or a list of them", type(sources).__name__)
    _check_number(len(columns))
    check_same_rows(f"{CALL}(y, sources)", **{**dict(zip(names, columns, strict=True)), "y": y})
    labels = {"y": as_labels(f"{CALL}(y)", y)}
    labels |= {name: as_labels(f"{CALL}(sources[{name!r}])", one) for name, one in zip(names, columns, strict=True)}
    check_equal_lengths(f"{CALL}(y, sources)", **{name: len(one) for name, one in labels.items()})
    cells = tuple(np.unique(one, return_inverse=True)[1].astype(np.int64) for one in labels.values())
    counts = counted(f"{CALL}(y, sources)", "y and the sources", cells)
    return counts / len(cells[0]), cells, names, len(cells[0])


def _check_number(n: int) -> None:
    if not 2 <= n <= MOST:
        got = f"{n}" + (f", whose lattice has {SIZES[n]:,} antichains" if n > MOST and n in SIZES else "")
        hint = "pidkd.union_information takes any number of sources, without a lattice" if n > MOST else None
        raise InputError(f"{CALL}(sources)", f"2 to {MOST} sources", got, hint)


def _result(
    raw: RawLattice,
    p: FloatArray,
    names: tuple[str, ...],
    estimator: PIDEstimator,
    cells: tuple[IntArray, ...] | None,
    n_samples: int | None,
    seconds: float,
) -> LatticeResult:
    """The result in nats."""
    order = lattice(p.ndim - 1)

    def named(values: FloatArray) -> dict[str, float]:
        return dict(zip(order.labels, values.tolist(), strict=True))

    local = None
    if raw.local is not None:
        pointwise = np.where(p > 0, np.broadcast_to(raw.local, (len(order), *p.shape)), np.nan)
        if cells is not None:
            at: tuple[Any, ...] = (slice(None), *cells)
            pointwise = pointwise[at]
        local = dict(zip(order.labels, np.tensordot(order.moebius, pointwise, axes=1), strict=True))
    doubt = f"{estimator.name}: not certified; {raw.message}"
    return LatticeResult(
        atoms=named(order.moebius @ raw.redundancies),
        redundancies=named(raw.redundancies),
        information={label(sources): table_information(table) for sources, table in set_tables(p).items()},
        sources=names,
        units="nats",
        method=estimator.name,
        params=estimator.get_params(),
        status=raw.status,
        message=raw.message,
        n_samples=n_samples,
        seconds=seconds,
        parts=None if raw.parts is None else {part: named(order.moebius @ of) for part, of in raw.parts.items()},
        local=local,
        warnings=(doubt,) if raw.status == "uncertified" else (),
    )
