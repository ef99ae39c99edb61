"""Training: a teacher, a student, data and a method go in, and a student comes out."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from pidkd.distill.feeding import (
    Forward,
    check_apart,
    check_network,
    check_pairs,
    check_trainable,
    id_names,
    layouts,
    left_alone,
)
from pidkd.distill.loss import DistillationLoss
from pidkd.distill.method import Method, get_method
from pidkd.distill.taps import FeatureTap
from pidkd.distill.training.arguments import check_arguments
from pidkd.distill.training.batches import Batches, stream
from pidkd.distill.training.checkpoint import load_checkpoint
from pidkd.distill.training.loader import Collate
from pidkd.distill.training.opening import hold_out, open_batches
from pidkd.distill.training.preflight import Preflight, preflight
from pidkd.distill.training.recipe import Recipe
from pidkd.distill.training.run import Run
from pidkd.distill.training.run_folder import RunFolder
from pidkd.distill.training.runtime import Runtime, from_main
from pidkd.distill.training.state import check_can_be_kept, fingerprint
from pidkd.distill.training.step import Step, tap
from pidkd.errors import Argument, DivergenceError, InputError, UnknownNameError, import_extra
from pidkd.runs.output import PathLike


@dataclass(frozen=True)
class TrainResult:
    """A student that has been trained, and how that went.

    Parameters
    ----------
    student, teacher : torch.nn.Module
        The student after the last epoch, in eval mode, and the teacher as it was given.
    loss : DistillationLoss
        The method's, with its trained filters.
    history : list of dict
        A row for each epoch: "epoch", "phase", "steps" since the start, "lr" by group, "loss" and its terms before
        their weights, means of sigmas and variances, "valid_loss", "valid_accuracy", and what a hook added.
    best : dict or None
        "epoch", "accuracy" and "student" (its state) of the epoch that did best on what was held out.
    preflight : Preflight
        What was going to be done.
    folder : Path or None
        Where log and checkpoints are.
    seconds : float
        Wall time of this call.
    """

    student: nn.Module
    teacher: nn.Module | None
    loss: DistillationLoss
    history: list[dict[str, Any]]
    best: dict[str, Any] | None
    preflight: Preflight
    folder: Path | None
    seconds: float


def train(
    teacher: nn.Module | None,
    student: nn.Module,
    train_data: Any,
    valid_data: Any = None,
    *,
    method: str | Method = "rid",
    taps: Sequence[tuple[str, str]] = (),
    layout: Sequence[tuple[str | None, str | None]] | None = None,
    forward: Forward | None = None,
    collate: Collate | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    device: str = "cpu",
    strict: bool = False,
    processes: int | None = None,
    out: PathLike | None = None,
    resume: bool = False,
    dry_run: bool = False,
    tensorboard: bool = False,
    note: Mapping[str, Any] | None = None,
    remarks: Sequence[str] = (),
    before: Callable[[Preflight], None] | None = None,
    after_epoch: Callable[[Run], Mapping[str, Any] | None] | None = None,
    progress: Callable[[float, Mapping[str, Any]], None] | None = None,
) -> TrainResult:
    r"""Train a student: epoch by epoch, each in its phase, at learning rate :math:`\lambda_e` of the recipe.

    The teacher is never changed, its batch statistics included. The student is trained in place.

    Parameters
    ----------
    teacher : torch.nn.Module or None
        None where the method asks nothing of a teacher.
    student : torch.nn.Module
        It returns its logits, as the teacher does.
    train_data, valid_data : ImageData or TextData, (x, y), torch Dataset or DataLoader
        Arrays or tensors x of shape (n, ...) and class labels y of shape (n,), or soft labels of shape (n, n_classes):
        probabilities, each row with sum 1. What is valid is only ever evaluated.
    method : str or Method
    taps : sequence of (teacher layer, student layer)
        Layer pairs, by the names that ``named_modules()`` gives.
    layout : sequence of (str or None, str or None), optional
        For each layer pair the axes of its features, by letters ("BHWC", "LBD", "BCL"), where they cannot be told.
    forward : callable, optional
        ``forward(network, inputs)`` runs either network on the inputs of a batch. Else a mapping becomes keyword
        arguments, a tuple positional ones.
    collate : callable, optional
        ``inputs, labels = collate(batch)`` of what a loader gives. Else a batch is a pair, or a mapping with "labels".
    recipe : Recipe, optional
        How long, how fast.
    seed : int
        Of filters, order, augmentation, and what layers draw. Networks come with weights of their own.
    device : {"cpu", "cuda", "auto"}
    strict : bool
        Only deterministic operations, in float32: the same bits each time, on the same machine.
    processes : int, optional
        How many ``torchrun`` is meant to have started.
    out : path, optional
        A new folder, for log and checkpoints.
    resume : bool
        Go on with the run in that folder, if there is one, to the bit where strict on a CPU.
    dry_run : bool
        Stop after the preflight.
    tensorboard : bool
        Write the log for TensorBoard, too.
    note : mapping, optional
        What else the record of the run is to hold.
    remarks : sequence of str
        Lines that the preflight is to show.
    before : callable, optional
        Called with the preflight before the first step.
    after_epoch : callable, optional
        Called with the ``Run`` after each epoch; what it returns is logged with the epoch under "monitor".
    progress : callable, optional
        Called after each step with the fraction done and the row of the last epoch, or an empty one.

    Returns
    -------
    TrainResult

    Raises
    ------
    InputError
        When networks, taps, data, method and recipe do not fit each other, or files cannot be written.
    DivergenceError
        When the loss is not a finite number; the last checkpoint stands.
    KeyboardInterrupt, SystemExit
        After Ctrl-C or SIGTERM, when the step is done and a checkpoint of it is written.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from pidkd.distill import Recipe, get_method, train
    >>> def network(width):
    ...     return nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, 3))
    >>> x = torch.randn(64, 5)
    >>> data = x, x[:, :3].argmax(1)
    >>> recipe = Recipe(epochs=4, batch_size=16, clip=5.0)
    >>> teacher = train(None, network(16), data, method="none", recipe=recipe).student
    >>> method = get_method("rid")(q=2, r=0.5)
    >>> run = train(teacher, network(4), data, method=method, taps=[("1", "1")], recipe=recipe)
    >>> [row["phase"] for row in run.history]
    ['filters', 'student', 'filters', 'student']
    """
    started = time.perf_counter()
    check_arguments("train", recipe=recipe, seed=seed, device=device, strict=strict, processes=processes, out=out)
    check_arguments("train", resume=resume, dry_run=dry_run, tensorboard=tensorboard, note=note, remarks=remarks)
    check_arguments("train", forward=forward, collate=collate, before=before, after_epoch=after_epoch)
    check_arguments("train", layout=layout, progress=progress)
    if tensorboard:
        import_extra("tensorboard", "tensorboard", needed_by="train(tensorboard=True)")
    recipe = recipe or Recipe()
    method = _method(method)
    pairs = _pairs(taps, method, teacher, student)
    with Runtime(device, processes=processes, strict=strict, precision=recipe.precision) as runtime, ExitStack() as end:
        reading = {"collate": collate, "id_names": id_names(teacher, student)}
        data, evaluated = _data(train_data, valid_data, recipe, seed, runtime, reading)
        teacher_used = teacher if method.needs_teacher else None
        taps_of = _taps(teacher_used, student, pairs, layout, forward, recipe, runtime, end)
        run = _prepare(taps_of, data, evaluated, method, pairs, recipe, seed, runtime, end)
        if out is not None:
            check_can_be_kept(run.step.student.model, Argument("train", "student"))
        report = preflight(run, remarks)
        folder = None
        if not dry_run and out is not None:
            settings = {
                "method": {"name": method.name, **method.get_params()},
                "taps": pairs,
                "recipe": recipe.to_dict(),
                "seed": seed,
                "strict": strict,
                "device": runtime.device.type,
                "processes": runtime.world_size,
                "teacher": None if run.teacher is None else fingerprint(run.teacher.model),
                "data": run.train.fingerprint,
            }
            about = {"preflight": report.to_dict(), "note": dict(note or {})}
            folder = _open_folder(out, settings, resume, about, run)
        if folder is not None:
            end.callback(folder.close)
            if tensorboard:
                folder.show_on_tensorboard(run.epoch)
        if before is not None and runtime.is_main:
            before(report)
        if not dry_run:
            _train(run, folder, after_epoch, progress if runtime.is_main else None)
        student = run.step.student.model
        if folder is not None:
            folder.finish(student, run.best)
    place, seconds = None if folder is None else folder.path, time.perf_counter() - started
    return TrainResult(student, teacher, run.step.loss, run.history, run.best, report, place, seconds)


def _method(method: Any) -> Method:
    """The method, by name with its defaults."""
    if isinstance(method, type) and issubclass(method, Method):
        got, hint = f"the class {method.__name__}", f"make one: {method.__name__}()"
        raise InputError(Argument("train", "method"), "a distillation method, or its name", got, hint)
    return method if isinstance(method, Method) else get_method(method)()


def _taps(
    teacher: nn.Module | None,
    student: nn.Module,
    pairs: Sequence[tuple[str, str]],
    layout: Sequence[tuple[str | None, str | None]] | None,
    forward: Forward | None,
    recipe: Recipe,
    runtime: Runtime,
    end: ExitStack,
) -> tuple[FeatureTap | None, FeatureTap]:
    """Taps of both networks, on the device; what they do to the networks is undone at the end."""
    axes = layouts(layout, pairs, Argument("train", "layout"))
    taps: list[FeatureTap | None] = []
    for side, network in enumerate((teacher, student)):
        if network is None:
            taps.append(None)
            continue
        where = ("teacher", "student")[side]
        check_network(network, Argument("train", where))
        if side == 1:
            check_trainable(network, Argument("train", where))
        network.to(runtime.device)
        if side == 1 and recipe.sync_batchnorm:
            network = _synchronised(network, runtime)
        if side == 0:
            end.enter_context(left_alone(network))
        paths = [pair[side] for pair in pairs]
        tapped = tap(network, paths, where, frozen=side == 0, forward=forward, layout=axes[side])
        end.callback(tapped.close)
        end.callback(tapped.unfasten)
        taps.append(tapped)
    assert taps[1] is not None  # noqa: S101 the student is a network
    return taps[0], taps[1]


def _prepare(
    taps: tuple[FeatureTap | None, FeatureTap],
    data: Batches,
    evaluated: Mapping[str, Batches],
    method: Method,
    pairs: Sequence[tuple[str, str]],
    recipe: Recipe,
    seed: int,
    runtime: Runtime,
    end: ExitStack,
) -> Run:
    """A run at its beginning: networks that take the data, with a loss and optimisers."""
    teacher, student = taps
    x, _ = data.example()
    for tapped in taps:
        if tapped is not None:
            tapped.settle(x, fast=True)
    runtime.seed(stream(seed, 0))
    step = Step(method, teacher, student, pairs if method.needs_taps else (), data.first()[0], recipe.label_smoothing)
    step.loss.to(runtime.device)
    if recipe.sync_batchnorm:
        step.loss = _synchronised(step.loss, runtime)
    _check_parts(recipe, step)
    run = Run(step, teacher, recipe, data, evaluated, runtime, seed)
    end.callback(run.close)
    return run


def _train(
    run: Run,
    folder: RunFolder | None,
    after_epoch: Callable[[Run], Mapping[str, Any] | None] | None,
    progress: Callable[[float, Mapping[str, Any]], None] | None,
) -> None:
    """The loop: epochs of steps, a row of the log and a checkpoint after each epoch."""
    runtime, n_epochs = run.runtime, len(run.schedule)
    try:
        while run.epoch < n_epochs:
            for done in run.steps():
                if progress is not None:
                    progress(
                        (run.epoch + done / (run.train.steps or done)) / n_epochs,
                        run.history[-1] if run.history else {},
                    )
                if runtime.any(runtime.stopping is not None):
                    state = run.state_dict()  # of all processes, and so asked for by all
                    if folder is not None:
                        folder.save(state)
                    _stop(runtime)
            row = run.end_epoch(after_epoch)
            state = run.state_dict()
            every = run.recipe.keep_every
            if folder is not None:
                folder.save(state, f"epoch-{run.epoch}.pt" if every and run.epoch % every == 0 else None)
                folder.log(row)
            if runtime.any(runtime.stopping is not None):
                _stop(runtime)
    except DivergenceError as error:
        last = None if folder is None else folder.last
        raise DivergenceError(f"{error}; the last good checkpoint is {last}" if last else str(error)) from error


def _stop(runtime: Runtime) -> None:
    """End as the signal asks."""
    if runtime.stopping == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + signal.SIGTERM)


def _open_folder(
    out: PathLike, settings: Mapping[str, Any], resume: bool, about: Mapping[str, Any], run: Run
) -> RunFolder | None:
    """The folder, in the main process; and every process goes on from the checkpoint that is there, if so asked."""
    folder = from_main(lambda: RunFolder(out, settings, resume, about))
    state = folder.load() if folder is not None else None
    run.runtime.gather(None)
    if folder is None and resume:
        state = load_checkpoint(Path(out))
    if state is not None:
        run.load_state_dict(state)
    run.runtime.gather(None)
    return folder


def _data(
    train_data: Any, valid_data: Any, recipe: Recipe, seed: int, runtime: Runtime, reading: dict[str, Any]
) -> tuple[Batches, dict[str, Batches]]:
    evaluated = {} if valid_data is None else {"valid": valid_data}
    if recipe.held_out:
        train_data, evaluated["held_out"] = hold_out(train_data, Argument("train", "train_data"), recipe.held_out, seed)
    data = open_batches(train_data, Argument("train", "train_data"), recipe, seed, runtime.place, **reading)
    return data, {
        name: open_batches(part, f"train({name}_data)", recipe, seed, runtime.place, training=False, **reading)
        for name, part in evaluated.items()
    }


def _pairs(
    taps: Sequence[tuple[str, str]], method: Method, teacher: nn.Module | None, student: nn.Module
) -> tuple[tuple[str, str], ...]:
    pairs = check_pairs(taps, Argument("train", "taps"))
    if method.needs_teacher and teacher is None:
        raise InputError(Argument("train", "teacher"), f"a teacher, for method {method.name!r}", "None")
    if method.needs_taps and not pairs:
        raise InputError(Argument("train", "taps"), f"at least one layer pair, for method {method.name!r}", "none")
    if teacher is student:
        raise InputError(Argument("train", "student"), "another network than the teacher", "the same", "copy it")
    if isinstance(teacher, nn.Module) and isinstance(student, nn.Module):
        check_apart(teacher, student, Argument("train", "student"))
    return pairs


def _check_parts(recipe: Recipe, step: Step) -> None:
    known = [name for name, part in step.loss.named_children() if any(True for _ in part.parameters())]
    for name in ("part_lr", "part_weight_decay"):
        for part in getattr(recipe, name):
            if part not in known:
                raise UnknownNameError(
                    Argument("Recipe", name), f"a part of the loss of {step.loss.method.name!r}", part, known
                )


def _synchronised(module: Any, runtime: Runtime) -> Any:
    if runtime.device.type != "cuda":
        raise InputError(Argument("Recipe", "sync_batchnorm"), "CUDA devices", f"device {runtime.device.type!r}")
    return nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
