"""The measure of Bertschinger, Rauh, Olbrich, Jost and Ay, solved to a certified optimum."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pidkd.antichains import lattice
from pidkd.arrays import FloatArray
from pidkd.errors import IncompatibleInputError, Keyword, import_extra
from pidkd.estimator import Context
from pidkd.estimators.solvers.union.least_gain import least_gains
from pidkd.estimators.solvers.union.pointwise import with_local
from pidkd.estimators.solvers.union.tables import decompose_tables
from pidkd.info import informations
from pidkd.inputs import Pmf
from pidkd.parameters import Positive
from pidkd.pid import PIDEstimator, Raw, RawLattice
from pidkd.result import Certificate


@dataclass(frozen=True)
class BROJA(PIDEstimator):
    r""":math:`\mathrm{Uni}(Y:T\setminus S) = \min_{Q \in \Delta_P} I_Q(Y;T|S)`.

    :math:`\Delta_P = \{Q : Q(y,t) = P(y,t),\ Q(y,s) = P(y,s)\}`. For two classes the minimum has a closed form, by the
    concave hull of two ROC curves. Otherwise it is found by a structured primal-dual interior point, after zero masses
    are dropped and cells with equal posteriors merged. Both bounds of the certificate are evaluated on the table as
    given. A table whose Newton system would not fit into ``max_memory`` goes by alternating minimisation, which
    certifies less tightly and says so. With ``device="cuda"`` thousands of tables of
    one shape are solved at once; those that this leaves open are finished on the CPU and counted
    (``PIDBatch.finished_on_cpu``). About two classes it has a redundancy for every antichain of three and four sources:
    at each threshold of a decision the smallest gain of its sets.

    Parameters
    ----------
    tol : float, default 1e-9
        Certified gap, in bits, at which the answer counts as optimal.
    max_memory : int, default 2 GiB
        Bytes that the solver may use beyond the table itself.
    compiled : bool, default False
        Whether small tables of three classes and more go by compiled code, three to four times quicker, with the same
        certificate: for thousands of tables. It needs ``pidkd[compiled]``; the first call of an installation compiles,
        which takes a minute.

    References
    ----------
    bertschinger2014, makkeh2018

    Examples
    --------
    >>> import pidkd
    >>> y, t, s = [0, 0, 0, 1] * 100, [0, 0, 1, 1] * 100, [0, 1, 0, 1] * 100
    >>> and_gate = pidkd.decompose(y, t, s, estimator="broja")
    >>> bool(and_gate.certificate.gap <= 1e-9)
    True
    """

    tol: Annotated[float, Positive("a gap in bits")] = 1e-9
    max_memory: Annotated[int, Positive("a number of bytes")] = 2 * 2**30
    compiled: bool = False

    name = "broja"
    measure = "BROJA"
    reference = "bertschinger2014"
    accepts = (Pmf,)
    devices = ("cpu", "cuda")
    certifies = True
    lattice_hint = (
        "BROJA defines no redundancy of antichains beyond two classes; for more sources it has pidkd.union_information"
    )
    laws = frozenset(
        {
            *("symmetric", "relabelling", "zero_rows", "nonnegative", "copy", "constant"),
            *("identity", "independent_identity", "additive"),
        }
    )

    def _redundancies(self, p: FloatArray, ctx: Context) -> RawLattice:
        occurring = p[p.reshape(len(p), -1).any(axis=1)]
        if len(occurring) > 2:
            got = f"'broja' with {len(occurring)} classes"
            raise IncompatibleInputError(Keyword("decompose_lattice", "measure"), "two classes", got, self.lattice_hint)
        return RawLattice(least_gains(occurring) if len(occurring) == 2 else np.zeros(len(lattice(p.ndim - 1))))

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        return self._decompose_batch([data], ctx)[0]

    def _decompose_batch(self, data: Sequence[Pmf], ctx: Context) -> list[Raw]:
        if ctx.device == "cuda":
            raws = self._in_torch(data, ctx)
        else:
            if self.compiled:
                import_extra("numba", "compiled", needed_by="broja(compiled=True)")
            tables, plan = [item.p for item in data], bool({"plan", "local"} & set(ctx.keep))
            raws = decompose_tables(tables, self.tol, int(self.max_memory), ctx.progress, plan, self.compiled)
        if "local" in ctx.keep:
            raws = [with_local(item.p, raw) for item, raw in zip(data, raws, strict=True)]
        return raws

    def _in_torch(self, data: Sequence[Pmf], ctx: Context) -> list[Raw]:
        """Tables of one shape all at once; what that leaves open is finished on the CPU."""
        from pidkd.estimators.solvers.union.accelerated import memory, solve_many

        tol = self.tol * math.log(2)
        by_shape: dict[tuple[int, int, int], list[int]] = defaultdict(list)
        for index, item in enumerate(data):
            n_y, n_t, n_s = item.shape
            if memory((n_y, n_t, n_s)) <= self.max_memory:
                by_shape[n_y, n_t, n_s].append(index)
        raws: dict[int, Raw] = {}
        seen = 0
        for indices in by_shape.values():
            p = np.stack([data[index].p for index in indices])
            for found in solve_many(p, tol / 2, ctx.device):
                known = informations(p[found.members])
                for i, index in enumerate(indices[found.members]):
                    lower, upper = float(found.lower[i]), float(found.upper[i])
                    if upper - lower <= tol:
                        effort = f"{found.iterations[i]} iterations, cells route in torch on {ctx.device}"
                        certificate = Certificate(lower, upper, "optimal", effort)
                        raws[index] = Raw(
                            upper,
                            known[i],
                            certificate,
                            plan=found.plan[i],
                            potentials=(found.potentials.a[i], found.potentials.b[i]),
                            stats={"iterations": int(found.iterations[i])},
                        )
                seen += len(found.lower)
                if ctx.progress is not None:
                    ctx.progress(seen / len(data))
        left = [index for index in range(len(data)) if index not in raws]
        again = dataclasses.replace(ctx, device="cpu", progress=None)
        finished = self._decompose_batch([data[index] for index in left], again) if left else []
        raws |= {i: dataclasses.replace(raw, finished_on_cpu=True) for i, raw in zip(left, finished, strict=True)}
        return [raws[index] for index in range(len(data))]
