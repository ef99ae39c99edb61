"""The union information of tables, solved to a certified optimum."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.errors import ConvergenceWarning, InputError, Parameter, PidkdWarning, SmallSampleWarning
from pidkd.estimator import Context
from pidkd.estimators.solvers.union.certificate import PerSource
from pidkd.estimators.solvers.union.chain import needed_memory
from pidkd.estimators.solvers.union.merging import merged
from pidkd.estimators.solvers.union.solving import Solved, solve_unions
from pidkd.info import entropy, table_information, too_few_for
from pidkd.inputs.several import PairTables
from pidkd.parameters import Positive, Whole
from pidkd.result import NATS_PER, Certificate
from pidkd.union import RawUnion, Subset, UnionEstimator


@dataclass(frozen=True)
class UnionBROJA(UnionEstimator):
    r""":math:`I_\cup = \min_{Q \in \Delta_P} I_Q(Y;X_1,\dots,X_n)`.

    :math:`\Delta_P = \{Q : Q(y,x_i) = P(y,x_i)\ \forall i\}`. Two classes are solved in closed form, any number of
    cells; more by the interior point of ``decompose``'s ``broja``. Both bounds of the certificate are evaluated on the
    pair marginals as given.

    Parameters
    ----------
    tol : float, default 1e-9
        Certified gap, in bits, at which the answer counts as optimal.
    max_memory : int, default 2 GiB
        Bytes that the solver may use. The plan of three classes and more has a cell for every combination of the
        sources' cells.
    max_cells : int, optional
        Cells of a source beyond which those of near-equal posteriors are merged. The value is then a lower bound, and
        the certificate holds both bounds.

    References
    ----------
    bertschinger2014

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> p = np.zeros((2, 2, 2, 2))
    >>> for a, b, c in np.ndindex(2, 2, 2):
    ...     p[a and b and c, a, b, c] = 1 / 8
    >>> print(f"{pidkd.union_information(pidkd.Pmf(p)).value:.6f}")
    0.137925
    """

    tol: Annotated[float, Positive("a gap in bits")] = 1e-9
    max_memory: Annotated[int, Positive("a number of bytes")] = 2 * 2**30
    max_cells: Annotated[int, Whole(2)] | None = None

    name = "broja"
    measure = "BROJA's union information"
    reference = "bertschinger2014"
    accepts = (PairTables,)

    def _solver(self, data: PairTables, ctx: Context) -> _Tables:
        tables, loss_of = data.tables, dict.fromkeys(data.names, 0.0)
        if self.max_cells is not None:
            tables = {name: merged(table, self.max_cells) for name, table in tables.items()}
            loss_of = {name: table_information(data.tables[name]) - table_information(tables[name]) for name in tables}
        return _Tables(self, data, tables, loss_of, ctx)


@dataclass(frozen=True)
class _Tables:
    """Pair tables, with what merging their cells has lost of the information of each."""

    estimator: UnionBROJA
    data: PairTables
    tables: Mapping[str, FloatArray]
    lost: Mapping[str, float]
    ctx: Context

    def unions(self, subsets: Sequence[Subset]) -> list[RawUnion]:
        """Union information of subsets: single sources by their tables, the others solved together."""
        wanted = [[self.tables[name] for name in subset] for subset in subsets if len(subset) > 1]
        for margins in wanted:
            self._check_memory(margins)
        tol, max_memory = self.estimator.tol, int(self.estimator.max_memory)
        solved = iter(solve_unions(wanted, tol, max_memory, self.ctx.progress, "plan" in self.ctx.keep))
        return [self._raw(subset, next(solved)) if len(subset) > 1 else self._alone(subset[0]) for subset in subsets]

    def joint(self) -> RawUnion | None:
        """The information of all sources together, where their joint table is known."""
        return None if self.data.joint is None else _known(self.data.joint)

    def _alone(self, name: str) -> RawUnion:
        table = self.data.tables[name]
        with np.errstate(divide="ignore", invalid="ignore"):
            posterior = np.log(table) - np.log(table.sum(axis=0))
        known = _known(table)
        return dataclasses.replace(known, local=self._local((name,), [posterior]), concerns=self._few(name, known))

    def _few(self, name: str, known: RawUnion) -> list[tuple[type[PidkdWarning], str]]:
        """Warning about too few samples for the table of one source; the union is biased no less."""
        n_samples, counted = self.data.n_samples, self.data.counted
        if n_samples is None:
            return []
        bits, groups = known.value / NATS_PER["bits"], None if counted is None else counted.groups
        few = too_few_for(f"I(Y;{name})", bits, self.data.tables[name], n_samples, groups, "cells")
        return [(SmallSampleWarning, f"broja: {few}")] if few else []

    def _local(self, subset: Subset, potentials: PerSource) -> FloatArray | None:
        """Local union of each counted row by its potentials, less log p(y), where it is wanted."""
        counted = self.data.counted
        if "local" not in self.ctx.keep or counted is None or counted.share is not None:
            return None
        own = [each[counted.y, counted.codes[name]] for name, each in zip(subset, potentials, strict=True)]
        local: FloatArray = np.sum(own, axis=0) - np.log(self.data.tables[subset[0]].sum(axis=1))[counted.y]
        return local

    def _raw(self, subset: Subset, solved: Solved) -> RawUnion:
        certificate, missing = solved.certificate, sum(self.lost[name] for name in subset)
        if missing > self.estimator.tol * NATS_PER["bits"]:
            message = f"cells merged to {self.estimator.max_cells} a source, a lower bound; {certificate.message}"
            upper = min(certificate.upper + missing, entropy(self.tables[subset[0]].sum(axis=1)))
            certificate = Certificate(certificate.lower, upper, "bound", message)
        concerns = []
        if certificate.status == "max_iter":
            text = f"broja: the union of {', '.join(subset)} is not certified to its tolerance, gap "
            text += f"{certificate.gap:.3g} nats; {certificate.message}"
            concerns.append((ConvergenceWarning, text))
        return RawUnion(
            solved.certificate.upper,
            certificate,
            plan=solved.plan,
            potentials=solved.potentials,
            local=self._local(subset, solved.potentials),
            stats=solved.stats,
            concerns=concerns,
        )

    def _check_memory(self, margins: PerSource) -> None:
        """Refuse three sources and more of which the solver could not hold a plan.

        Raises
        ------
        InputError
            The message says how many cells a source may have.
        """
        present = [int((margin.sum(axis=0) > 0).sum()) for margin in margins]
        n_y, n = int((margins[0].sum(axis=1) > 0).sum()), len(margins)
        if n == 2 or (n_y <= 2 and "plan" not in self.ctx.keep):
            return
        shape = (n_y, *sorted(present, reverse=True))
        if needed_memory(shape)["cells"] <= self.estimator.max_memory:
            return
        most = 2
        while needed_memory((n_y, *(min(most + 1, m) for m in shape[1:])))["cells"] <= self.estimator.max_memory:
            most += 1
        cells = f"{' x '.join(map(str, present))} = {math.prod(present):.3g} cells of the sources together"
        hint = f"max_cells={most} fits, by merging cells of near-equal posteriors, and gives a lower bound"
        raise InputError(
            Parameter("broja", "max_memory"),
            f"a plan of {n_y} classes within {self.estimator.max_memory:.3g} bytes",
            cells,
            hint,
        )


def _known(table: FloatArray) -> RawUnion:
    value = table_information(table)
    return RawUnion(value, Certificate(value, value, "exact", "mutual information of one table"))
