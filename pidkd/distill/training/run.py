"""A run: the state that training changes, and the steps and epochs that change it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from pidkd.distill.features import Outputs, Positive
from pidkd.distill.feeding import Inputs, tensors_in
from pidkd.distill.method import Phase
from pidkd.distill.taps import FeatureTap
from pidkd.distill.training.advice import advice_on
from pidkd.distill.training.balance import Balance
from pidkd.distill.training.batches import Batches, InMemory, stream
from pidkd.distill.training.cache import TeacherCache, cache_size, why_live
from pidkd.distill.training.evaluation import measure, scores
from pidkd.distill.training.recipe import Recipe
from pidkd.distill.training.runtime import Runtime, random_state, set_random_state
from pidkd.distill.training.state import copied, finite_entries, first_not_finite
from pidkd.distill.training.step import Step, first_nonfinite
from pidkd.distill.training.tally import Tally
from pidkd.errors import Argument, DivergenceError, InputError, TrainingWarning


class Run:
    """Phases of epochs of steps.

    Parameters
    ----------
    step : Step
    teacher : FeatureTap or None
    recipe : Recipe
    train : Batches
        What is trained on.
    evaluated : mapping from str to Batches
        What the student is evaluated on after each epoch; "held_out" says which epoch was best.
    runtime : Runtime
    seed : int

    Attributes
    ----------
    epoch, steps_done : int
        The current epoch, and how many of its steps have been done.
    history : list of dict
        A row for each epoch that has ended.
    best : dict or None
        "epoch", "accuracy" and the "student" of the epoch with the best accuracy on what was held out.
    optimizers : dict from Phase to Optimizer
        Phases that train the same have one together, which keeps its momentum while others have their turn.
    schedule : tuple of str
        The phase of every epoch.
    clock : list of int
        For every epoch the one that it counts as for learning rates.
    cache_bytes : int
        What the teacher's outputs on the training set take.
    why_live : str or None
        Why the teacher runs in every step, if it does.
    balance : Balance
        The factor of the matching gradient on the student.
    """

    def __init__(
        self,
        step: Step,
        teacher: FeatureTap | None,
        recipe: Recipe,
        train: Batches,
        evaluated: Mapping[str, Batches],
        runtime: Runtime,
        seed: int,
    ) -> None:
        self.step, self.teacher, self.recipe = step, teacher, recipe
        self.train, self.evaluated, self.runtime, self.seed = train, evaluated, runtime, seed
        self.method = step.loss.method
        self.schedule = self.method.epochs_of(recipe)
        whole = [self.method.trains_student(phase) for phase in self.schedule]
        self.clock = [sum(whole[:epoch]) if recipe.count == "student" else epoch for epoch in range(len(whole))]
        self.optimizers = {rule: self._optimizer(rule) for rule in self.method.phases.values()}
        compiled = recipe.compile and not runtime.strict
        if compiled:  # else the runs of a process have one limit of recompilations, past which torch compiles no more
            torch.compiler.reset()
        self._teacher: Any = torch.compile(teacher) if compiled and teacher is not None else teacher
        self._step: Any = torch.compile(step) if compiled else step
        self._wrapped: dict[Phase, nn.Module] = {}
        self.advised: set[str] = set()
        self.cache: TeacherCache | None = None
        self.cache_bytes = 0
        self.why_live = "the method needs no teacher" if teacher is None else self._measure_cache(teacher)
        self.epoch = self.steps_done = 0
        self.losses, self.clips = Tally(), Tally()
        self.balance = Balance(recipe, runtime)
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] | None = None
        self._random: dict[str, Any] | None = None
        self._watched = finite_entries(step)  # a mask of infinities is none of our business

    def _optimizer(self, rule: Phase) -> Optimizer:
        decays = self.recipe.part_weight_decay
        groups = [
            {"params": list(named.values()), "name": name, "weight_decay": decays.get(name, self.recipe.weight_decay)}
            for name, named in self.step.trained(rule).items()
        ]
        if not groups:
            raise InputError(Argument("train", "student"), "parameters that need a gradient", "none")
        fused = True if self.runtime.device.type == "cuda" else None
        if self.recipe.optimizer != "sgd":
            adaptive = Adam if self.recipe.optimizer == "adam" else AdamW
            return adaptive(groups, self.recipe.lr, fused=fused)
        momentum = self.recipe.momentum
        return SGD(groups, self.recipe.lr, momentum, nesterov=self.recipe.nesterov and momentum > 0, fused=fused)

    @torch.no_grad()
    def _measure_cache(self, teacher: FeatureTap) -> str | None:
        with self.runtime.autocast():
            outputs = self.step.paired(teacher(self.train.example()[0]), 0)
        self.cache_bytes = cache_size(outputs[0], outputs[1], self.train.n_samples or 0)
        return why_live(self.recipe, self.train, self.cache_bytes)

    def _fill_cache(self) -> None:
        """Keep the teacher's outputs, if that can be done to the bit."""
        if self.why_live is not None or self.cache is not None or not isinstance(self.train, InMemory):
            return
        with self.runtime.autocast():
            self.cache = TeacherCache.of(lambda x: self.step.paired(self._teacher(x), 0), self.train)
        if self.cache is None:
            self.why_live = "outputs of a sample are other bits in another batch"

    def _teach(self, x: Inputs) -> Outputs | None:
        """The teacher's outputs on the current batch."""
        if self.cache is not None and isinstance(self.train, InMemory):
            return self.cache(self.train.rows)
        return None if self._teacher is None else self.step.paired(self._teacher(x), 0)

    def steps(self) -> Iterator[int]:
        """Do the remaining steps of the current epoch; after each, how many have been done."""
        self._fill_cache()
        rule = self.method.phases[self.schedule[self.epoch]]
        self.step.start(self.schedule[self.epoch])
        if rule not in self._wrapped:
            self._wrapped[rule] = self.runtime.wrap(self._step)
        optimizer = self.optimizers[rule]
        for group in optimizer.param_groups:
            group["lr"] = self.recipe.rate(group["name"], self.clock[self.epoch])
        whole = rule.student == "whole"
        self.step.loss.scale.copy_(self.balance.factor if whole else torch.ones(()))
        self.runtime.seed(stream(self.seed, 3, self.epoch))
        batches = self.train.epoch(self.epoch, self.steps_done)
        if self._random is not None:  # the batches that were skipped may have drawn what the layers did not
            set_random_state(self._random)
            self._random = None
        for x, y in batches:
            self._do(self._wrapped[rule], optimizer, whole, x, y)
            self.steps_done += 1
            yield self.steps_done

    def _do(self, step: nn.Module, optimizer: Optimizer, whole: bool, x: Inputs, y: Tensor) -> None:
        """One step; in phases that train the whole student with a look at the balance when it is due."""
        loss, balance = self.step.loss, self.balance
        student: list[Tensor] = next((g["params"] for g in optimizer.param_groups if g["name"] == "student"), [])
        is_due = whole and bool(student) and balance.is_due()
        if is_due:
            loss.scale.fill_(1.0)
        with self.runtime.autocast():
            teacher = self._teach(x)
            loss.share = self._share(x)
            result = step(x, teacher, y)
        values = torch.stack([result.total.detach(), *result.values.values()]).double()
        self.losses.add(["loss", *result.values], values)
        if self.runtime.device.type == "cpu":  # elsewhere the host would wait for the device; see end_epoch
            self._check_finite(values, x, teacher, y)
        before = balance.before(result, student) if is_due else None
        result.total.backward()
        if before is not None:
            balance.after(result, before, student, loss.gate)
            loss.scale.copy_(balance.factor)
        balance.steps += whole
        self._clip(optimizer)
        optimizer.step()
        optimizer.zero_grad()

    def _share(self, x: Inputs) -> Tensor | None:
        """Tokens of this process over the mean of all; None where there is one, or no tokens are masked."""
        mask = self.step.mask(x) if self.runtime.world_size > 1 else None
        if mask is None:
            return None
        n = mask.sum().float()
        return n * self.runtime.world_size / self.runtime.sum(n.clone())

    def _clip(self, optimizer: Optimizer) -> None:
        """Clip the gradient of each group of parameters by itself, or of all together."""
        largest, groups = self.recipe.clip, optimizer.param_groups
        if largest is None:
            return
        if self.recipe.clip_jointly:
            named = {"all": [p for group in groups for p in group["params"]]}
        else:
            named = {group["name"]: group["params"] for group in groups}
        norms = [nn.utils.clip_grad_norm_(parameters, largest) for parameters in named.values()]
        self.clips.add(list(named), (largest / torch.stack(norms)).clamp(max=1).double())

    def _check_finite(self, values: Tensor, *batch: Any) -> None:
        """Refuse a loss, and its terms, of an epoch or of one batch; of a batch the layer can be named."""
        finite = values.isfinite()
        if bool(finite.all()):
            return
        bad = [
            repr(name)
            for name, fine in zip(self.losses.names, finite.tolist(), strict=True)
            if not fine and name != "loss"
        ]
        where = [f"term {' and '.join(bad)}" if bad else "its terms are finite"]
        if batch:
            where.append(f"first not finite: {self._first_nonfinite(*batch)}")
        step = f", step {self.steps_done}" if batch else ""
        if batch and where[-1].endswith(": the inputs"):
            got = f"others in epoch {self.epoch}{step}"
            raise DivergenceError(f"train: expected inputs that are finite numbers, got {got}; leave such samples out")
        raise DivergenceError(
            f"train: expected a finite loss, got {values[0].item()} in epoch {self.epoch}{step} ({'; '.join(where)}); "
            f"lower the learning rate (recipe.lr), or clip gradients (recipe.clip, now {self.recipe.clip})"
        )

    def _first_nonfinite(self, x: Inputs, *outputs_and_labels: Any) -> str:
        if not all(bool(part.isfinite().all()) for part in tensors_in(x)):
            return "the inputs"
        if self.teacher is not None and (layer := first_nonfinite(self.teacher, x)):
            return f"teacher.{layer.removeprefix('model.')}"
        layer = first_nonfinite(self.step, x, *outputs_and_labels)
        return layer.replace("student.model", "student") if layer else "the loss"

    def end_epoch(self, after_epoch: Callable[[Run], Mapping[str, Any] | None] | None = None) -> dict[str, Any]:
        """Evaluate the student, and add the epoch's row to the history."""
        self.runtime.share_buffers(self.step)
        if not self.steps_done:
            hint = "its data set must give its samples each time that it is read"
            raise InputError(self.train.name, f"batches in epoch {self.epoch}", "none", hint)
        means = self.runtime.sum(self.losses.sums) / (self.steps_done * self.runtime.world_size)
        self._check_finite(means)
        phase = self.schedule[self.epoch]
        rule = self.method.phases[phase]
        row: dict[str, Any] = {"epoch": self.epoch, "phase": phase, "steps": (self.epoch + 1) * (self.train.steps or 0)}
        row["lr"] = {group["name"]: group["lr"] for group in self.optimizers[rule].param_groups}
        row |= dict(zip(self.losses.names, means.tolist(), strict=True))
        row |= {"balance": balance} if (balance := self.balance.row()) else {}
        if self.clips.count:
            row["clip"] = dict(zip(self.clips.names, (self.clips.sums / self.clips.count).tolist(), strict=True))
        for name, part in self.step.loss.named_modules():
            if isinstance(part, Positive):
                row[name] = part().mean().item()
        for name, batches in self.evaluated.items():
            if rule.student == "frozen" and self.history:
                row |= {key: self.history[-1][key] for key in (f"{name}_loss", f"{name}_accuracy")}
            else:
                sums = self.runtime.sum(measure(self.step.student, batches, self.runtime.autocast()))
                evaluation = scores(sums)  # a loss may be infinite here, where no step has to go on from it
                row |= {f"{name}_{key}": value if math.isfinite(value) else None for key, value in evaluation.items()}
        accuracy = row.get("held_out_accuracy")
        if accuracy is not None and (self.best is None or accuracy > self.best["accuracy"]):
            state = copied(self.step.student.model.state_dict())
            self.best = {"epoch": self.epoch, "accuracy": accuracy, "student": state}
        is_last = self.epoch + 1 == len(self.schedule)
        self._warn(
            advice_on(
                row,
                self.method.name,
                gate=self.step.loss.gate.item(),
                is_capped=self.recipe.cap is not None,
                is_last=is_last,
            )
        )
        if after_epoch is not None:
            row["monitor"] = dict(after_epoch(self) or {})
        self.history.append(row)
        self.epoch, self.steps_done = self.epoch + 1, 0
        for tally in self._tallies.values():
            tally.clear()
        return row

    def _warn(self, lines: Mapping[str, str]) -> None:
        """Give each kind of advice once, in the main process."""
        for kind, line in lines.items():
            if kind not in self.advised and self.runtime.is_main:
                warnings.warn(f"train: {line}", TrainingWarning, stacklevel=2)
            self.advised.add(kind)

    @property
    def _tallies(self) -> dict[str, Tally]:
        return {"losses": self.losses, "clips": self.clips, "balance": self.balance.tally}

    def close(self) -> None:
        """Let go of what holds on to the other processes: freed after these have gone, it may wait for them forever."""
        self._wrapped.clear()
        self.step.finish()

    def state_dict(self) -> dict[str, Any]:
        """All that training changes, as plain values and tensors."""
        self._check_finite(self.losses.sums)
        if name := first_not_finite(self.step, self._watched):
            raise DivergenceError(f"train: expected finite weights after epoch {self.epoch}, got others in {name}")
        return {
            "epoch": self.epoch,
            "steps_done": self.steps_done,
            "student": self.step.student.model.state_dict(),
            "loss": self.step.loss.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers.values()],
            "random": self.runtime.gather(random_state(self.runtime.device)),
            "tallies": self.runtime.gather({name: tally.state_dict() for name, tally in self._tallies.items()}),
            "balance": self.balance.state_dict(),
            "history": self.history,
            "best": self.best,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.step.student.model.load_state_dict(state["student"])
        self.step.loss.load_state_dict(state["loss"])
        for optimizer, saved in zip(self.optimizers.values(), state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.epoch, self.steps_done = state["epoch"], state["steps_done"]
        self.history, self.best = state["history"], state["best"]
        for name, tally in self._tallies.items():
            tally.load_state_dict(state["tallies"][self.runtime.rank][name], self.runtime.device)
        self.balance.load_state_dict(state["balance"])
        self._random = state["random"][self.runtime.rank] if self.steps_done else None
