"""Base class of the distillation losses: phases, frozen parts, and the sum of weighted terms."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pidkd.distill.features import Outputs, align, full, kind, without_padding
from pidkd.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from pidkd.distill.method import Method

Terms = dict[str, tuple[float, Tensor]]
"""Weight and value of each term of a loss."""

TASK = "task"
"""Name of the term that the labels ask for."""

ON_LOGITS = ("kd",)
"""Names of the terms that match logits: their gradient points the task's way, and no cap applies to it."""


class DistillationLoss(nn.Module, abc.ABC):
    r""":math:`L = \sum_i w_i L_i`, the terms of the current phase, with the filters that they need.

    Made by ``Method.loss``. The rules that hold for every method:

    - The teacher is a constant: its logits and features are detached. Its own mode is not touched from here; a frozen
      ``FeatureTap`` stays in eval mode and without gradient.
    - In a phase with a frozen student, so are the student's. Freeze its tap too, so that its BatchNorm statistics stay.
    - Parts of the loss that a phase does not train are in eval mode, also after ``train()``, and need no gradient.
    - Terms are computed in float32 at least, under autocast too.

    Attributes
    ----------
    phase : str
        The current phase; the first of the method at the start.
    gate : Tensor, shape ()
        What multiplies the weights of all terms but the task's, where the student is trained; 1 unless it is set.
    scale : Tensor, shape ()
        What multiplies the gradient that matching sends through the student's features, in phases that train the whole
        student; 1 unless it is set. It is no part of the state.

    Examples
    --------
    >>> from pidkd.distill.methods.kd import KD
    >>> logits, y = torch.zeros(2, 10), torch.tensor([3, 7])
    >>> loss = KD().loss((logits, []), (logits, []))
    >>> total, terms = loss((logits, []), (logits, []), y)
    >>> {name: round(float(value), 4) for name, value in terms.items()}
    {'task': 2.3026, 'kd': 0.0}
    """

    rows: Tensor | None = None
    """The sample of each token, where tokens are matched one by one."""

    share: Tensor | None = None
    """Of several processes, the tokens of this one over their mean number. It multiplies the terms on features, which
    are means over tokens, so that each token counts alike. No buffer, as those are made equal in all processes."""

    def __init__(self, method: Method, teacher: Outputs, student: Outputs) -> None:
        super().__init__()
        self.method = method
        self.n_classes = student[0].shape[-1]
        pairs = [align(t.detach(), s.detach()) for t, s in _pairs(teacher, student)] if method.needs_taps else []
        if method.needs_taps and not pairs:
            raise InputError(f"{method.name}: taps", "at least one layer pair", "none")
        self.n_pairs = len(pairs)
        weights = getattr(method, "layer_weights", None) or (1.0,) * len(pairs)
        if len(weights) != len(pairs):
            expected = f"one weight for each layer pair, {len(pairs)}"
            raise InputError(f"{type(method).__name__}(layer_weights)", expected, str(len(weights)))
        self.layer_weights = tuple(weights)
        self.gate: Tensor
        self.register_buffer("gate", torch.ones((), device=student[0].device))
        self.scale: Tensor
        self.register_buffer("scale", torch.ones((), device=student[0].device), persistent=False)
        self.build(pairs)
        self.start(next(iter(method.phases)))

    def build(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        """Make the parts, as modules of the names that the phases give. The default makes none.

        Parameters
        ----------
        pairs : list of (t, s)
            Features of one batch, detached, at the same positions.
        """

    @abc.abstractmethod
    def terms(self, t_logits: Tensor, s_logits: Tensor, pairs: list[tuple[Tensor, Tensor]], y: Tensor) -> Terms:
        """Weight and value of each term in the current phase. What is to be constant is detached already.

        Labels y are classes of shape (B,), or soft or smoothed ones of shape (B, n_classes): ``cross_entropy`` and
        ``torch.nn.functional.cross_entropy`` take both.
        """

    def forward(
        self, teacher: Outputs, student: Outputs, y: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and its terms before their weights, detached, by name.

        Parameters
        ----------
        teacher, student : (logits, features)
            As ``FeatureTap`` returns them, features in the order of the layer pairs.
        y : Tensor, shape (B,) or (B, n_classes)
            Class labels, or the probabilities of classes.
        mask : Tensor, shape (B, L), optional
            1 where a token is no padding: features are then tokens (B, L, D) of both networks, and the loss is made for
            ``without_padding`` of both. Each token is a row of its own; padding has no part in it, and no gradient.
        """
        weighted, values = self.weighted(teacher, student, y, mask)
        return torch.stack(list(weighted.values())).sum(), values

    def weighted(
        self, teacher: Outputs, student: Outputs, y: Tensor, mask: Tensor | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The terms times weight and gate, whose sum is the loss; and the terms without, detached; both by name."""
        self.rows = None if mask is None else mask.nonzero()[:, 0]
        if mask is not None:
            teacher, student = without_padding(teacher, mask), without_padding(student, mask)
        reach = self.method.phases[self.phase].student
        constant = reach == "frozen"
        pairs = _pairs(teacher, student) if self.n_pairs else []
        if len(pairs) != self.n_pairs:
            raise InputError(f"{self.method.name}: features", f"{self.n_pairs} layer pairs", str(len(pairs)))
        pairs = [align(t.detach(), s.detach() if constant else s) for t, s in pairs]
        if reach == "whole":
            scaled = _ScaledGradient.apply
            pairs = [(t, scaled(s, self.scale)) for t, s in pairs]  # type: ignore[no-untyped-call]
        s_logits = student[0].detach() if constant else student[0]
        terms = self.terms(full(teacher[0].detach()), full(s_logits), pairs, y)
        if self.share is not None:
            of_tokens = terms.keys() - {TASK, *ON_LOGITS}
            terms = {n: (w, self.share * value if n in of_tokens else value) for n, (w, value) in terms.items()}
        ungated = terms if constant else {TASK}
        weighted = {
            name: w * value if name in ungated else w * (self.gate * value) for name, (w, value) in terms.items()
        }
        return weighted, {name: value.detach() for name, (_, value) in terms.items()}

    def of_rows(self, y: Tensor) -> Tensor:
        """The labels of the rows of a feature: those of the samples, or for each token that of its sample."""
        return y if self.rows is None else y[self.rows]

    def start(self, phase: str) -> None:
        """Enter a phase: its parts need gradients and are in train mode, the others neither.

        Raises
        ------
        UnknownNameError
            When the method has no such phase.
        """
        if phase not in self.method.phases:
            raise UnknownNameError(f"{self.method.name}: start(phase)", "a phase", phase, self.method.phases)
        self.phase = phase
        for name, part in self.named_children():
            trained = name in self.method.phases[phase].parts
            part.requires_grad_(trained)
            if not trained:
                part.zero_grad(set_to_none=True)
        self.train(self.training)

    def train(self, mode: bool = True) -> DistillationLoss:
        """Training mode, except for parts that the current phase does not train, which stay in eval mode."""
        super().train(mode)
        for name, part in self.named_children():
            part.train(mode and name in self.method.phases[self.phase].parts)
        return self

    def trained(self, phase: str) -> dict[str, nn.Parameter]:
        """The parameters of this loss that a phase trains, by name; the student's are not among them."""
        parts = self.method.phases[phase].parts
        return {name: p for name, p in self.named_parameters() if name.partition(".")[0] in parts}

    def over_layers(self, value: Callable[[int, Tensor, Tensor], Tensor], pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
        """The sum over layer pairs of ``value(k, t, s)``, weighted by ``layer_weights``."""
        values = [
            weight * value(k, t, s) for k, (weight, (t, s)) in enumerate(zip(self.layer_weights, pairs, strict=True))
        ]
        return torch.stack(values).sum()


class _ScaledGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a scale."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(scale)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (scale,) = ctx.saved_tensors
        return gradient * scale.to(gradient.dtype), None


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    r""":math:`-\sum_c q_c \ln p_c`, mean over the batch, in nats and in float32 at least; q is 1 at a class label.

    Parameters
    ----------
    logits : Tensor, shape (B, n_classes)
    y : Tensor
        Class labels of shape (B,), or their probabilities q of shape (B, n_classes).
    """
    logits = full(logits)
    return functional.cross_entropy(logits, y.to(logits.dtype) if y.is_floating_point() else y)


def softened_kl(t_logits: Tensor, s_logits: Tensor, temperature: float) -> Tensor:
    r""":math:`\tau^2 \, D(\mathrm{softmax}(z_t/\tau) \,\|\, \mathrm{softmax}(z_s/\tau))`, mean over the batch, in nats.

    Raises
    ------
    InputError
        When teacher and student have different numbers of classes.
    """
    if t_logits.shape != s_logits.shape:
        expected = f"logits of shape {tuple(s_logits.shape)}, as the student's"
        raise InputError(
            "teacher", expected, str(tuple(t_logits.shape)), "teacher and student must share their classes"
        )
    log_t = functional.log_softmax(full(t_logits) / temperature, dim=-1)
    log_s = functional.log_softmax(full(s_logits) / temperature, dim=-1)
    return temperature**2 * functional.kl_div(log_s, log_t, reduction="batchmean", log_target=True)


class Head(nn.Module):
    """ReLU, then one linear layer to the class logits.

    Parameters
    ----------
    feature : Tensor
        What a filter puts out on one batch.
    n_classes : int
    form : {"flatten", "pool"}
        What the linear layer sees: all channels at all positions, or each channel's mean over positions.
    """

    def __init__(self, feature: Tensor, n_classes: int, form: Literal["flatten", "pool"] = "flatten") -> None:
        super().__init__()
        self.form = form
        self.linear = nn.Linear(self._flat(feature).shape[1], n_classes).to(feature.device)

    def forward(self, feature: Tensor) -> Tensor:
        """Logits, shape (B, n_classes)."""
        logits: Tensor = self.linear(functional.relu(self._flat(feature)))
        return logits

    def _flat(self, feature: Tensor) -> Tensor:
        if self.form == "pool" and feature.dim() > 2:
            feature = feature.mean(dim=tuple(range(2, feature.dim())) if kind(feature) == "map" else 1)
        return feature.flatten(1)


def _pairs(teacher: Outputs, student: Outputs) -> list[tuple[Tensor, Tensor]]:
    t, s = _listed(teacher[1]), _listed(student[1])
    if len(t) != len(s):
        raise InputError("taps", "as many layers of the teacher as of the student", f"{len(t)} and {len(s)}")
    return list(zip(t, s, strict=True))


def _listed(features: Sequence[Tensor] | Mapping[str, Tensor]) -> list[Tensor]:
    return list(features.values()) if isinstance(features, Mapping) else list(features)
