"""Attention transfer: where a layer is active, not by what."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from pidkd.distill.features import Outputs, full, kind
from pidkd.distill.loss import DistillationLoss, Terms, cross_entropy
from pidkd.distill.method import LayerWeights, SinglePhaseMethod, Weight
from pidkd.errors import InputError


@dataclass(frozen=True)
class AT(SinglePhaseMethod):
    r""":math:`L = w_1 \mathrm{CE}(Y, \hat Y) + w_2 \sum_k w_k \operatorname{mean} (a(T^{(k)}) - a(S^{(k)}))^2`.

    :math:`a(h)` is the attention: at each position the mean of :math:`h^2` over channels, then divided by its Euclidean
    norm over positions. The mean is over samples and positions. Phase ``student`` trains the student.

    Parameters
    ----------
    task_weight, weight : float
        :math:`w_1` and :math:`w_2`.
    layer_weights : tuple of float, optional
        :math:`w_k`; all 1 unless given.

    Notes
    -----
    Neither scale nor order of channels matters, so widths need not agree. With HW positions, a layer's term lies
    between 0 and 2/(HW). Vectors have no positions and are refused. The larger map is average-pooled to the smaller.

    References
    ----------
    zagoruyko2017
    """

    name = "at"
    reference = "zagoruyko2017"
    matches = "where a layer is active"
    needs_taps = True

    task_weight: Weight = 1.0
    weight: Weight = 1000.0
    layer_weights: LayerWeights = None

    def loss(self, teacher: Outputs, student: Outputs) -> DistillationLoss:
        """The loss, for networks that put out what one batch shows."""
        return ATLoss(self, teacher, student)


class ATLoss(DistillationLoss):
    """See ``AT``."""

    method: AT

    def build(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        """No parts, but a check."""
        for t, _ in pairs:
            if kind(t) == "vector":
                raise InputError(
                    "at: taps", "layers with positions (maps, or tokens without padding)", f"a vector {tuple(t.shape)}"
                )

    def terms(self, t_logits: Tensor, s_logits: Tensor, pairs: list[tuple[Tensor, Tensor]], y: Tensor) -> Terms:
        """The task's, and the distance of attentions."""
        return {
            "task": (self.method.task_weight, cross_entropy(s_logits, y)),
            "attention": (self.method.weight, self.over_layers(_distance, pairs)),
        }


def attention(feature: Tensor) -> Tensor:
    r""":math:`a(h)`, shape (B, positions), each row of Euclidean norm 1."""
    channels = 1 if kind(feature) == "map" else -1
    return functional.normalize(full(feature).square().mean(dim=channels).flatten(1))


def _distance(k: int, t: Tensor, s: Tensor) -> Tensor:
    return (attention(t) - attention(s)).square().mean()
