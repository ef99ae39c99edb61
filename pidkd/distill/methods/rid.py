"""Redundant information distillation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor, nn

from pidkd.distill.features import Outputs, Positive, Reduction, full, n_channels, per_channel, pointwise, reduce
from pidkd.distill.loss import DistillationLoss, Head, Terms, cross_entropy
from pidkd.distill.method import LayerWeights, Method, Phase, PositiveNumber, Weight
from pidkd.distill.schedule import alternating
from pidkd.parameters import Fraction, Whole


@dataclass(frozen=True)
class RID(Method):
    r""":math:`\lambda_1 \mathrm{CE}(Y,\hat Y)+\lambda_2 \sum_k w_k(\|\sigma\|^2 + \sum_{chw} \mathrm{E}V^2/\sigma_c)`.

    :math:`V = f_t(T) - f_s(S)` is what two filters leave between teacher and student, and :math:`\sigma_c > 0` is one
    number per channel. This is phase ``student``; it trains the student, ``f_s`` and ``sigma``, while ``f_t`` stands
    still. It takes turns with phase ``filters``, which trains ``f_t`` and its head ``g_t`` by

    .. math:: \sum_k w_k (\mathrm{CE}(Y, g_t(f_t(T))) + \sum_{chw} \mathrm{E} V^2/\sigma_c)

    while student, ``f_s`` and ``sigma`` stand still. Phase ``warm_up`` is the same without its second term. To lower
    both raises a lower bound of Red(Y:T,S).

    Parameters
    ----------
    task_weight, weight : float
        :math:`\lambda_1` and :math:`\lambda_2`.
    reduction : {"mean", "sum"}
        ``"sum"`` is the formula above, as printed; ``"mean"`` has means over channels and positions in place of both
        sums, as the published code does. Weights of one are not those of the other, and
        the optimal :math:`\sigma` is another.
    warm_up, q : int, optional
        Epochs of phase ``warm_up`` at the start; epochs of a cycle after it. Unless given they suit the number of
        epochs: a fifteenth of them for the warm-up, and cycles of 4, 8, 12 and so on, of which about eight go into a
        run of 60 epochs or more.
    r : float
        The part of each cycle, at its start, in phase ``filters``.
    warm_up_within_cycles : bool
        Begin the cycles at once, as ``pidkd.distill.schedule.alternating`` says.
    head : {"flatten", "pool"}
        What ``g_t`` sees of a filter's output: all positions, as published, or each channel's mean over them.
    initial_sigma, floor : float
        :math:`\sigma_c = \mathrm{softplus}(a_c) + \text{floor}` at the start, and what it cannot fall below.
    layer_weights : tuple of float, optional
        :math:`w_k`; all 1 unless given.

    Notes
    -----
    With v the mean of :math:`V^2` in channel c over samples and positions, and M the mean over samples of its sum over
    positions, the optimal :math:`\sigma_c` is :math:`(v/2)^{1/3}` for ``"mean"`` and :math:`(M/2)^{1/3}` for ``"sum"``.
    Filters have two linear maps with norm and ReLU between them, and put out as many channels as the student's layer.

    References
    ----------
    dissanayake2025

    Examples
    --------
    In a custom training loop, the frozen taps and ``start`` are all that the phases ask for:

    >>> import torch
    >>> from pidkd.distill.taps import FeatureTap
    >>> def network(width):
    ...     return nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, 3))
    >>> teacher = FeatureTap(network(16), ["1"], frozen=True)
    >>> student = FeatureTap(network(4), ["1"])
    >>> x, y = torch.randn(32, 5), torch.randint(3, (32,))
    >>> method = RID(warm_up=1, q=2, r=0.5)
    >>> loss = method.loss(teacher(x), student(x))
    >>> for phase in method.schedule(epochs=3):
    ...     loss.start(phase)
    ...     frozen = method.phases[phase].student == "frozen"
    ...     student.freeze(frozen)
    ...     trained = [*loss.trained(phase).values(), *([] if frozen else student.parameters())]
    ...     optimiser = torch.optim.SGD(trained, lr=0.01)  # keep one for each phase, to keep their momentum
    ...     total, terms = loss(teacher(x), student(x), y)
    ...     total.backward()
    ...     optimiser.step()
    ...     optimiser.zero_grad()
    ...     print(phase, *terms)
    warm_up teacher_task
    filters teacher_task matching
    student task matching sigma
    """

    name = "rid"
    reference = "dissanayake2025"
    matches = (
        "filtered features, weighed per channel; "
        "the teacher's filter is fitted to the task and to the student, in turns"
    )
    needs_taps = True

    task_weight: Weight = 1.0
    weight: Weight = 10.0
    reduction: Reduction = "mean"
    warm_up: Annotated[int, Whole(0)] | None = None
    q: Annotated[int, Whole(1)] | None = None
    r: Annotated[float, Fraction()] = 0.25
    warm_up_within_cycles: bool = False
    head: Literal["flatten", "pool"] = "flatten"
    initial_sigma: PositiveNumber = 5.0
    floor: PositiveNumber = 1e-3
    layer_weights: LayerWeights = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("initial_sigma", "a number above the floor", self.initial_sigma > self.floor)

    @property
    def phases(self) -> Mapping[str, Phase]:
        """``warm_up``, ``filters`` and ``student``."""
        filters = Phase("frozen", ("f_t", "g_t"))
        return {"warm_up": filters, "filters": filters, "student": Phase("whole", ("f_s", "sigma"))}

    def schedule(self, epochs: int) -> tuple[str, ...]:
        """Algorithm 1, in its modulo form."""
        warm_up = epochs // 15 if self.warm_up is None else self.warm_up
        q = 4 * max(1, round(epochs / 30)) if self.q is None else self.q
        return alternating(epochs, warm_up=warm_up, q=q, r=self.r, warm_up_within_cycles=self.warm_up_within_cycles)

    def loss(self, teacher: Outputs, student: Outputs) -> DistillationLoss:
        """The loss, for networks that put out what one batch shows."""
        return RIDLoss(self, teacher, student)


class RIDLoss(DistillationLoss):
    """See ``RID``."""

    method: RID

    def build(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        """Filters, the teacher's heads, and sigma."""
        m = self.method
        self.f_t = nn.ModuleList(pointwise(t, [n_channels(t), n_channels(s)]) for t, s in pairs)
        self.f_s = nn.ModuleList(pointwise(s, [2 * n_channels(s), n_channels(s)]) for t, s in pairs)
        # What a filter puts out has the shape of the feature of the student.
        self.g_t = nn.ModuleList(Head(s, self.n_classes, m.head) for _, s in pairs)
        self.sigma = nn.ModuleList(
            Positive(n_channels(s), initial=m.initial_sigma, floor=m.floor).to(s.device) for _, s in pairs
        )

    def terms(self, t_logits: Tensor, s_logits: Tensor, pairs: list[tuple[Tensor, Tensor]], y: Tensor) -> Terms:
        """Terms of the current phase."""
        filtered = [(self.f_t[k](t), s) for k, (t, s) in enumerate(pairs)]
        terms: Terms = {}
        if self.phase == "student":
            terms["task"] = (self.method.task_weight, cross_entropy(s_logits, y))
            terms["matching"] = (self.method.weight, self.over_layers(self._matching, filtered))
            terms["sigma"] = (self.method.weight, self.over_layers(self._penalty, filtered))
            return terms
        of_rows = self.of_rows(y)
        terms["teacher_task"] = (
            1.0,
            self.over_layers(lambda k, t, _: cross_entropy(self.g_t[k](t), of_rows), filtered),
        )
        if self.phase == "filters":
            terms["matching"] = (1.0, self.over_layers(self._matching, filtered))
        return terms

    def _matching(self, k: int, filtered_t: Tensor, s: Tensor) -> Tensor:
        residual = full(filtered_t) - full(self.f_s[k](s))
        return reduce(residual.square() / per_channel(self.sigma[k](), residual), self.method.reduction)

    def _penalty(self, k: int, filtered_t: Tensor, s: Tensor) -> Tensor:
        squares: Tensor = self.sigma[k]().square()
        return squares.mean() if self.method.reduction == "mean" else squares.sum()
