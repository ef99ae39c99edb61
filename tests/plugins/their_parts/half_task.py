"""The task, weighed."""

from __future__ import annotations

from dataclasses import dataclass

from pidkd.distill.loss import DistillationLoss, cross_entropy
from pidkd.distill.method import SinglePhaseMethod, Weight


@dataclass(frozen=True)
class HalfTask(SinglePhaseMethod):
    """Half the cross entropy."""

    name = "half_task"
    reference = "hinton2015"
    matches = "nothing"
    needs_taps = False
    needs_teacher = False

    task_weight: Weight = 0.5

    def loss(self, teacher, student):
        return HalfTaskLoss(self, teacher, student)


class HalfTaskLoss(DistillationLoss):
    """See HalfTask."""

    def terms(self, t_logits, s_logits, pairs, y):
        return {"task": (self.method.task_weight, cross_entropy(s_logits, y))}
