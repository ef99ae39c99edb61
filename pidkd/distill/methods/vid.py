"""Variational information distillation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from pidkd.distill.features import Outputs, Positive, Reduction, full, n_channels, per_channel, pointwise, reduce
from pidkd.distill.loss import DistillationLoss, Terms, cross_entropy
from pidkd.distill.method import LayerWeights, PositiveNumber, SinglePhaseMethod, Weight
from pidkd.parameters import Whole


@dataclass(frozen=True)
class VID(SinglePhaseMethod):
    r""":math:`w_1 \mathrm{CE}(Y, \hat Y) + w_2 \sum_k w_k \operatorname{mean} \tfrac12 [(T - \mu(S))^2/v_c + \ln v_c]`.

    The second term is, but for a constant, the negative log-likelihood of the teacher's features under a Gaussian whose
    mean :math:`\mu` a small network predicts from the student's and whose variance :math:`v_c` is one number per
    channel; to lower it raises a lower bound of I(T;S). Phase ``student`` trains the student, ``mu`` and ``variance``.

    Parameters
    ----------
    task_weight, weight : float
        :math:`w_1` and :math:`w_2`.
    reduction : {"mean", "sum"}
        Mean over samples, channels and positions; or mean over samples of the sum over channels and positions. Weights
        of one are not those of the other.
    depth, width : int
        Linear maps in :math:`\mu`, and the width between them in multiples of the teacher's channels.
    norm : bool
        Whether :math:`\mu` has norms between its maps.
    initial_variance, floor : float
        :math:`v_c = \mathrm{softplus}(a_c) + \text{floor}` at the start, and what it cannot fall below.
    layer_weights : tuple of float, optional
        :math:`w_k`; all 1 unless given.

    Notes
    -----
    At the optimum :math:`v_c` is the mean squared error of channel c. The term has no lower bound but that of the
    floor, and may become negative.

    References
    ----------
    ahn2019
    """

    name = "vid"
    reference = "ahn2019"
    matches = "the features, predicted with a variance per channel"
    needs_taps = True
    parts = ("mu", "variance")

    task_weight: Weight = 1.0
    weight: Weight = 100.0
    reduction: Reduction = "mean"
    depth: Annotated[int, Whole(1, 100)] = 3
    width: Annotated[int, Whole(1, 1_000)] = 2
    norm: bool = True
    initial_variance: PositiveNumber = 5.0
    floor: PositiveNumber = 1e-5
    layer_weights: LayerWeights = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("initial_variance", "a number above the floor", self.initial_variance > self.floor)

    def loss(self, teacher: Outputs, student: Outputs) -> DistillationLoss:
        """The loss, for networks that put out what one batch shows."""
        return VIDLoss(self, teacher, student)


class VIDLoss(DistillationLoss):
    """See ``VID``."""

    method: VID

    def build(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        """The means, and the variances."""
        m = self.method
        self.mu = nn.ModuleList(
            pointwise(s, [*[m.width * n_channels(t)] * (m.depth - 1), n_channels(t)], norm=m.norm) for t, s in pairs
        )
        self.variance = nn.ModuleList(
            Positive(n_channels(t), initial=m.initial_variance, floor=m.floor).to(t.device) for t, _ in pairs
        )

    def terms(self, t_logits: Tensor, s_logits: Tensor, pairs: list[tuple[Tensor, Tensor]], y: Tensor) -> Terms:
        """The task's, and the negative log-likelihood."""
        return {
            "task": (self.method.task_weight, cross_entropy(s_logits, y)),
            "likelihood": (self.method.weight, self.over_layers(self._surprise, pairs)),
        }

    def _surprise(self, k: int, t: Tensor, s: Tensor) -> Tensor:
        variance = per_channel(self.variance[k](), t)
        error = (full(t) - full(self.mu[k](s))).square()
        return reduce((error / variance + variance.log()) / 2, self.method.reduction)
