"""FitNets: hints from the middle of the teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from pidkd.distill.features import Outputs, full, n_channels, pointwise
from pidkd.distill.loss import DistillationLoss, Terms, cross_entropy, softened_kl
from pidkd.distill.method import LayerWeights, Method, Phase, PositiveNumber, Weight
from pidkd.distill.schedule import two_stages
from pidkd.parameters import Fraction


@dataclass(frozen=True)
class FitNet(Method):
    r""":math:`L_\text{hint} = \sum_k w_k \operatorname{mean} (T^{(k)} - r_k(S^{(k)}))^2`, then KD.

    Two stages, as published. Phase ``hint`` trains the student up to its tapped layers, and the regressors :math:`r_k`,
    by :math:`w_2 L_\text{hint}` alone. Phase ``student`` then trains the whole student by
    :math:`w_1 \mathrm{CE}(Y, \hat Y) + w_3 L_\text{KD}`. With ``hint=0`` there is one stage, in which phase ``student``
    trains the student and the regressors by all three terms; many implementations call that FitNet.

    Parameters
    ----------
    hint : float
        The part of all epochs in phase ``hint``, in [0, 1); one epoch at least, unless it is 0.
    task_weight, weight, kd_weight : float
        :math:`w_1`, :math:`w_2` and :math:`w_3`.
    temperature : float
        That of :math:`L_\text{KD}`.
    layer_weights : tuple of float, optional
        :math:`w_k`; all 1 unless given.

    Notes
    -----
    The regressor is one linear map of the channels, without norm or ReLU, so that hints may be negative. A larger map
    is average-pooled to the smaller. In phase ``hint`` the later layers of a student run too, and their BatchNorm
    statistics move, but their parameters do not.

    References
    ----------
    romero2015
    """

    name = "fitnet"
    reference = "romero2015"
    matches = "the features, through a linear map of the student's"
    needs_taps = True

    hint: Annotated[float, Fraction(ends="[)")] = 0.25
    task_weight: Weight = 1.0
    weight: Weight = 100.0
    kd_weight: Weight = 1.0
    temperature: PositiveNumber = 4.0
    layer_weights: LayerWeights = None

    @property
    def phases(self) -> Mapping[str, Phase]:
        """``hint`` and ``student``, or the latter alone."""
        if self.hint == 0:
            return {"student": Phase("whole", ("regressor",))}
        return {"hint": Phase("guided", ("regressor",)), "student": Phase("whole")}

    def schedule(self, epochs: int) -> tuple[str, ...]:
        """The hint's epochs first."""
        return two_stages(epochs, first="hint", fraction=self.hint)

    def loss(self, teacher: Outputs, student: Outputs) -> DistillationLoss:
        """The loss, for networks that put out what one batch shows."""
        return FitNetLoss(self, teacher, student)


class FitNetLoss(DistillationLoss):
    """See ``FitNet``."""

    method: FitNet

    def build(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        """The regressors."""
        self.regressor = nn.ModuleList(pointwise(s, [n_channels(t)]) for t, s in pairs)

    def terms(self, t_logits: Tensor, s_logits: Tensor, pairs: list[tuple[Tensor, Tensor]], y: Tensor) -> Terms:
        """The hint's, or the task's and the divergence, or all three."""
        terms: Terms = {}
        if self.phase == "student":
            terms["task"] = (self.method.task_weight, cross_entropy(s_logits, y))
            if self.method.kd_weight:
                terms["kd"] = (self.method.kd_weight, softened_kl(t_logits, s_logits, self.method.temperature))
        if "regressor" in self.method.phases[self.phase].parts:
            terms["hint"] = (self.method.weight, self.over_layers(self._error, pairs))
        return terms

    def _error(self, k: int, t: Tensor, s: Tensor) -> Tensor:
        return (full(t) - full(self.regressor[k](s))).square().mean()
