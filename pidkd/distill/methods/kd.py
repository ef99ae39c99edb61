"""Knowledge distillation from softened logits."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pidkd.distill.features import Outputs
from pidkd.distill.loss import DistillationLoss, Terms, cross_entropy, softened_kl
from pidkd.distill.method import PositiveNumber, SinglePhaseMethod, Weight


@dataclass(frozen=True)
class KD(SinglePhaseMethod):
    r""":math:`L = w_1 \mathrm{CE}(Y, \hat Y) + w_2 \tau^2 D(p_t \,\|\, p_s)`, :math:`p = \mathrm{softmax}(z/\tau)`.

    The divergence of the student's softened classes from the teacher's, from logits z, in nats, summed over classes and
    averaged over the batch. Phase ``student`` trains the student.

    Parameters
    ----------
    temperature : float
        :math:`\tau`.
    task_weight, weight : float
        :math:`w_1` and :math:`w_2`.

    References
    ----------
    hinton2015
    """

    name = "kd"
    reference = "hinton2015"
    matches = "the softened classes"
    needs_taps = False

    temperature: PositiveNumber = 4.0
    task_weight: Weight = 0.1
    weight: Weight = 0.9

    def loss(self, teacher: Outputs, student: Outputs) -> DistillationLoss:
        """The loss, for networks that put out what one batch shows."""
        return KDLoss(self, teacher, student)


class KDLoss(DistillationLoss):
    """See ``KD``."""

    method: KD

    def terms(self, t_logits: Tensor, s_logits: Tensor, pairs: list[tuple[Tensor, Tensor]], y: Tensor) -> Terms:
        """The task's, and the divergence."""
        return {
            "task": (self.method.task_weight, cross_entropy(s_logits, y)),
            "kd": (self.method.weight, softened_kl(t_logits, s_logits, self.method.temperature)),
        }
