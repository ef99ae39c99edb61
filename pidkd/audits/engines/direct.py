"""Audits by any other estimator of activations: each pair is handed to it as it is, whole and in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from pidkd.audits.engine import AuditEngine, Reading, one_hot
from pidkd.audits.options import AuditOptions
from pidkd.decomposition import decompose
from pidkd.files.layer import Layer
from pidkd.inputs import Activations
from pidkd.pid import PIDEstimator
from pidkd.result import PIDResult
from pidkd.uncertainty import Permutation


class DirectEngine(AuditEngine):
    """Estimators of activations that no other engine serves, built in or from another package."""

    name = "direct"
    last = True
    in_torch = True
    shuffles = 2

    @classmethod
    def serves(cls, estimator: PIDEstimator, continuous: bool) -> bool:
        """Whether it decomposes activations with a target of this kind."""
        return Activations in estimator.accepts and estimator.target in (
            "any",
            "continuous" if continuous else "discrete",
        )

    def check(self, options: AuditOptions) -> None:
        """Refuse cells, intervals where the estimator has its own, and what the estimator does not know."""
        with_this = f"with estimator {self.estimator.name!r}"
        self.refuse_cells(f"{with_this}, which decomposes activations")
        if self.estimator.cross_fitted and any(method.fills == "interval" for method in options.methods):
            raise self.refuse("uncertainty", f"'auto' {with_this}, which has its own intervals", "others")
        self.settle_device()
        self.use_max_memory()

    def read(self, layer: Layer, values: Any) -> Reading:
        """The layer, with the probe of activations."""
        beside = self.probed(values) if self.discrete and not layer.is_codes else {}
        return Reading(layer.where, layer, {}, **beside)

    @property
    def discrete(self) -> bool:
        """Whether the target holds labels."""
        return self.target.dtype.kind != "f"

    def measure(self, t: Reading, s: Reading) -> PIDResult:
        """Atoms as the estimator gives them, and the null of shuffled labels."""
        options, methods = self.options, self.options.methods
        if self.n_shuffles and not any(isinstance(method, Permutation) for method in methods):
            methods.append(Permutation(n=self.n_shuffles))
        return decompose(
            Activations(self.target, t.values, s.values, self.groups, "auto" if self.discrete else "continuous"),
            estimator=self.estimator,
            seed=options.seed,
            units=options.units,
            device=options.device,
            keep=("local",) if options.local else (),  # what an estimator does not have is refused
            uncertainty=methods or None,
            by=self.by,
        )

    def values(self, reading: Reading) -> Any:
        """The values of the layer, whole, as floats; codes as a column for each."""
        values = np.asarray(super().values(reading))
        if reading.layer is not None:
            values = one_hot(reading.layer, values)
        return values if values.dtype.kind == "f" else values.astype(np.float32)

    def describe(self) -> dict[str, Any]:
        """Shuffles, and samples of the probe."""
        return {
            "quantizer": None,
            "counted_on": len(self.target),
            "shuffles": self.n_shuffles,
            "probed_on": len(self.rows),
        }
