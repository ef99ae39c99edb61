"""No distillation: the student alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pidkd.distill.features import Outputs
from pidkd.distill.loss import DistillationLoss, Terms, cross_entropy
from pidkd.distill.method import SinglePhaseMethod


@dataclass(frozen=True)
class Undistilled(SinglePhaseMethod):
    r""":math:`L = \mathrm{CE}(Y, \hat Y)`: what a student learns without a teacher, the baseline (BAS) of the rest.

    Phase ``student`` trains the student.

    References
    ----------
    dissanayake2025
    """

    name = "none"
    reference = "dissanayake2025"
    matches = "nothing"
    needs_taps = False
    needs_teacher = False

    def loss(self, teacher: Outputs, student: Outputs) -> DistillationLoss:
        """The loss, for networks that put out what one batch shows."""
        return UndistilledLoss(self, teacher, student)


class UndistilledLoss(DistillationLoss):
    """See ``Undistilled``."""

    def terms(self, t_logits: Tensor, s_logits: Tensor, pairs: list[tuple[Tensor, Tensor]], y: Tensor) -> Terms:
        """The task's."""
        return {"task": (1.0, cross_entropy(s_logits, y))}
