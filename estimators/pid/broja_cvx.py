"""BROJA as a cvxpy model, for any solver with an exponential cone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import inf, nan
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.errors import InputError, Parameter, UnknownNameError, import_extra
from pidkd.estimator import Context
from pidkd.estimators.solvers.union.certificate import Potentials, bounds
from pidkd.estimators.solvers.union.marginals import MarginalEquations
from pidkd.estimators.solvers.union.pointwise import with_local
from pidkd.info import information
from pidkd.inputs import Pmf
from pidkd.parameters import Positive
from pidkd.pid import PIDEstimator, Raw
from pidkd.result import NATS_PER, Certificate


class ConicAnswer(NamedTuple):
    """Answer of a cone solver on the cells of the table as given; nothing in it is certified yet.

    Plan and potentials are None where the solver gave none; ``seconds`` is its own account, without the modelling.
    """

    status: str
    plan: FloatArray | None
    potentials: Potentials | None
    seconds: float | None
    iterations: int | None


@dataclass(frozen=True)
class BROJACvx(PIDEstimator):
    r""":math:`\mathrm{Uni}(Y:T\setminus S) = \min_{Q \in \Delta_P} I_Q(Y;T|S)`, by a general cone solver.

    The same optimisation and the same certificate as ``broja``, modelled in cvxpy: minimise
    :math:`\sum q \log(q / q_{ts})` over q >= 0 that has the marginals P(y,t) and P(y,s), on their support. It is slower
    and less accurate than ``broja``, and serves as its independent check and for trying other solvers.

    Parameters
    ----------
    solver : str, default "CLARABEL"
        An installed cvxpy solver that knows the exponential cone: CLARABEL, ECOS, SCS, MOSEK, ...
    formulation : {"aux", "inline"}, default "aux"
        Whether :math:`q_{ts} = \sum_y q` is a variable of its own, tied by an equation, or a sum inside each cone.
        Which is faster depends on the table and on the solver, by up to a factor of ten.
    options : mapping, default {}
        Given to the solver as they are, such as ``{"max_iter": 50}``.
    tol : float, default 1e-6
        Gap in bits up to which the status is ``optimal``. A cone solver at its default settings stops at 1e-9 to 1e-6
        bits, depending on the table; ask for less together with options that make the solver reach it.

    References
    ----------
    bertschinger2014

    Examples
    --------
    >>> import pidkd
    >>> y, t, s = [0, 0, 0, 1] * 100, [0, 0, 1, 1] * 100, [0, 1, 0, 1] * 100
    >>> result = pidkd.decompose(y, t, s, estimator="broja_cvx")
    >>> print(f"{result.redundant:.5f} {result.certificate.status}")
    0.31128 optimal
    """

    solver: str = "CLARABEL"
    formulation: Literal["aux", "inline"] = "aux"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    tol: Annotated[float, Positive("a gap in bits")] = 1e-6

    name = "broja_cvx"
    measure = "BROJA"
    reference = "bertschinger2014"
    accepts = (Pmf,)
    cross_check = True
    certifies = True
    lattice_hint = "BROJA defines no redundancy of antichains; for more sources it has pidkd.union_information"
    laws = frozenset(
        {
            *("symmetric", "relabelling", "zero_rows", "nonnegative", "copy", "constant"),
            *("identity", "independent_identity", "additive"),
        }
    )
    requires: ClassVar[Mapping[str, str]] = {"cvxpy": "cvx"}

    def check_params(self) -> None:
        """Refuse parameters out of range, and a solver that is not installed.

        Raises
        ------
        InputError
            The message names the parameter.
        """
        super().check_params()
        if self.solver not in exponential_cone_solvers():
            expected = "an installed solver with an exponential cone"
            raise UnknownNameError(self._named("solver"), expected, self.solver, exponential_cone_solvers())

    def solve(self, pmf: Pmf) -> ConicAnswer:
        """Answer of the cone solver for one table, before it is certified.

        Raises
        ------
        InputError
            When the solver refuses an option; the message is the solver's own.
        """
        cp = import_extra("cvxpy", "cvx", needed_by="estimator 'broja_cvx'")
        equations = MarginalEquations(pmf.p)
        sum_y = equations.sum_y
        q = cp.Variable(sum_y.shape[1])
        marginals = equations.matrix @ q == equations.rhs
        if self.formulation == "aux":
            q_ts = cp.Variable(sum_y.shape[0])
            constraints, total = [marginals, sum_y @ q == q_ts], sum_y.T @ q_ts
        else:
            constraints, total = [marginals], (sum_y.T @ sum_y) @ q
        problem = cp.Problem(cp.Minimize(cp.sum(cp.rel_entr(q, total))), constraints)
        try:
            with warnings.catch_warnings():
                # How accurate the solution is, the certificate says.
                warnings.filterwarnings("ignore", message="Solution may be inaccurate", category=UserWarning)
                problem.solve(solver=self.solver, **self.options)
        except cp.error.SolverError as error:
            return ConicAnswer(str(error), None, None, None, None)
        except (TypeError, ValueError, AttributeError) as error:
            if not self.options:
                raise
            hint = f"see the settings of {self.solver}"
            raise InputError(
                Parameter("broja_cvx", "options"), f"options that {self.solver} knows", f"{error}", hint
            ) from error
        stats = problem.solver_stats
        seconds = (stats.setup_time or 0.0) + (stats.solve_time or 0.0)
        if q.value is None or marginals.dual_value is None:
            return ConicAnswer(problem.status, None, None, seconds, stats.num_iters)
        plan, potentials = equations.plan(q.value), equations.potentials(marginals.dual_value)
        return ConicAnswer(problem.status, plan, potentials, seconds, stats.num_iters)

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        answer = self.solve(data)
        known = information(data.p)
        if answer.plan is None or answer.potentials is None or not np.isfinite(answer.plan).all():
            said = f"{self.solver} failed: {answer.status}; try another solver, or the estimator broja"
            return Raw(nan, known, Certificate(-inf, inf, "uncertified", said))
        found = bounds(data.p, answer.plan, answer.potentials)
        within = found.upper - found.lower <= self.tol * NATS_PER["bits"]
        message = f"{self.solver}: {answer.status}, {answer.iterations} iterations"
        if not within:
            message += "; try other settings of the solver by options=, or the estimator broja"
        certificate = Certificate(found.lower, found.upper, "optimal" if within else "max_iter", message)
        stats = {"iterations": answer.iterations, "solver_seconds": answer.seconds}
        raw = Raw(
            found.upper,
            known,
            certificate,
            plan=found.plan,
            potentials=found.potentials,
            stats={name: value for name, value in stats.items() if value is not None},
        )
        return with_local(data.p, raw) if "local" in ctx.keep else raw


@cache
def exponential_cone_solvers() -> tuple[str, ...]:
    """The installed cvxpy solvers that know the exponential cone, in alphabetic order."""
    cp = import_extra("cvxpy", "cvx", needed_by="estimator 'broja_cvx'")
    x = cp.Variable()
    probe = cp.Problem(cp.Minimize(cp.rel_entr(x, 1)))
    known = []
    for name in cp.installed_solvers():
        try:
            probe.get_problem_data(name)
        except cp.error.SolverError:
            continue
        known.append(name)
    return tuple(sorted(known))
