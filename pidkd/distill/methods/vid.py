"""Variational information distillation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from pidkd.distill.features import Outputs, Positive, Reduction, full, kind, n_channels, per_channel, pointwise, reduce
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
    initial_variance : float, optional
        :math:`v_c = \mathrm{softplus}(a_c) + \text{floor}` at the start. Unless given it is the mean squared error of
        each channel on the outputs that the loss is made for, its optimum there, and at least ten times the floor.
    floor : float
        What no variance falls below.
    layer_weights : tuple of float, optional
        :math:`w_k`; all 1 unless given.

    Notes
    -----
    At the optimum :math:`v_c` is the mean squared error of channel c. The term has no lower bound but that of the
    floor, and may become negative.

    Published with ``weight=100``, ``depth=3`` and ``initial_variance=5`` for hundreds of epochs, as the presets of the
    paper have it. In short runs that pushes the student some 50 times as hard as the task does, and a deep
    :math:`\mu` does the student's work for it: hence other defaults.

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
    weight: Weight = 10.0
    reduction: Reduction = "mean"
    depth: Annotated[int, Whole(1, 100)] = 1
    width: Annotated[int, Whole(1, 1_000)] = 2
    norm: bool = True
    initial_variance: PositiveNumber | None = None
    floor: PositiveNumber = 1e-5
    layer_weights: LayerWeights = None

    def __post_init__(self) -> None:
        super().__post_init__()
        above = self.initial_variance is None or self.initial_variance > self.floor
        self._check("initial_variance", "a number above the floor, or None", above)

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
            Positive(n_channels(t), initial=m.initial_variance or 1.0, floor=m.floor).to(t.device) for t, _ in pairs
        )
        if m.initial_variance is None:
            for mean, variance, (t, s) in zip(self.mu, self.variance, pairs, strict=True):
                if not t.is_meta:  # which has shapes and no values
                    variance.set(_squared_error(mean, t, s).clamp(min=10 * m.floor))  # type: ignore[operator]

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


@torch.no_grad()
def _squared_error(mean: nn.Module, t: Tensor, s: Tensor) -> Tensor:
    """The mean over samples and positions of each channel's squared error, shape (C,)."""
    dtype = next(mean.parameters()).dtype
    error = (full(t) - full(mean.eval()(s.to(dtype)))).square().to(dtype)
    mean.train()
    return error.mean(dim=(0, 2, 3) if kind(t) == "map" else tuple(range(t.dim() - 1)))
