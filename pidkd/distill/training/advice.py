"""Faults of a run that its log tells, with their remedies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEAVY = 30.0
"""Times the task's gradient above which the task starves, where there is no cap."""

ALIGNED = 0.4
"""Cosine with the task's gradient from which matching serves the task, however hard it pushes."""

OPPOSED = -0.7
"""Cosine below which matching undoes what the task does: seen with teachers that do not know the labels."""

LIGHT = 0.5
"""Times the task's gradient below which nothing is gained once all labels are fitted."""

FITTED = 0.999
"""Training accuracy at which all labels are fitted."""

CLIPPED = 0.2
"""Mean factor of clipping below which a learning rate is not what it says."""

ROOM = 0.04
"""Training accuracy less that on held-out data, below which a student has nothing to regularise."""


def advice_on(
    row: Mapping[str, Any], method: str, *, gate: float = 1.0, is_capped: bool = False, is_last: bool = False
) -> dict[str, str]:
    """Warnings about an epoch, a line for each kind of fault.

    Parameters
    ----------
    row : mapping
        The epoch's row of the log.
    method : str
    gate : float
        A gate that is not open explains matching that has no say.
    is_capped : bool
        Whether there is a cap. What pushes harder all the same is on logits, and is judged by its direction alone.
    is_last : bool
        Whether it is the last epoch, after which the student's room is judged.

    Examples
    --------
    >>> row = {"epoch": 7, "balance": {"ratio": 57.2, "factor": 1.0, "cosine": 0.1}, "train_accuracy": 0.6}
    >>> print(advice_on(row, "vid")["heavy"])
    epoch 7: matching pushes the student 57 times as hard as the task; lower methods.vid.weight, or set recipe.cap
    """
    lines, epoch = {}, f"epoch {row['epoch']}"
    balance, accuracy = row.get("balance", {}), row.get("train_accuracy")
    if balance.get("ratio") is not None:
        ratio, cosine = balance["ratio"] * balance["factor"], balance["cosine"]
        if ratio > HEAVY and cosine < ALIGNED and not is_capped:
            lines["heavy"] = (
                f"{epoch}: matching pushes the student {ratio:.0f} times as hard as the task; "
                f"lower methods.{method}.weight, or set recipe.cap"
            )
        if ratio > LIGHT and cosine < OPPOSED:
            lines["opposed"] = (
                f"{epoch}: matching pushes the student against the task (cosine {cosine:.2f}), as with a teacher that "
                f"does not know the labels; look at the teacher (pidkd prospect), lower methods.{method}.weight, or "
                "set gate=information"
            )
        if ratio < LIGHT and gate == 1 and accuracy is not None and accuracy >= FITTED:
            lines["light"] = (
                f"{epoch}: all training labels are fitted and matching pushes the student only {ratio:.2g} times as "
                f"hard as the task, so that distillation has no say; raise methods.{method}.weight"
            )
    for group in ("student", "all"):
        factor = row.get("clip", {}).get(group, 1.0)
        if factor < CLIPPED:
            lines["clipped"] = (
                f"{epoch}: clipping multiplies the gradient of {group} by {factor:.2g} on average, so that the "
                f"learning rate is not what it says; raise recipe.clip, or lower recipe.lr or methods.{method}.weight"
            )
    held_out = row.get("held_out_accuracy", row.get("valid_accuracy"))
    is_judged = is_last and method != "none"
    if is_judged and accuracy is not None and held_out is not None and accuracy < min(FITTED, held_out + ROOM):
        lines["room"] = (
            f"training accuracy {accuracy:.1%} is close to {held_out:.1%} on held-out data: the student has no room "
            "for what a teacher adds; make it wider, train it longer, or give it fewer labels"
        )
    return lines
