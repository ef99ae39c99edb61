"""Ratio of the matching gradient to the task's: measured, logged and capped."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pidkd.distill.feeding import explain
from pidkd.distill.training.recipe import Recipe
from pidkd.distill.training.runtime import Runtime
from pidkd.distill.training.state import restored
from pidkd.distill.training.step import StepResult
from pidkd.distill.training.tally import Tally
from pidkd.errors import Argument, InputError

if TYPE_CHECKING:
    from pidkd.distill.training.run import Run

MEMORY = 5
"""Measurements over which norms are averaged: all of the first five, then each weighs a fifth."""

NAMES = ("task", "matching", "cosine", "factor")
"""What is logged: norms of both gradients before the cap, their cosine, and the factor of the cap."""


class Balance:
    r"""The factor :math:`\min(1, c\,|g| / |h|)` of the matching gradient h on the student, g being the task's.

    Norms are moving averages of those of measured steps, and the factor holds from one measurement to the next. Terms
    on logits are measured and logged with h, but do not count for the factor, which does not act on them. A gate is
    divided out of what is remembered, so that the factor is right at once when the gate moves.

    Parameters
    ----------
    recipe : Recipe
    runtime : Runtime

    Attributes
    ----------
    tally : Tally
        Of the measurements of an epoch.
    """

    def __init__(self, recipe: Recipe, runtime: Runtime) -> None:
        self.cap, self.every, self.runtime = recipe.cap, recipe.balance_every, runtime
        self.tally = Tally()
        self.steps = self.measurements = 0
        self.is_acting = True
        self.norms = torch.zeros(2, device=runtime.device)
        self.factor = torch.ones((), device=runtime.device)

    def is_due(self) -> bool:
        """Whether the next step is to be measured: half as often where that is for the log alone."""
        return self.every is not None and self.steps % (self.every if self.is_acting else 2 * self.every) == 0

    def before(self, result: StepResult, parameters: Sequence[Tensor]) -> tuple[Tensor, Tensor] | None:
        """The gradients of the task and of terms on logits, before the backward pass; None where there is no match."""
        if result.task is None or not (result.on_features or result.on_logits is not None):
            return None
        task = self._gradient(result.task, parameters)
        if result.on_logits is None or not result.on_features:
            return task, torch.zeros_like(task)
        return task, self._gradient(result.on_logits, parameters)

    @torch.no_grad()
    def after(
        self, result: StepResult, before: tuple[Tensor, Tensor], parameters: Sequence[Tensor], gate: Tensor
    ) -> None:
        """Measure the gradients after a backward pass without a cap, and apply the new factor to them."""
        task, on_logits = before
        whole = _flat([p.grad for p in parameters], parameters)
        matching = whole - task
        capped = matching - on_logits if result.on_features else torch.zeros_like(task)
        norms = torch.stack([task.float().norm(), capped.float().norm() / gate])
        self.measurements += 1
        averaged = torch.lerp(self.norms, norms, 1 / min(self.measurements, MEMORY))
        self.norms = torch.where((gate > 0) & norms.isfinite().all(), averaged, self.norms)
        self.is_acting = self.cap is not None and bool(result.on_features)
        if self.is_acting:
            task_norm, capped_norm = self.norms
            limit = self.cap * task_norm / (capped_norm * gate)
            self.factor = torch.where(limit < 1, limit, torch.ones_like(limit))  # nothing to cap is no number: 1
            # Backward passes of the steps to come are scaled on their way; this one is past that.
            _set(parameters, task + on_logits + self.factor * capped)
        cosine = torch.nn.functional.cosine_similarity(task, matching, dim=0)
        self.tally.add(NAMES, torch.stack([x.double() for x in (task.norm(), matching.norm(), cosine, self.factor)]))

    def row(self) -> dict[str, float | None]:
        """The epoch's means for the log, and the ratio of both norms; empty where nothing was measured."""
        if not self.tally.count:
            return {}
        means = dict(zip(self.tally.names, (self.tally.sums / self.tally.count).tolist(), strict=True))
        ratio = means["matching"] / means["task"] if means["task"] > 0 else None
        return {"task": means["task"], "matching": means["matching"], "ratio": ratio, **means}

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return {
            "steps": self.steps,
            "measurements": self.measurements,
            "norms": self.norms.cpu(),
            "factor": self.factor.cpu(),
            "is_acting": self.is_acting,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.steps, self.measurements = state["steps"], state["measurements"]
        self.is_acting = state.get("is_acting", True)
        self.norms, self.factor = (state[name].to(self.runtime.device) for name in ("norms", "factor"))

    def _gradient(self, value: Tensor, parameters: Sequence[Tensor]) -> Tensor:
        """The gradient on the parameters, as one vector: its mean over all processes."""
        gradients = torch.autograd.grad(value, list(parameters), retain_graph=True, allow_unused=True)
        return self.runtime.sum(_flat(gradients, parameters)) / self.runtime.world_size


def estimate_balance(run: Run, n_batches: int = 2) -> dict[str, float | None]:
    """Gradient ratios on the first batches, without a cap; networks and loss are left as they were."""
    phase = next((phase for phase in run.schedule if run.method.trains_student(phase)), None)
    has_student = bool(run.step.reach["whole"]) and run.method.needs_teacher
    if phase is None or run.recipe.balance_every is None or not has_student:
        return {}
    step, balance = run.step, Balance(dataclasses.replace(run.recipe, cap=None), run.runtime)
    with restored(step):
        step.start(phase)
        student = [p for p in step.student.model.parameters() if p.requires_grad]
        for x, y in itertools.islice(run.train.in_order(), n_batches):
            with run.runtime.autocast():
                result = step(x, None if run.teacher is None else step.paired(run.teacher(x), 0), y)
            try:
                before = balance.before(result, student)
            except RuntimeError as error:  # a re-entrant checkpoint
                return _unmeasured(run, error)
            if before is None:
                break
            result.total.backward()
            balance.after(result, before, student, step.loss.gate)
            step.zero_grad()
    return balance.row()


def _unmeasured(run: Run, error: RuntimeError) -> dict[str, float | None]:
    """No balance, where a student gives no gradients term by term; refused where they are to be capped."""
    if run.recipe.cap is not None:
        hint = "use_reentrant=False lets a checkpoint give them, and cap=None needs none"
        expected = "a student that gives the gradient of each term"
        raise InputError(Argument("Recipe", "cap"), expected, explain(error), hint) from error
    run.balance.every = None
    return {}


def _flat(gradients: Sequence[Tensor | None], parameters: Sequence[Tensor]) -> Tensor:
    """Gradients as one vector, 0 where there is none."""
    pairs = zip(gradients, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])


def _set(parameters: Sequence[Tensor], gradient: Tensor) -> None:
    """Make the parts of a vector the gradients of the parameters that have one."""
    parts = torch.split(gradient, [p.numel() for p in parameters])
    for p, part in zip(parameters, parts, strict=True):
        if p.grad is not None:
            p.grad.copy_(part.view_as(p))
