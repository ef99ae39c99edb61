"""pidkd: what does a teacher know about the task that its student does not?

Partial information decomposition with certificates, and knowledge distillation audited with it. Beside the names listed
in ``__all__``, each estimator's class is a name of the package, such as ``pidkd.BROJA``: they are found, not listed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pidkd import _starting as _starting  # before all that takes time to be imported
from pidkd import errors
from pidkd._version import __version__ as __version__
from pidkd.batch import PIDBatch
from pidkd.citing import cite
from pidkd.comparison import Comparison, compare
from pidkd.contribution_result import ContributionResult
from pidkd.decomposition import decompose, decompose_batch
from pidkd.dependence import mi_score, mutual_information
from pidkd.ensemble import contributions, union_information
from pidkd.inputs import Activations, Codes, Gaussian, Pmf, Posteriors
from pidkd.inputs.moments import Moments
from pidkd.lattice import LatticeResult
from pidkd.lattice_decomposition import decompose_lattice
from pidkd.mi import MIResult
from pidkd.registry import estimator_classes, get_estimator, list_estimators
from pidkd.result import Certificate, PIDResult
from pidkd.uncertainty import Bootstrap, Jackknife, Permutation
from pidkd.union_result import UnionResult

if TYPE_CHECKING:
    from pidkd.audits.auditing import audit
    from pidkd.audits.report import AuditReport
    from pidkd.quantize import Quantizer

_ON_FIRST_USE = {
    "AuditReport": "pidkd.audits.report",
    "audit": "pidkd.audits.auditing",
    "Quantizer": "pidkd.quantize",
}
"""Public names whose modules need more than numpy, each with its module."""

_PACKAGES = ("distill", "integrations", "synthetic", "testing")
"""Packages beside them, imported on first use."""

__all__ = [
    "Activations",
    "AuditReport",
    "Bootstrap",
    "Certificate",
    "Codes",
    "Comparison",
    "ContributionResult",
    "Gaussian",
    "Jackknife",
    "LatticeResult",
    "MIResult",
    "Moments",
    "PIDBatch",
    "PIDResult",
    "Permutation",
    "Pmf",
    "Posteriors",
    "Quantizer",
    "UnionResult",
    "audit",
    "cite",
    "compare",
    "contributions",
    "decompose",
    "decompose_batch",
    "decompose_lattice",
    "errors",
    "get_estimator",
    "list_estimators",
    "mi_score",
    "mutual_information",
    "union_information",
]


def __getattr__(name: str) -> Any:
    if name in _ON_FIRST_USE:
        return getattr(importlib.import_module(_ON_FIRST_USE[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"pidkd.{name}")
    if not name.startswith("_") and name in (classes := estimator_classes()):
        return classes[name]
    raise AttributeError(f"module 'pidkd' has no attribute {name!r}")


def __dir__() -> list[str]:
    own = [name for name in globals() if name.startswith("__")]
    return sorted({*own, *__all__, *_PACKAGES, *estimator_classes()})
