"""A rehearsal of training: one step of every phase, in train mode, on a few samples, undone afterwards."""

from __future__ import annotations

from contextlib import ExitStack

import torch
from torch import Tensor

from pidkd.distill.axes import HINT_ROWS
from pidkd.distill.feeding import Inputs, batch_length, eval_mode, same_buffers, same_draws, take_rows
from pidkd.distill.training.evaluation import check_logits
from pidkd.distill.training.run import Run
from pidkd.distill.training.state import restored
from pidkd.errors import Argument, InputError


def rehearse(run: Run, x: Inputs, y: Tensor) -> list[str]:
    """Do a step of each phase without keeping it; what should be known of it, in words.

    Raises
    ------
    InputError
        When a network fails in train mode, a loss reaches nothing that a phase trains, or a batch of one sample, which
        will come, cannot be trained on.
    """
    _check_rows(run, x, y)
    try:
        notes = _every_phase(run, x, y)
    except InputError as error:
        taps = [tap for tap in (run.teacher, run.step.student) if tap is not None]
        if all(tap.feed is None or tap.feed.memory_format == torch.contiguous_format for tap in taps):
            raise (_of_one(run, error) if batch_length(x) == 1 else error) from error
        for tap in taps:  # a backward pass may mind what the forward pass does not
            tap.unfasten()
        notes = _every_phase(run, x, y)
    if run.train.smallest == 1 and batch_length(x) not in (None, 1):
        try:
            _every_phase(run, take_rows(x, slice(1)), y[:1])
        except InputError as error:
            raise _of_one(run, error) from error
    return notes


def _of_one(run: Run, error: InputError) -> InputError:
    """Failure on a batch of one sample, as a fault of the batches."""
    got, hint = (
        f"one of 1 in the {run.train.n_samples} samples, and {error.what}",
        "set drop_last=True, or larger batches",
    )
    return InputError(run.train.name, "batches that the networks can be trained on", got, hint)


def _check_rows(run: Run, x: Inputs, y: Tensor) -> None:
    """Refuse logits and tapped layers that have not one row for each label."""
    for side, tap in (("teacher", run.teacher), ("student", run.step.student)):
        if tap is not None:
            with torch.no_grad(), eval_mode(tap), same_buffers(tap), run.runtime.autocast():
                logits, features = tap(x)
            check_logits(logits, y, Argument("train", side))
            for path, feature in features.items():
                if len(feature) != len(y):
                    where, got = f"train({side}, taps)[{path!r}]", f"{len(feature)} for {len(y)} samples"
                    raise InputError(where, "an output with one row for each sample", got, HINT_ROWS)


def _every_phase(run: Run, x: Inputs, y: Tensor) -> list[str]:
    step, notes = run.step, []
    with ExitStack() as end:
        end.enter_context(same_draws())
        end.callback(step.start, step.loss.phase)
        end.enter_context(restored(step))
        for phase in dict.fromkeys(run.schedule):
            step.start(phase)
            notes += _step(run, phase, x, y)
    return list(dict.fromkeys(notes))


def _step(run: Run, phase: str, x: Inputs, y: Tensor) -> list[str]:
    step, rule = run.step, run.method.phases[phase]
    with torch.enable_grad(), run.runtime.autocast():
        teacher = None if run.teacher is None else step.paired(run.teacher(x), 0)
        if rule.student != "frozen" and step.loss.n_pairs and step.reach["whole"]:
            _check_features(run, x)
        result = step(x, teacher, y)
    total, trained = result.total, step.trained(rule)
    where = Argument("train", "method", run.method.name)
    if rule.student != "frozen" and not step.reach["whole"]:
        raise InputError(Argument("train", "student"), "parameters that need a gradient", "none")
    if rule.student == "whole" and result.task is not None and not result.task.requires_grad:
        raise InputError(Argument("train", "student"), f"logits with a gradient in phase {phase!r}", "detached ones")
    if not total.requires_grad:
        raise InputError(where, f"a loss in phase {phase!r} that reaches {', '.join(trained)}", "one without gradient")
    total.backward()
    notes = []
    for group, named in trained.items():
        without_gradient = [name for name, p in named.items() if p.grad is None]
        if len(without_gradient) == len(named):
            raise InputError(where, f"a loss in phase {phase!r} that reaches {group}", "one without gradient there")
        if without_gradient and rule.student != "guided":
            more = f" and {len(without_gradient) - 3} more" if len(without_gradient) > 3 else ""
            notes.append(f"no gradient reaches {', '.join(without_gradient[:3])}{more} of {group} in phase {phase!r}")
    for p in step.parameters():
        p.grad = None
    return notes


def _check_features(run: Run, x: Inputs) -> None:
    """Refuse a tapped layer of the student from which no gradient goes back to its parameters."""
    step = run.step
    named = dict(step.student.model.named_parameters())
    _, features = step.student(x)
    for _, path in step.taps:
        feature = features[path]
        if feature.requires_grad:
            feature.float().sum().backward(retain_graph=True)
        reached = [name for name in step.reach["whole"] if named[name].grad is not None]
        for p in named.values():
            p.grad = None
        if not reached:
            got = "none before it that needs a gradient" if feature.requires_grad else "an output without gradient"
            hint = "a re-entrant checkpoint gives none (use_reentrant=False does), nor does what is frozen or detached"
            expected = "a layer from which the loss reaches parameters of the student in train mode"
            raise InputError(f"train(student, taps)[{path!r}]", expected, got, hint)
