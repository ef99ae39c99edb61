"""Distillation of a teacher into a student, audited by partial information decomposition."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pidkd.distill.auditing import AuditedPair, AuditReport, audit
from pidkd.distill.method import get_method, list_methods
from pidkd.errors import import_extra

if TYPE_CHECKING:
    from pidkd.distill.taps import FeatureTap

_WITH_TORCH = {"FeatureTap": "pidkd.distill.taps"}
"""Public names whose modules import torch, each with its module."""

__all__ = ["AuditReport", "AuditedPair", "FeatureTap", "audit", "get_method", "list_methods"]


def __getattr__(name: str) -> Any:
    if name in _WITH_TORCH:
        import_extra("torch", "train", needed_by=f"pidkd.distill.{name}")
        return getattr(importlib.import_module(_WITH_TORCH[name]), name)
    raise AttributeError(f"module 'pidkd.distill' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
