"""Preflight: a table of what a run will do, and the mistakes that can be seen before it starts."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from pidkd.distill.axes import axes_of
from pidkd.distill.features import align
from pidkd.distill.feeding import Inputs, batch_length, eval_mode, same_buffers, tensors_in
from pidkd.distill.method import Phase
from pidkd.distill.taps import FeatureTap
from pidkd.distill.training.balance import estimate_balance
from pidkd.distill.training.batches import Batches
from pidkd.distill.training.evaluation import check_logits
from pidkd.distill.training.labels import check_range
from pidkd.distill.training.rehearsal import rehearse
from pidkd.distill.training.run import Run
from pidkd.distill.training.step import Step
from pidkd.distill.training.teacher_check import check_teacher, remarks_on
from pidkd.errors import Argument, InputError

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Preflight:
    """Summary of a run before it starts.

    Parameters
    ----------
    schedule : tuple of str
        The phase of every epoch.
    trained : mapping from phase to (mapping from group to int)
        How many numbers each phase trains: of the student, and of each part of the loss.
    rates : mapping from group to tuple of float or None
        The learning rate of a group in every epoch; None in epochs that do not train it.
    layers : tuple of dict
        For each layer pair the paths "teacher" and "student", their shapes for one sample, "pooled" (the positions that
        both are pooled to, or None), and the floating-point operations of one sample up to each, "teacher_flops" and
        "student_flops".
    flops : mapping
        Floating-point operations of one sample through "teacher" and "student", forward, two for a multiply-add.
    steps : int
        Of an epoch.
    n_samples : int
        Trained on.
    teacher : mapping
        On a few training samples the teacher's "accuracy", and the standard deviations of its "logits" and "features".
    balance : mapping
        On the first batches, before any training, what the log says of each epoch: norms of the "task" and the
        "matching" gradient on the student, their "ratio" and "cosine".
    notes : tuple of str
        What else should be known.
    """

    schedule: tuple[str, ...]
    trained: Mapping[str, Mapping[str, int]]
    rates: Mapping[str, tuple[float | None, ...]]
    layers: tuple[Mapping[str, Any], ...]
    flops: Mapping[str, int]
    steps: int
    n_samples: int
    teacher: Mapping[str, Any] = field(default_factory=dict)
    balance: Mapping[str, float | None] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; epochs of equal rate together."""
        rates = {group: [list(span) for span in spans(values)] for group, values in self.rates.items()}
        return {
            **vars(self),
            "schedule": [list(span) for span in spans(self.schedule)],
            "rates": rates,
            "layers": list(self.layers),
            "notes": list(self.notes),
        }

    def __rich__(self) -> RenderableType:
        """Three tables."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        phases = Table("phase", "epochs", "trained (numbers)", title="Phases", title_justify="left")
        for phase, groups in self.trained.items():
            epochs = _epochs([epoch for epoch, name in enumerate(self.schedule) if name == phase])
            phases.add_row(phase, epochs, ", ".join(f"{group} {n:,}" for group, n in groups.items()))
        rates = Table("group", "epochs: learning rate", title="Learning rates", title_justify="left")
        for group, values in self.rates.items():
            rates.add_row(group, _rates(values))
        parts: list[RenderableType] = [phases, rates]
        if self.layers:
            columns = ("teacher", "shape", "MFLOP", "student", "shape", "MFLOP", "pooled to")
            layers = Table(*columns, title="Layer pairs, for one sample", title_justify="left")
            for layer in self.layers:
                cells = [c for side in ("teacher", "student") for c in _layer(layer, side)]
                layers.add_row(*cells, _shape(layer["pooled"]) if layer["pooled"] else "")
            parts.append(layers)
        flops = ", ".join(f"{name} {n / 1e6:,.1f} MFLOP" for name, n in self.flops.items())
        steps = self.steps * sum("student" in self.trained[phase] for phase in self.schedule)
        size = f"{self.n_samples:,} samples, {self.steps:,} steps an epoch, {steps:,} of the student in all."
        parts.append(Text(f"One sample forward: {flops}. {size}"))
        parts += [Text(line) for line in (*_teacher_lines(self.teacher), *_balance_lines(self.balance))]
        return Group(*parts, *(Text(f"- {note}") for note in self.notes))

    def __str__(self) -> str:
        """The tables as text."""
        from rich.console import Console

        console = Console(width=120, color_system=None)
        with console.capture() as capture:
            console.print(self)
        return capture.get()


def preflight(run: Run, remarks: Sequence[str] = ()) -> Preflight:
    """Look at a run before it starts.

    Raises
    ------
    InputError
        When classes do not agree, no optimiser owns a parameter, or the loss of a phase cannot be computed.
    """
    step, teacher, batches, schedule = run.step, run.teacher, run.train, run.schedule
    for of_data in (batches, *run.evaluated.values()):
        check_classes(of_data, step.loss.n_classes)
    x, y = batches.example()
    check_owners(run)
    unreached = rehearse(run, x, y)
    check_evaluated(run)
    taps = {"student": step.student} | ({} if teacher is None else {"teacher": teacher})
    seen = {side: look(tap, x) for side, tap in taps.items()}
    checked = check_teacher(run)
    return Preflight(
        schedule=schedule,
        trained={phase: _sizes(step, run.method.phases[phase]) for phase in dict.fromkeys(schedule)},
        rates=_rates_of(run),
        layers=() if teacher is None else tuple(_pair(t, s, seen) for t, s in step.taps),
        flops={side: total for side, (_, total) in seen.items()},
        steps=batches.steps or 0,
        n_samples=batches.n_samples or 0,
        teacher=checked,
        balance=estimate_balance(run),
        notes=(*remarks, *_notes(run, x), *unreached, *remarks_on(checked, run.step.loss.n_classes), *_cache_note(run)),
    )


def without_teacher(report: Preflight, n_classes: int) -> Preflight:
    """A preflight without what depends on the weights of the teacher."""
    notes = tuple(note for note in report.notes if note not in remarks_on(dict(report.teacher), n_classes))
    return dataclasses.replace(report, teacher={}, balance={}, notes=notes)


def check_classes(batches: Batches, n_classes: int) -> None:
    """Student and data must agree on the classes; the labels of a loader are looked at as they come."""
    if batches.n_classes not in (None, n_classes):
        raise InputError(
            Argument("train", "student"), f"{batches.n_classes} classes, as {batches.name} has", str(n_classes)
        )
    batches.n_classes = n_classes
    if batches.labels is not None:
        check_range(batches.name, batches.labels, n_classes)


def check_evaluated(run: Run) -> None:
    """Refuse data to evaluate on that the student cannot be run on."""
    student = run.step.student
    for batches in run.evaluated.values():
        if batches.steps is not None:  # a stream may be one that can be read once only
            x, y = batches.example()
            with torch.no_grad(), eval_mode(student), same_buffers(student), run.runtime.autocast():
                check_logits(student(x)[0], y, batches.name)


def check_owners(run: Run) -> None:
    """Every parameter must be trained in some epoch."""
    step, schedule = run.step, run.schedule
    rules = {run.method.phases[phase] for phase in schedule}
    owned = {id(p) for rule in rules for group in run.optimizers[rule].param_groups for p in group["params"]}
    every = {f"student.{name}": p for name, p in step.student.model.named_parameters() if name in step.reach["whole"]}
    every |= {f"loss.{name}": p for name, p in step.loss.named_parameters()}
    free = [name for name, p in every.items() if id(p) not in owned]
    if free:
        got = f"none that trains {', '.join(free[:3])}{f' and {len(free) - 3} more' if len(free) > 3 else ''}"
        expected = f"an epoch of {len(schedule)} for every parameter"
        hint = f"phases are {', '.join(dict.fromkeys(schedule))}; have more epochs, or other parameters of the method"
        raise InputError(f"train(method={run.method.name!r})", expected, got, hint)


def look(tap: FeatureTap, x: Inputs) -> tuple[dict[str, tuple[tuple[int, ...], int]], int]:
    """For every tapped path its shape and the operations up to it, and the operations of the network, for a sample."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    upto: dict[str, int] = {}
    n = batch_length(x) or 1

    def note(path: str) -> Any:
        return lambda *_: upto.update({path: counter.get_total_flops() // n})

    layers = dict(tap.model.named_modules())
    hooks = [layers[path].register_forward_hook(note(path)) for path in tap.paths]
    try:
        with torch.no_grad(), eval_mode(tap), same_buffers(tap), counter:
            _, features = tap(x)
        total = counter.get_total_flops() // n
    except InputError:  # what runs by itself, but not while its operations are counted
        with torch.no_grad(), eval_mode(tap), same_buffers(tap):
            _, features = tap(x)
        total, upto = 0, dict.fromkeys(tap.paths, 0)
    finally:
        for hook in hooks:
            hook.remove()
    return {path: (tuple(feature.shape[1:]), upto[path]) for path, feature in features.items()}, total


def spans(values: Sequence[Any]) -> list[tuple[int, int, Any]]:
    """Runs of equal values: first, last, value.

    Examples
    --------
    >>> spans("aab")
    [(0, 1, 'a'), (2, 2, 'b')]
    """
    runs = []
    for value, run in itertools.groupby(enumerate(values), key=lambda item: item[1]):
        indices = [index for index, _ in run]
        runs.append((indices[0], indices[-1], value))
    return runs


def _sizes(step: Step, rule: Phase) -> dict[str, int]:
    return {group: sum(p.numel() for p in named.values()) for group, named in step.trained(rule).items()}


def _rates_of(run: Run) -> dict[str, tuple[float | None, ...]]:
    groups = [list(run.step.trained(run.method.phases[phase])) for phase in run.schedule]
    names = dict.fromkeys(name for group in groups for name in group)
    return {
        name: tuple(
            run.recipe.rate(name, epoch) if name in group else None
            for epoch, group in zip(run.clock, groups, strict=True)
        )
        for name in names
    }


def _pair(t: str, s: str, seen: Mapping[str, Any]) -> dict[str, Any]:
    (shape_t, flops_t), (shape_s, flops_s) = seen["teacher"][0][t], seen["student"][0][s]
    aligned = [tuple(side.shape[1:]) for side in align(torch.zeros(1, *shape_t), torch.zeros(1, *shape_s))]
    pooled = None if aligned == [shape_t, shape_s] else (aligned[1][1:] if len(shape_s) >= 3 else aligned[1][:1])
    return {
        "teacher": t,
        "student": s,
        "teacher_shape": shape_t,
        "student_shape": shape_s,
        "teacher_flops": flops_t,
        "student_flops": flops_s,
        "pooled": pooled,
    }


def _notes(run: Run, x: Inputs) -> list[str]:
    step, teacher = run.step, run.teacher
    notes = [note for side, tap in (("teacher", teacher), ("student", step.student)) for note in _form(side, tap, x)]
    frozen = [name for name, _ in step.student.model.named_parameters() if name not in step.reach["whole"]]
    if frozen:
        notes.append(f"not trained, as they came without need of a gradient: {', '.join(frozen[:3])} ({len(frozen)})")
    notes += [
        f"the {side} puts out probabilities where logits are asked for: leave its softmax out"
        for side, tap in (("teacher", teacher), ("student", step.student))
        if tap is not None and _is_softmax(tap, x)
    ]
    if teacher is not None:
        with torch.no_grad():
            n_classes = teacher(x)[0].shape[-1]
        if n_classes != step.loss.n_classes:
            notes.append(f"the teacher has {n_classes} classes, the student {step.loss.n_classes}")
    notes += [f"{name}: the loader gives {b.left_out}" for name, b in run.evaluated.items() if b.left_out]
    return notes


def _is_softmax(tap: FeatureTap, x: Inputs) -> bool:
    """Whether what a network puts out as logits are probabilities."""
    with torch.no_grad(), eval_mode(tap), same_buffers(tap):
        logits = tap(x)[0].float()
    sums = logits.sum(1) if logits.dim() == 2 and logits.shape[1] > 1 else logits.new_zeros(1)
    return bool((logits >= 0).all()) and bool(((sums - 1).abs() < 1e-3).all())


def _form(side: str, tap: FeatureTap | None, x: Inputs) -> list[str]:
    """Changes to the inputs and features of a network, in words."""
    if tap is None or tap.feed is None:
        return []
    notes, dtype = [], tap.feed.dtype
    word = str(dtype).removeprefix("torch.")
    given = {part.dtype for part in tensors_in(x) if part.is_floating_point() and part.dtype != dtype}
    if given:
        notes.append(f"the {side} is given its inputs in {word}, as its parameters are")
    if dtype != torch.float32:
        notes.append(f"the {side} computes in {word}; the loss is computed in float32")
    if any(part.dtype == torch.uint8 and part.dim() >= 3 for part in tensors_in(x)):
        notes.append(f"the {side} is given bytes as numbers from 0 to 255, not normalised")
    for path, axes in tap.axes.items():
        if axes not in ("BD", "BLD", axes_of(len(axes), True)) or axes == "BCL":
            notes.append(f"the {side}'s {path} is read as {axes}")
    return notes


def _cache_note(run: Run) -> list[str]:
    if run.teacher is None:
        return []
    size = f"{run.cache_bytes / 2**20:,.1f} MiB"
    if run.why_live is None:
        return [f"the teacher's outputs on the training set are kept, {size}"]
    return [f"the teacher runs in every step, as {run.why_live}"]


def _teacher_lines(teacher: Mapping[str, Any]) -> list[str]:
    if not teacher:
        return []
    spreads = ", ".join(
        f"{name} {value:.3g}" for name, value in {**teacher["features"], "logits": teacher["logits"]}.items()
    )
    accuracy = "" if teacher["accuracy"] is None else f"accuracy {teacher['accuracy']:.1%} on them; "
    return [f"Teacher on {teacher['n_samples']} training samples: {accuracy}standard deviations {spreads}."]


def _balance_lines(balance: Mapping[str, float | None]) -> list[str]:
    if balance.get("ratio") is None:
        return []
    return [
        f"Gradients on the student at the start: matching {balance['ratio']:.2g} times the task's, "
        f"cosine {balance['cosine']:.2f}."
    ]


def _layer(layer: Mapping[str, Any], side: str) -> tuple[str, str, str]:
    return layer[side], _shape(layer[f"{side}_shape"]), f"{layer[f'{side}_flops'] / 1e6:,.1f}"


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _epochs(epochs: Sequence[int]) -> str:
    """Epochs, runs of them shortened."""
    runs = [epochs[0]]
    texts = []
    for a, b in itertools.pairwise([*epochs, -1]):
        if b != a + 1:
            texts.append(f"{runs[0]}-{a}" if a != runs[0] else f"{a}")
            runs = [b]
    shown = texts if len(texts) <= 6 else [*texts[:3], "...", texts[-1]]
    return f"{', '.join(shown)} ({len(epochs)})"


def _rates(values: Sequence[float | None]) -> str:
    """Learning rates over the run; where it does not train is left out, and the same rate is said once."""
    known = [(epoch, rate) for epoch, rate in enumerate(values) if rate is not None]
    texts = []
    for rate, group in itertools.groupby(known, key=lambda item: item[1]):
        epochs = [epoch for epoch, _ in group]
        texts.append(f"{epochs[0]}-{epochs[-1]}: {rate:.6g}" if len(epochs) > 1 else f"{epochs[0]}: {rate:.6g}")
    return ", ".join(texts if len(texts) <= 8 else [*texts[:3], "...", texts[-1]])
