"""The contract of an estimator of union information: input, declarations, raw answer.

To add one, write ``estimators/union/<name>.py`` with one subclass of ``UnionEstimator`` in it (or name such a class in
the entry-point group ``pidkd.estimators.union`` of another package). No list is edited anywhere.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from pidkd.arrays import FloatArray
from pidkd.errors import ConvergenceWarning, IncompatibleInputError, PidkdWarning
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
    stats: Mapping[str, float] = dataclasses.field(default_factory=dict)
    concerns: Sequence[tuple[type[PidkdWarning], str]] = ()


@dataclass(frozen=True)
class UnionEstimator(Estimator):
    """One way to the union information of subsets of sources. Subclasses write ``_unions``."""

    kind = "union"
    level_of_intervals: ClassVar[str] = "level"
    """The parameter that is the level of sampling intervals, where there are any."""

    @abc.abstractmethod
    def _unions(self, data: Any, subsets: Sequence[Subset], ctx: Context) -> list[RawUnion]:
        """The union information of each subset; of one source it is the mutual information."""

    def _joint(self, data: Any) -> RawUnion | None:
        """I(Y;X_1..X_n) of all sources together, in nats, where it is known."""
        return None

    def prepared(self, call: str, data: Any, ctx: Context) -> Context:
        """The context of a run, once data, device and parameters are known to fit.

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
            raise IncompatibleInputError(f"{call}(..., estimator={self.name!r})", expected, got, hint)
        return self._prepare(ctx)

    def unions(self, data: Any, subsets: Sequence[Subset], ctx: Context) -> list[RawUnion]:
        """The same as ``_unions``, with a warning of each that is not certified to its tolerance."""
        answers = []
        for subset, raw in zip(subsets, self._unions(data, subsets, ctx), strict=True):
            certificate = raw.certificate
            if certificate.status in ("max_iter", "uncertified"):
                text = f"{self.name}: the union of {', '.join(subset)} is not certified to its tolerance, gap "
                text += f"{certificate.gap:.3g} nats; {certificate.message}"
                raw = dataclasses.replace(raw, concerns=(*raw.concerns, (ConvergenceWarning, text)))
            answers.append(raw)
        return answers
