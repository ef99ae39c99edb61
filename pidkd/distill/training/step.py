"""A step: what is computed on one batch, and which parameters that trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pidkd.distill.features import Outputs, kind, tokens_in
from pidkd.distill.feeding import Forward, Inputs, check_network
from pidkd.distill.loss import ON_LOGITS, TASK, DistillationLoss
from pidkd.distill.method import Method, Phase
from pidkd.distill.positions import mask_of
from pidkd.distill.taps import FeatureTap, guided_parameters
from pidkd.distill.training.labels import classes_of, smoothed
from pidkd.errors import Argument, InputError


class StepResult(NamedTuple):
    """Losses and features of a step on a batch."""

    total: Tensor
    """The loss."""
    task: Tensor | None
    """The task's term with its weight; None in phases without."""
    on_logits: Tensor | None
    """The sum of the terms on logits with their weights; None without any."""
    on_features: bool
    """Whether there are other terms."""
    values: dict[str, Tensor]
    """The terms before their weights, and "train_accuracy" where the whole student is trained; detached."""


class Step(nn.Module):
    """Student and loss in one module, so that they are compiled whole, and wrapped whole for several processes.

    Parameters
    ----------
    method : Method
    teacher : FeatureTap or None
        None where the method needs none. It is no part of the module: nothing of it is trained, or saved.
    student : FeatureTap
    taps : sequence of (teacher layer, student layer)
    x : nested tensors
        A batch of inputs, from which the loss infers its shapes, and where it may begin.
    label_smoothing : float
        Of the labels that losses see; 0 for none.
    """

    def __init__(
        self,
        method: Method,
        teacher: FeatureTap | None,
        student: FeatureTap,
        taps: Sequence[tuple[str, str]],
        x: Inputs,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.taps = tuple(taps)
        self.label_smoothing = label_smoothing
        self.student = student.eval()  # one batch without batch statistics
        guided = any(rule.student == "guided" for rule in method.phases.values())
        with torch.set_grad_enabled(guided):
            seen = student(x)
        if seen[0].dim() != 2:
            raise InputError(
                Argument("train", "student"), "logits of shape (n_samples, n_classes)", f"shape {tuple(seen[0].shape)}"
            )
        self.by_token = any(kind(seen[1][s]) == "tokens" for _, s in self.taps)
        mask = self.mask(x)
        shown = self.paired(seen, 1, mask)
        teaching = shown if teacher is None else self.paired(teacher(x), 0, mask)
        self.loss: DistillationLoss = method.loss(teaching, shown)
        named = [name for name, p in student.model.named_parameters() if p.requires_grad]
        self.reach = {
            "frozen": [],
            "guided": guided_parameters(student.model, seen[1]) if guided else [],
            "whole": named,
        }
        self.train()

    def paired(
        self, outputs: tuple[Tensor, dict[str, Tensor]], side: int, mask: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Logits, and the features in the order of the layer pairs; with a mask those of its tokens."""
        logits, features = outputs
        ordered = [_as_float32(features[pair[side]]) for pair in self.taps]
        return _as_float32(logits), ordered if mask is None else [tokens_in(one, mask) for one in ordered]

    def mask(self, x: Inputs) -> Tensor | None:
        """Mask of the tokens to match, shape (B, L); None where inputs have none, or tapped layers no tokens."""
        return mask_of(x, self.taps[0][1]) if self.by_token else None

    def forward(self, x: Inputs, teacher: Outputs | None, y: Tensor) -> StepResult:
        """The loss of a batch and its terms."""
        student = self.paired(self.student(x), 1)
        labels = smoothed(y, student[0].shape[1], self.label_smoothing) if self.label_smoothing else y
        teaching = student if teacher is None else teacher
        weighted, values = self.loss.weighted(teaching, student, labels, self.mask(x))
        if self.loss.method.phases[self.loss.phase].student == "whole":
            values["train_accuracy"] = (student[0].detach().argmax(1) == classes_of(y)).float().mean()
        on_logits = [value for name, value in weighted.items() if name in ON_LOGITS]
        return StepResult(
            torch.stack(list(weighted.values())).sum(),
            weighted.get(TASK),
            torch.stack(on_logits).sum() if on_logits else None,
            any(name != TASK and name not in ON_LOGITS for name in weighted),
            values,
        )

    def start(self, phase: str) -> None:
        """Enter a phase: what it trains needs gradients and is in train mode, all else neither."""
        rule = self.loss.method.phases[phase]
        self.loss.start(phase)
        self.student.freeze(rule.student == "frozen")
        for name, p in self.student.model.named_parameters():
            p.requires_grad_(name in self.reach[rule.student])
            if not p.requires_grad:
                p.grad = None
        self.train()

    def finish(self) -> None:
        """Give the student back: in eval mode, and every parameter that needed a gradient needs one again."""
        self.student.freeze(False)
        self.student.eval()
        for name, p in self.student.model.named_parameters():
            p.requires_grad_(name in self.reach["whole"])

    def trained(self, rule: Phase) -> dict[str, dict[str, nn.Parameter]]:
        """The parameters that a phase trains, by name, in groups: "student", and the parts of the loss."""
        own = dict(self.student.model.named_parameters())
        groups = {"student": {name: own[name] for name in self.reach[rule.student]}}
        for part in rule.parts:
            groups[part] = dict(getattr(self.loss, part).named_parameters(prefix=part))
        return {name: group for name, group in groups.items() if group}


def _as_float32(values: Tensor) -> Tensor:
    """The precision that losses and filters have, whatever that of a network; autocast brings its own to them."""
    low = values.dtype in (torch.bfloat16, torch.float16)
    return values if low and torch.is_autocast_enabled(values.device.type) else values.float()


def tap(
    model: nn.Module,
    paths: Sequence[str],
    where: str,
    *,
    frozen: bool,
    forward: Forward | None = None,
    layout: Mapping[str, str] | None = None,
) -> FeatureTap:
    """A tap of a model whose messages speak of ``train``'s arguments."""
    check_network(model, Argument("train", where))
    try:
        return FeatureTap(model, paths, frozen=frozen, forward=forward, layout=layout, where=Argument("train", where))
    except InputError as error:
        raise error.at(Argument("train", f"{where}, taps" if "paths" in error.where else where)) from error


@torch.no_grad()
def first_nonfinite(module: nn.Module, *inputs: object) -> str | None:
    """The first layer, in the order in which they run, that puts out a number that is not finite; None if none does."""
    nonfinite: list[str] = []
    hooks = []

    def catch(name: str, layer: nn.Module, given: object, output: object) -> None:
        if isinstance(output, Tensor) and not bool(output.isfinite().all()):
            nonfinite.append(name)

    for name, layer in module.named_modules():
        if not any(True for _ in layer.children()):
            hooks.append(layer.register_forward_hook(partial(catch, name)))
    try:
        module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return nonfinite[0] if nonfinite else None
