"""Outputs of a teacher on a few training samples, so that its scale or its faults are not taken for a lesson."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from pidkd.distill.feeding import batch_length, take_rows
from pidkd.distill.training.batches import Batches, InMemory
from pidkd.distill.training.labels import Batch, classes_of
from pidkd.distill.training.run import Run

N_CHECKED = 256
"""Samples that the teacher is looked at with."""

LARGE = 20.0
"""Standard deviation of features above which they are not normalised."""


@torch.no_grad()
def check_teacher(run: Run) -> dict[str, Any]:
    """Standard deviations of logits and features, and the accuracy, on a few training samples.

    Returns
    -------
    dict
        "n_samples"; "accuracy", or None where its classes are not the student's; "logits"; "features", by layer.
    """
    teacher = run.teacher
    if teacher is None:
        return {}
    x, y = _sample(run.train)
    with run.runtime.autocast():
        logits, features = teacher(x)
    same = logits.shape[-1] == run.step.loss.n_classes
    return {
        "n_samples": len(y),
        "accuracy": (logits.argmax(1) == classes_of(y)).float().mean().item() if same else None,
        "logits": _spread(logits),
        "features": {path: _spread(feature) for path, feature in features.items()},
    }


def remarks_on(teacher: dict[str, Any], n_classes: int) -> list[str]:
    """Warnings about a teacher before it is imitated."""
    lines = []
    if teacher.get("accuracy") is not None:
        chance, n = 1 / n_classes, teacher["n_samples"]
        if teacher["accuracy"] < chance + 2 * math.sqrt(chance * (1 - chance) / n) + 0.05:
            lines.append(
                f"the teacher reaches {teacher['accuracy']:.1%} accuracy on {n} training samples, near chance "
                f"({chance:.1%}): is it trained, and do its weights belong to this network, its channels in this order?"
            )
    large = {path: spread for path, spread in teacher.get("features", {}).items() if spread > LARGE}
    if large:
        path, spread = max(large.items(), key=lambda item: item[1])
        lines.append(
            f"features of the teacher's {path} have standard deviation {spread:,.0f}: statistics of its BatchNorm "
            "layers may not be those of the data; what a method that matches them does is a matter of scale"
        )
    return lines


def _sample(batches: Batches) -> Batch:
    """A few samples of all classes; of a loader its first batch."""
    if not isinstance(batches, InMemory):
        x, y = batches.first()
        return (x, y) if batch_length(x) is None else (take_rows(x, slice(N_CHECKED)), y[:N_CHECKED])
    rows = torch.randperm(batches.n_samples, generator=torch.Generator().manual_seed(0))[:N_CHECKED]
    rows = rows.to(batches.device)
    return batches.inputs(rows), batches.y[rows]


def _spread(x: Tensor) -> float:
    """The standard deviation over all elements."""
    return x.float().std(correction=0).item()
