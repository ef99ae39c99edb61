"""Task-aware layer-wise distillation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from pidkd.distill.features import Outputs, full, n_channels, pointwise
from pidkd.distill.loss import DistillationLoss, Head, Terms, cross_entropy, softened_kl
from pidkd.distill.method import LayerWeights, Method, Phase, PositiveNumber, Weight
from pidkd.distill.schedule import two_stages
from pidkd.parameters import Fraction


@dataclass(frozen=True)
class TED(Method):
    r""":math:`L = w_1 \mathrm{CE}(Y, \hat Y) + w_2 \overline{(f_t(T) - f_s(S))^2} + w_3 L_\text{KD}`.

    Two stages. Phase ``filters`` trains the filters and heads of both networks, each by the mean over layer pairs of
    its :math:`\mathrm{CE}(Y, g(f(\cdot)))`, while the networks stand still. Phase ``student`` drops the heads and
    trains the student and ``f_s`` by L; teacher and ``f_t`` stand still. The bar is the mean over all elements and
    layer pairs.

    Parameters
    ----------
    filters : float
        The part of all epochs in phase ``filters``, in [0, 1); one epoch at least, unless it is 0.
    task_weight, weight, kd_weight : float
        :math:`w_1`, :math:`w_2` and :math:`w_3`.
    temperature : float
        That of :math:`L_\text{KD}`.
    head : {"flatten", "pool"}
        What a head sees of a filter's output: all positions, or each channel's mean over them.
    layer_weights : tuple of float, optional
        Weights of the mean over layer pairs.

    Notes
    -----
    It is meant to start from a student that was trained without a teacher. Filters have two linear maps with norm and
    ReLU between them, and put out as many channels as the student's layer.

    References
    ----------
    liang2023b
    """

    name = "ted"
    reference = "liang2023b"
    matches = "filtered features; both filters are first fitted to the task, once"
    needs_taps = True

    filters: Annotated[float, Fraction(ends="[)")] = 1 / 8
    task_weight: Weight = 1.0
    weight: Weight = 10.0
    kd_weight: Weight = 0.0
    temperature: PositiveNumber = 2.0
    head: Literal["flatten", "pool"] = "flatten"
    layer_weights: LayerWeights = None

    @property
    def phases(self) -> Mapping[str, Phase]:
        """``filters`` and ``student``."""
        return {"filters": Phase("frozen", ("f_t", "g_t", "f_s", "g_s")), "student": Phase("whole", ("f_s",))}

    def schedule(self, epochs: int) -> tuple[str, ...]:
        """The filters' epochs first."""
        return two_stages(epochs, first="filters", fraction=self.filters)

    def loss(self, teacher: Outputs, student: Outputs) -> DistillationLoss:
        """The loss, for networks that put out what one batch shows."""
        return TEDLoss(self, teacher, student)


class TEDLoss(DistillationLoss):
    """See ``TED``."""

    method: TED

    def build(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        """Filters and heads of both networks."""
        self.f_t = nn.ModuleList(pointwise(t, [n_channels(t), n_channels(s)]) for t, s in pairs)
        self.f_s = nn.ModuleList(pointwise(s, [2 * n_channels(s), n_channels(s)]) for t, s in pairs)
        # What a filter puts out has the shape of the feature of the student.
        self.g_t = nn.ModuleList(Head(s, self.n_classes, self.method.head) for _, s in pairs)
        self.g_s = nn.ModuleList(Head(s, self.n_classes, self.method.head) for _, s in pairs)

    def terms(self, t_logits: Tensor, s_logits: Tensor, pairs: list[tuple[Tensor, Tensor]], y: Tensor) -> Terms:
        """The heads', or the student's."""
        if self.phase == "filters":
            y = self.of_rows(y)
            teacher = self._mean([cross_entropy(self.g_t[k](self.f_t[k](t)), y) for k, (t, _) in enumerate(pairs)])
            student = self._mean([cross_entropy(self.g_s[k](self.f_s[k](s)), y) for k, (_, s) in enumerate(pairs)])
            return {"teacher_task": (1.0, teacher), "student_task": (1.0, student)}
        errors = [(full(self.f_t[k](t)) - full(self.f_s[k](s))).square().mean() for k, (t, s) in enumerate(pairs)]
        terms: Terms = {
            "task": (self.method.task_weight, cross_entropy(s_logits, y)),
            "matching": (self.method.weight, self._mean(errors)),
        }
        if self.method.kd_weight:
            terms["kd"] = (self.method.kd_weight, softened_kl(t_logits, s_logits, self.method.temperature))
        return terms

    def _mean(self, values: list[Tensor]) -> Tensor:
        weighted = [weight * value for weight, value in zip(self.layer_weights, values, strict=True)]
        mean: Tensor = torch.stack(weighted).sum() / sum(self.layer_weights)
        return mean
