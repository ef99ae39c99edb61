"""Unions of samples drawn again, and means over some of their rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pidkd.arrays import IntArray, as_labels
from pidkd.errors import InputError, Keyword, quote
from pidkd.estimator import Context
from pidkd.groups import deviations
from pidkd.inputs.several import NamedGaussian, PairTables, Several
from pidkd.result import Certificate
from pidkd.uncertainty.bootstrap import Bootstrap
from pidkd.union import RawUnion, Subset, UnionEstimator, UnionSolver


@dataclass(frozen=True)
class ResampledUnions:
    """Unions of a sample, with those of bootstrap samples, which are the same for every subset.

    Parameters
    ----------
    solver : UnionSolver
        Of the sample itself.
    draws : sequence of UnionSolver
        Of each bootstrap sample.
    """

    solver: UnionSolver
    draws: Sequence[UnionSolver]

    @classmethod
    def of(cls, call: str, estimator: UnionEstimator, data: Any, uncertainty: Any, ctx: Context) -> ResampledUnions:
        """A solver of the unions of counted samples.

        Raises
        ------
        InputError
            When ``uncertainty`` is no bootstrap without a correction, or the data are no counted samples.
        """
        where = Keyword(call, "uncertainty")
        if not isinstance(uncertainty, Bootstrap) or uncertainty.bias is not None:
            raise InputError(where, "Bootstrap() without bias, or None", quote(uncertainty))
        if not isinstance(data, PairTables):
            got = f"a bootstrap of {type(data).__name__}, whose estimators have intervals of their own"
            raise InputError(where, "None, or codes or counts", got)
        if data.counted is None:
            raise InputError(where, "None, or samples or counts", "exact tables, which no sample moves")
        rng = np.random.default_rng((ctx.seed, *uncertainty.fills.encode()))
        drawn = [data.counted.drawn(data, rng) for _ in range(uncertainty.n)]
        alone = dataclasses.replace(ctx, keep=(), progress=None)
        return cls(estimator.start(call, data, ctx), [estimator.start(call, tables, alone) for tables in drawn])

    def unions(self, subsets: Sequence[Subset]) -> list[RawUnion]:
        """Unions of the sample, each with its deviations over the same bootstrap samples."""
        drawn = np.array([[raw.value for raw in draw.unions(subsets)] for draw in self.draws])
        deviations = drawn - drawn.mean(axis=0)
        raws = self.solver.unions(subsets)
        return [dataclasses.replace(raw, deviations=own) for raw, own in zip(raws, deviations.T, strict=True)]

    def joint(self) -> RawUnion | None:
        """Information of all sources in the sample; their joint table is not drawn again."""
        return self.solver.joint()


@dataclass(frozen=True)
class UnionsOfRows:
    """Means of the local unions of some rows, by potentials that belong to all rows.

    Parameters
    ----------
    solver : UnionSolver
        Of all rows, started with "local" in ``keep``.
    rows : array of int, shape (n_rows,)
    groups : array of int, shape (n_rows,), optional
    """

    solver: UnionSolver
    rows: IntArray
    groups: IntArray | None = None

    def unions(self, subsets: Sequence[Subset]) -> list[RawUnion]:
        """The mean of each subset over these rows, as if they were all; no bound is known of it."""
        unknown = Certificate(-math.inf, math.inf, "uncertified", "a mean over some rows")
        raws = []
        for raw in self.solver.unions(subsets):
            if raw.local is None:
                raise RuntimeError("expected a solver that was asked for local unions, got one without")
            local = raw.local[self.rows]
            raws.append(RawUnion(float(local.mean()), unknown, deviations=deviations(local, self.groups)))
        return raws

    def joint(self) -> RawUnion | None:
        """Not known of some rows."""
        return None


def rows_by_label(
    call: str, data: Several | None, by: Any, estimator: str
) -> dict[str, tuple[IntArray, IntArray | None]]:
    """Rows of each label, and the groups that they are in.

    Raises
    ------
    InputError
        When the data are no samples of labels, or there is no label for each.
    """
    where = Keyword(call, "by")
    counted = data.counted if isinstance(data, PairTables) else None
    if isinstance(data, PairTables) and (counted is None or counted.share is not None):
        raise InputError(where, "None beside a table", "labels", "give the samples themselves")
    if data is None or isinstance(data, NamedGaussian) or estimator == "gaussian":
        raise InputError(where, "None with estimator 'gaussian', which has no values of single rows", "labels")
    labels = as_labels(where, by)
    if len(labels) != data.n_samples:
        raise InputError(where, f"one label for each of {data.n_samples} samples", str(len(labels)))
    groups = counted.groups if isinstance(data, PairTables) and counted is not None else getattr(data, "groups", None)
    parts: dict[str, tuple[IntArray, IntArray | None]] = {}
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        own = None if groups is None else np.unique(groups[rows], return_inverse=True)[1]
        if len(rows) < 2 or (own is not None and own.max() < 1):
            raise InputError(
                where, "two rows, or groups of them, of each label", f"one of {label}", "merge rare labels"
            )
        parts[str(label)] = rows, own
    return parts
