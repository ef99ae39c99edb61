"""The procedure of the RID paper in one call: PCA, k-means, counting, and BROJA of the table of cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pidkd.errors import InputError, SmallSampleWarning
from pidkd.estimator import Context
from pidkd.estimators.solvers.union.pointwise import with_local
from pidkd.estimators.solvers.union.tables import decompose_tables
from pidkd.info import too_few_samples
from pidkd.inputs import Activations, Codes
from pidkd.parameters import Positive, Whole
from pidkd.pid import PIDEstimator, Raw
from pidkd.registry import get_estimator
from pidkd.result import NATS_PER

if TYPE_CHECKING:
    from pidkd.quantize import Quantizer

MAX_MEMORY = 2 * 2**30
"""Bytes that the solver may use."""


@dataclass(frozen=True)
class KMeans(PIDEstimator):
    r""":math:`\mathrm{Uni}(Y:c(T)\setminus c(S))` of BROJA, with codes :math:`c` by PCA and k-means of each source.

    Cells are fitted on the samples that are then counted, as in the paper, and both steps bias information upwards:
    under independence :math:`I(Y;T)` reads about :math:`(|Y|-1)(k-1)/2n` nats for ``n_clusters`` = k, and
    :math:`I(Y;T,S)` about :math:`(|Y|-1)(k^2-1)/2n`, nearly all of it synergy. The certificate holds for the table of
    counts, not for the activations. ``pidkd.audit`` does the same with chance levels, and with held-out counting.

    Parameters
    ----------
    n_components : int or None, default 10
        Principal components of each source that are kept; None keeps all.
    n_clusters : int, default 10
        Cells of each source.
    normalise : bool, default False
        Scale each sample to unit L2 norm first, as the paper's code does and its text does not say.
    n_init : int, default 10
        Starts of k-means.
    tol : float, default 1e-9
        Certified gap, in bits, at which the answer counts as optimal.

    References
    ----------
    dissanayake2025, liang2023

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> y = np.arange(400) % 4
    >>> t, s = np.eye(4)[y], np.eye(2)[y % 2]  # the student only tells odd from even
    >>> result = pidkd.decompose(y, t, s, estimator="kmeans", n_clusters=2)
    >>> round(result.mi_s, 6)
    1.0
    """

    n_components: Annotated[int, Whole(1)] | None = 10
    n_clusters: Annotated[int, Whole(2)] = 10
    normalise: bool = False
    n_init: Annotated[int, Whole(1, 1_000)] = 10
    tol: Annotated[float, Positive("a gap in bits")] = 1e-9

    name = "kmeans"
    measure = "BROJA of cells"
    reference = "dissanayake2025"
    accepts = (Activations,)
    target = "discrete"
    certifies = True
    lattice_hint = "BROJA defines no redundancy of antichains; for more sources it has pidkd.union_information"
    exactness = "sampled"
    laws = frozenset({"symmetric", "nonnegative", "copy"})

    def _quantizer(self, seed: int) -> Quantizer:
        from pidkd.quantize import Quantizer

        return Quantizer(self.n_components, self.n_clusters, normalise=self.normalise, n_init=self.n_init, seed=seed)

    def steps(self, seed: int) -> tuple[Quantizer, PIDEstimator]:
        """The quantizer of each source, and the estimator of the codes: an audit quantises each layer once."""
        solver: PIDEstimator = get_estimator("broja")(tol=self.tol)
        return self._quantizer(seed), solver

    def _decompose(self, data: Activations, ctx: Context) -> Raw:
        codes = []
        for name, values in (("t", data.t), ("s", data.s)):
            try:
                codes.append(self._quantizer(ctx.seed).fit_transform(values))
            except InputError as error:
                raise error.at(f"kmeans, source {name}, {error.where}") from error
        t, s = codes
        cells = Codes(data.y, t, s, data.groups)
        table = cells.pmf().p
        [raw] = decompose_tables([table], self.tol, MAX_MEMORY, ctx.progress, plan="local" in ctx.keep)
        if "local" in ctx.keep:
            raw = with_local(table, raw)
            raw = replace(raw, local={name: values[cells.cells] for name, values in (raw.local or {}).items()})
        message = f"of the table of cells; {raw.certificate.message}"
        few = too_few_samples(cells, raw.information.both / NATS_PER["bits"])
        concerns = [(SmallSampleWarning, f"kmeans: {few}")] if few else []
        return replace(raw, certificate=replace(raw.certificate, message=message), concerns=concerns)
