"""The contract of an estimator of union information: input, declarations, raw answer.

To add one, write ``estimators/union/<name>.py`` with one subclass of ``UnionEstimator`` in it (or name such a class in
the entry-point group ``pidkd.estimators.union`` of another package). No list is edited anywhere.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from pidkd.arrays import FloatArray
from pidkd.errors import IncompatibleInputError, Keyword, PidkdWarning
from pidkd.estimator import Context, Estimator
from pidkd.registry import get_estimator, list_estimators
from pidkd.result import Certificate

Subset: TypeAlias = tuple[str, ...]
"""Names of sources, in the order of the data."""


@dataclass(frozen=True)
class RawUnion:
    """The union information of one subset, in nats.

    Parameters
    ----------
    value : float
    certificate : Certificate
        Bounds of the union information.
    deviations : array, optional
        Of an estimate from samples: what rows, or draws, deviate by; its standard deviation is the standard error.
        Of two subsets they are paired, so that differences have errors too.
    bias : float, optional
        What was taken off the value.
    plan : array, optional
    potentials : sequence of arrays, optional
    local : array, shape (n_samples,), optional
        What the potentials say of each sample, where it was asked for; the mean is the value, but for the gap.
    stats : mapping from str to float
        Effort of the solver.
    concerns : sequence of (category, text)
        What a user must be warned of.
    """

    value: float
    certificate: Certificate
    deviations: FloatArray | None = None
    bias: float | None = None
    plan: FloatArray | None = None
    potentials: Sequence[FloatArray] | None = None
    local: FloatArray | None = None
    stats: Mapping[str, float] = dataclasses.field(default_factory=dict)
    concerns: Sequence[tuple[type[PidkdWarning], str]] = ()


class UnionSolver(Protocol):
    """The unions of one set of data, in nats."""

    def unions(self, subsets: Sequence[Subset]) -> list[RawUnion]:
        """The union information of each subset; of one source it is the mutual information."""

    def joint(self) -> RawUnion | None:
        """I(Y;X_1..X_n) of all sources together, where it is known."""


@dataclass(frozen=True)
class UnionEstimator(Estimator):
    """Base class of estimators of the union information of subsets of sources. Subclasses write ``_solver``."""

    kind = "union"

    @abc.abstractmethod
    def _solver(self, data: Any, ctx: Context) -> UnionSolver:
        """Ready to solve unions of the sources of ``data``, one set of subsets after the other."""

    def start(self, call: str, data: Any, ctx: Context) -> UnionSolver:
        """A solver of the unions of ``data``, once data, device and parameters are known to fit.

        Raises
        ------
        IncompatibleInputError
            When this estimator does not accept the kind of ``data``.
        InputError
            When a parameter or the device cannot be used.
        """
        if not self.takes(data):
            got = type(data).__name__
            fits = [name for name in list_estimators("union") if get_estimator(name, "union").takes(data)]
            expected = " or ".join(sorted(self.accepted_kinds()))
            hint = f"estimators that accept {got}: {', '.join(fits) or 'none'}"
            raise IncompatibleInputError(Keyword(call, "estimator", self.name), expected, got, hint)
        return self._solver(data, self.prepared(ctx))
