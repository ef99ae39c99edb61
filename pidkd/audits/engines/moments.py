"""Audits of a continuous target: second moments of a pair, read in one stream, and their Gaussian decomposition."""

from __future__ import annotations

import dataclasses
from typing import Any

from pidkd.arrays import Array
from pidkd.audits.engine import AuditEngine, Reading
from pidkd.audits.options import AuditOptions
from pidkd.decomposition import decompose
from pidkd.errors import InputError, Keyword
from pidkd.files.layer import Layer
from pidkd.inputs import Gaussian
from pidkd.inputs.moments import Moments
from pidkd.pid import PIDEstimator
from pidkd.registry import get_estimator
from pidkd.result import PIDResult

WIDEST = 300
"""Columns together up to which the split between atoms is corrected for bias unless something else is asked for."""

UNCORRECTED = (
    f"more than {WIDEST} columns: the atoms of the sample covariance, without correction for bias and without intervals"
)


class MomentsEngine(AuditEngine):
    """Estimators of jointly Gaussian variables."""

    name = "moments"

    @classmethod
    def serves(cls, estimator: PIDEstimator, continuous: bool) -> bool:
        """Whether it decomposes covariances, for a continuous target."""
        return continuous and Gaussian.__name__ in estimator.accepted_kinds()

    def check(self, options: AuditOptions) -> None:
        """Refuse cells, shuffles, resampling, atoms of single samples, and an accelerator."""
        self.refuse_cells("where the target is continuous, as there are no cells")
        if options.shuffles:
            raise self.refuse(
                "shuffles", "none where the target is continuous, as moments are kept", f"{options.shuffles}"
            )
        if options.uncertainty is not None and options.uncertainty != "auto":
            hint = "estimator 'gaussian' has intervals of its own"
            raise self.refuse(
                "uncertainty", "'auto' where the target is continuous, as moments are kept", "others", hint
            )
        self.refuse_local()
        self.refuse_accelerator()

    def read(self, layer: Layer, values: Any) -> Reading:
        """The layer itself: moments are those of a pair."""
        if layer.is_codes:
            raise InputError(layer.where, "activations, as the target is continuous", "codes")
        return Reading(layer.where, layer, {})

    def measure(self, t: Reading, s: Reading) -> PIDResult:
        """Atoms of Gaussian variables with the same moments."""
        moments = Moments()
        moments.update(self.target, t.values, s.values)
        try:
            data = moments.finish(drop_collinear=True)
        except InputError as error:
            raise error.at(f"{t.where}, {s.where}") from None
        data, grouped = self._of_groups(data)
        wide = len(data.cov) > WIDEST and self.estimator == get_estimator("gaussian")()
        params: dict[str, Any] = {"debias": "none"} if wide else {}
        options = self.options
        result = decompose(data, estimator=self.estimator, seed=options.seed, units=options.units, **params)
        warnings = (*result.warnings, *grouped, *([UNCORRECTED] if wide else []))
        n_samples, dims = len(self.target), list(data.dims)
        return dataclasses.replace(result, n_samples=n_samples, warnings=warnings, provenance={"dims": dims})

    def _of_groups(self, data: Gaussian) -> tuple[Gaussian, list[str]]:
        """The moments with the number of groups as that of independent samples, and a note that says so."""
        if self.groups is None:
            return data, []
        n_groups = int(self.groups.max()) + 1
        try:
            data = dataclasses.replace(data, n_samples=n_groups)
        except InputError as error:
            hint = "any such data look deterministic; audit narrower layers"
            expected = f"more groups than the {len(data.cov)} independent columns of y, t and s"
            raise InputError(Keyword("audit", "groups"), expected, f"{n_groups}", hint) from error
        return data, [f"gaussian: bias and errors are those of {n_groups} independent samples, one for each group"]

    def describe(self) -> dict[str, Any]:
        """Number of samples."""
        return {"counted_on": len(self.target)}

    def layer_key(self) -> tuple[list[Any], list[Array]]:
        """Nothing is made of a layer."""
        return [self.name], []
