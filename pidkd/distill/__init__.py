"""Distillation of a teacher into a student, audited by partial information decomposition."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pidkd.audits.auditing import audit
from pidkd.audits.pair import AuditedPair
from pidkd.audits.report import AuditReport
from pidkd.distill.architectures import build_model, list_models
from pidkd.distill.dataset import ImageData, list_data, load_data
from pidkd.distill.experiments.config import Config
from pidkd.distill.experiments.loading import list_presets, load_config
from pidkd.distill.method import get_method, list_methods
from pidkd.distill.text_data import TextData
from pidkd.distill.training.recipe import Recipe
from pidkd.errors import import_extra

if TYPE_CHECKING:
    from pidkd.distill.taps import FeatureTap
    from pidkd.distill.teacher_ensemble import TeacherEnsemble
    from pidkd.distill.training.capturing import capture
    from pidkd.distill.training.engine import TrainResult, train
    from pidkd.distill.training.evaluation import evaluate
    from pidkd.distill.training.monitor import Monitor, prospect

_WITH_TORCH = {
    "FeatureTap": "pidkd.distill.taps",
    "Monitor": "pidkd.distill.training.monitor",
    "TeacherEnsemble": "pidkd.distill.teacher_ensemble",
    "TrainResult": "pidkd.distill.training.engine",
    "capture": "pidkd.distill.training.capturing",
    "evaluate": "pidkd.distill.training.evaluation",
    "prospect": "pidkd.distill.training.monitor",
    "train": "pidkd.distill.training.engine",
}
"""Public names whose modules import torch, each with its module."""

__all__ = [
    "AuditReport",
    "AuditedPair",
    "Config",
    "FeatureTap",
    "ImageData",
    "Monitor",
    "Recipe",
    "TeacherEnsemble",
    "TextData",
    "TrainResult",
    "audit",
    "build_model",
    "capture",
    "evaluate",
    "get_method",
    "list_data",
    "list_methods",
    "list_models",
    "list_presets",
    "load_config",
    "load_data",
    "prospect",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _WITH_TORCH:
        import_extra("torch", "train", needed_by=f"pidkd.distill.{name}")
        return getattr(importlib.import_module(_WITH_TORCH[name]), name)
    raise AttributeError(f"module 'pidkd.distill' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *__all__})
