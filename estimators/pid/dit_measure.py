"""Every partial information decomposition that dit ships, behind the call and the result of pidkd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Annotated, Any, ClassVar

import numpy as np

from pidkd.antichains import lattice, members
from pidkd.arrays import FloatArray
from pidkd.errors import PidkdWarning, UnknownNameError, import_extra
from pidkd.estimator import Context
from pidkd.estimators.solvers.dit_worker import Worker
from pidkd.info import information
from pidkd.inputs import Pmf
from pidkd.parameters import Positive
from pidkd.pid import PIDEstimator, Raw, RawLattice
from pidkd.result import NATS_PER, Certificate

INCONSISTENT = 1e-4
"""Bits by which dit's atoms may miss the three identities before a warning says so."""

_worker = Worker()


@dataclass(frozen=True)
class DitMeasure(PIDEstimator):
    r""":math:`\mathrm{Red}(Y:T,S)` of any measure that dit computes for two sources; the identities give the rest.

    dit runs in a process of its own, and is stopped when ``time_limit`` is over. Its failures are a ``SolverError``
    that quotes it. It reports no error of what it computes, so the status is ``uncertified`` and a
    ``ConvergenceWarning`` says so: which measures can be relied on where is a page of the documentation.

    Parameters
    ----------
    measure : str, default "ccs"
        Name of one of dit's classes ``PID_...``, without the prefix; upper and lower case are one.
    time_limit : float, default 60.0
        Seconds after which dit is stopped.

    References
    ----------
    james2018

    Examples
    --------
    >>> import warnings
    >>> import pidkd
    >>> y, t, s = [0, 0, 0, 1] * 100, [0, 0, 1, 1] * 100, [0, 1, 0, 1] * 100  # an AND gate
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", pidkd.errors.ConvergenceWarning)
    ...     result = pidkd.decompose(y, t, s, estimator="dit_measure", measure="wb")
    >>> print(f"{result.redundant:.6f} {result.certificate.status}")
    0.311278 uncertified
    """

    measure: str = "ccs"  # type: ignore[misc]  # an estimator of many measures: which one is a parameter
    time_limit: Annotated[float, Positive("seconds")] = 60.0

    name = "dit_measure"
    reference = "james2018"
    accepts = (Pmf,)
    cross_check = True
    certifies = False
    laws = frozenset()
    exactness = "sampled"
    requires: ClassVar[Mapping[str, str]] = {"dit": "dit"}

    def check_params(self) -> None:
        """Refuse parameters out of range, and a measure that dit does not have.

        Raises
        ------
        InputError
            The message names the parameter.
        """
        super().check_params()
        if self.measure.lower() not in list_measures():
            raise UnknownNameError(self._named("measure"), "a measure of dit", self.measure, list_measures())

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        known = information(data.p)
        answer = self._ask(data.p, ctx.seed)
        redundant, unique_t, unique_s, synergistic = answer.get("atoms", (nan,) * 4)
        if not isfinite(redundant):
            message = answer.get("error", f"dit gives {redundant} for the redundancy")
            return Raw(nan, known, Certificate(-inf, inf, "uncertified", f"measure {self.measure!r}: {message}"))
        bit = NATS_PER["bits"]
        missed = max(
            abs(redundant + unique_t - known.t / bit),
            abs(redundant + unique_s - known.s / bit),
            abs(redundant + unique_t + unique_s + synergistic - known.both / bit),
        )
        text = f"dit_measure: dit's own {self.measure} atoms miss the identities by {missed:.3g} bits"
        concerns = [] if missed <= INCONSISTENT else [(PidkdWarning, f"{text}; its redundancy was taken")]
        message = f"dit's {self.measure}, which reports no error; compare with a certified measure where there is one"
        certificate = Certificate(-inf, inf, "uncertified", message)
        return Raw(known.t - redundant * bit, known, certificate, concerns=concerns)

    def _redundancies(self, p: FloatArray, ctx: Context) -> RawLattice:
        answer, order = self._ask(p, ctx.seed), lattice(p.ndim - 1)
        atoms = np.array(answer.get("atoms", [nan] * len(order)))
        message = answer.get("error", f"dit's {self.measure}, which reports no error")
        if not np.isfinite(atoms).all() and "error" not in answer:
            message = f"dit's {self.measure} gives no atom for {', '.join(_missing(order.labels, atoms))}"
        return RawLattice(order.below @ atoms * NATS_PER["bits"], status="uncertified", message=message)

    def _ask(self, p: FloatArray, seed: int) -> dict[str, Any]:
        """Answer of dit: the atoms of all antichains, in bits, or an error in words."""
        cells = np.nonzero(p)
        request = {
            "class": list_measures()[self.measure.lower()],
            "outcomes": np.column_stack([*cells[1:], cells[0]]).tolist(),
            "masses": p[cells].tolist(),
            "nodes": [[members(one) for one in antichain] for antichain in lattice(p.ndim - 1).antichains],
            "seed": seed,
        }
        return _worker.ask(request, self.time_limit)


def _missing(labels: Sequence[str], atoms: FloatArray) -> list[str]:
    return [label for label, atom in zip(labels, atoms, strict=True) if not isfinite(atom)]


# What the class says of itself; an instance has the parameter of this name, whose default is that of the constructor.
DitMeasure.measure = "one of dit's, by its parameter"


def list_measures() -> dict[str, str]:
    """The measures of the installed dit, each with dit's name of its class.

    Raises
    ------
    MissingDependencyError
        When dit is not installed.
    """
    dit = import_extra("dit", "dit", needed_by="estimator 'dit_measure'")
    import_extra("dit.pid", "dit", needed_by="estimator 'dit_measure'")
    return {name[4:].lower(): name for name in sorted(vars(dit.pid)) if name.startswith("PID_")}
