"""Audits of teacher and student before and during training."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from pidkd.arrays import Array
from pidkd.audits.auditing import audit
from pidkd.audits.pair import AuditedPair
from pidkd.audits.report import AuditReport
from pidkd.distill.features import align
from pidkd.distill.feeding import Forward, check_network, check_pairs, layouts
from pidkd.distill.positions import POSITIONS, Position
from pidkd.distill.taps import FeatureTap
from pidkd.distill.training.arguments import check_audit_options
from pidkd.distill.training.capturing import capture
from pidkd.distill.training.loader import Collate
from pidkd.distill.training.opening import open_batches
from pidkd.distill.training.run import Run
from pidkd.errors import Argument, InputError, Parameter, SmallSampleWarning, quote
from pidkd.parameters import Choice, OrNone, Whole
from pidkd.quantize import Quantizer
from pidkd.result import ATOMS
from pidkd.runs.output import PathLike, as_path

Gate = Literal["unique", "information"]


class Monitor:
    r"""The atoms of I(Y;T,S) every k epochs, and :math:`I(\varepsilon;Y|f_s(S))`.

    It is a hook: pass it to ``train(after_epoch=...)``. The teacher's cells are those of the same activations each
    time, so that epochs compare. For filters :math:`f_t` and :math:`f_s`, RID takes for granted that their difference
    :math:`\varepsilon = f_t(T) - f_s(S)` has :math:`I(\varepsilon;Y|f_s(S)) = 0`; what it is, is measured for every
    layer pair. Shuffled labels say what is read where nothing is.

    Parameters
    ----------
    teacher : torch.nn.Module
    data : ImageData or TextData, (x, y), torch Dataset, DataLoader, or list of batches
        What is neither trained on nor tested on.
    pairs : sequence of (teacher layer, student layer)
    every : int
        Epochs from one audit to the next; the last epoch is always audited.
    gate : {"unique", "information"}, optional
        What the weight of every term but the task's is multiplied by until the next audit, sums being over pairs:
        :math:`\sum U_T / \sum (U_T + U_S)`, or 1 if :math:`\sum I(Y;T) > \sum I(Y;S)` and else 0.
    folder : path, optional
        Keeps a report of each audit, so that a run that goes on has those from before.
    position : {"mean", "cls", "last", "answer"}, optional
        The state that stands for a sample, as ``capture`` takes it; batches whose tokens are padded need one.
    **options
        Those of ``audit``. Unless they say otherwise, layers become cells by ``Quantizer()``, labels are shuffled 5
        times, and there are no sampling intervals: an audit is to take seconds.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from pidkd.distill import Recipe, train
    >>> _ = torch.manual_seed(0)
    >>> x = torch.randn(400, 4)
    >>> y = (x[:, 0] > 0).long()
    >>> def network():
    ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> teacher, recipe = network(), Recipe(epochs=4, batch_size=50)
    >>> monitor = Monitor(teacher, (x[300:], y[300:]), [("1", "1")], every=2)
    >>> run = train(teacher, network(), (x[:300], y[:300]), method="kd", recipe=recipe, after_epoch=monitor)
    >>> [pair.checkpoint for pair in monitor.report.pairs[0].history]
    ['epoch 2']
    >>> sorted(run.history[1]["monitor"]["1:1"])
    ['redundant', 'synergistic', 'unique_s', 'unique_t']
    """

    def __init__(
        self,
        teacher: nn.Module,
        data: Any,
        pairs: Sequence[tuple[str, str]],
        *,
        every: int = 10,
        gate: Gate | None = None,
        folder: PathLike | None = None,
        position: Position | None = None,
        **options: Any,
    ) -> None:
        Whole(1).check(Parameter("Monitor", "every"), every)
        OrNone(Choice(("unique", "information"))).check(Parameter("Monitor", "gate"), gate)
        OrNone(Choice(POSITIONS)).check(Parameter("Monitor", "position"), position)
        check_network(teacher, Parameter("Monitor", "teacher"))
        check_audit_options("Monitor", options)
        self.teacher, self.data, self.pairs = teacher, data, check_pairs(pairs, Parameter("Monitor", "pairs"))
        cells = {} if {"quantize", "estimator"} & set(options) else {"quantize": Quantizer(seed=options.get("seed", 0))}
        self.every, self.gate, self.position = every, gate, position
        self.options = {"shuffles": 5, "uncertainty": None, **cells, **options}
        self.folder = None if folder is None else as_path(Parameter("Monitor", "folder"), folder)
        self.reports: dict[int, AuditReport] = {}
        """The report of each audit, by the number of epochs before it."""
        self._finished = TemporaryDirectory(prefix="pidkd-monitor-")
        self._teacher: dict[str, Array] | None = None

    def __call__(self, run: Run) -> dict[str, Any] | None:
        """Audit, if it is time to; the atoms by pair, in the units of the audit, for the log."""
        epochs = run.epoch + 1
        if epochs % self.every and epochs < len(run.schedule):
            return None
        self._remember(epochs)
        if self._teacher is None:
            self._teacher = self._capture(self.teacher, 0, run.teacher, run)
        student = self._capture(run.step.student.model, 1, run.step.student, run)
        self.reports[epochs] = report = self._audit(self._teacher, student, self.pairs)
        if self.folder is not None and run.runtime.is_main:
            report.save(self.folder / f"epoch-{epochs:05}.json", force=True)
        atoms: dict[str, Any] = {
            f"{pair.teacher}:{pair.student}": {atom: getattr(pair.result, atom) for atom in ATOMS}
            for pair in report.pairs
        }
        if hasattr(run.step.loss, "f_t"):
            atoms["assumption"] = self._assumption(run)
        if self.gate is not None:
            atoms["gate"] = gate_of(report, self.gate)
            run.step.loss.gate.fill_(atoms["gate"])
        return atoms

    def _capture(self, network: nn.Module, side: int, tap: FeatureTap | None, run: Run) -> dict[str, Array]:
        """Activations of one network, which is run and read as it is trained."""
        paths = [pair[side] for pair in self.pairs]
        axes = {} if tap is None else {path: tap.axes[path] for path in paths if path in tap.axes}
        collate = getattr(run.train, "collate", None)
        device, forward = run.runtime.device.type, run.step.student.run_network
        options: dict[str, Any] = {"layout": axes, "forward": forward, "collate": collate, "position": self.position}
        return capture(network, self.data, paths, device=device, **options)

    @property
    def report(self) -> AuditReport:
        """The last audit, with those before it as the history of each pair."""
        if not self.reports:
            raise InputError("Monitor.report", "an audit to report", "none yet")
        return with_history(self.reports, "epoch")

    def _audit(
        self, teacher: Mapping[str, Array], student: Mapping[str, Array], pairs: Sequence[tuple[str, str]]
    ) -> AuditReport:
        with warnings.catch_warnings():
            if self.reports:  # all audits have as many samples: once is enough
                warnings.simplefilter("ignore", SmallSampleWarning)
            return audit(teacher, student, teacher["labels"], pairs, resume=self._finished.name, **self.options)

    def _assumption(self, run: Run) -> dict[str, dict[str, float]]:
        """I(eps;Y|f_s(S)) of each layer pair of the loss, and what it is for shuffled labels."""
        residuals, labels = filtered(run, self.data)
        information = {}
        for (t, s), (eps, f_s) in zip(run.step.taps, residuals, strict=True):
            [pair] = self._audit({"eps": eps, "labels": labels}, {"f_s": f_s}, [("eps", "f_s")]).pairs
            null = pair.result.null or {}
            chance = {"chance": null["unique_t"] + null["synergistic"]} if null else {}
            information[f"{t}:{s}"] = {"information": pair.conditional, **chance}
        return information

    def _remember(self, epochs: int) -> None:
        """Take up reports that an earlier part of the run has kept."""
        if self.folder is None or self.reports:
            return
        for path in sorted(self.folder.glob("epoch-*.json")):
            number = int(path.stem.removeprefix("epoch-"))
            if number < epochs:
                self.reports[number] = AuditReport.load(path)


@torch.no_grad()
def filtered(run: Run, data: Any) -> tuple[list[tuple[Array, Array]], Array]:
    r""":math:`\varepsilon = f_t(T) - f_s(S)` and :math:`f_s(S)` of each layer pair, and the labels, for all samples."""
    step, teacher = run.step, run.teacher
    if teacher is None or not hasattr(step.loss, "f_t"):
        raise InputError("filtered(run)", "a method with filters f_t and f_s", quote(run.method.name))
    was_training = step.training
    step.eval()
    place, collate = (run.runtime.device, 0, 1), getattr(run.train, "collate", None)
    names = getattr(run.train, "id_names", ())
    batches = open_batches(
        data, Argument("Monitor", "data"), run.recipe, 0, place, training=False, collate=collate, id_names=names
    )
    pieces: list[list[tuple[Array, Array]]] = [[] for _ in step.taps]
    labels = []
    for x, y in batches.in_order():
        mask = step.mask(x)
        of_t, of_s = step.paired(teacher(x), 0, mask)[1], step.paired(step.student(x), 1, mask)[1]
        for k, pair in enumerate(zip(of_t, of_s, strict=True)):
            t, s = align(*pair)
            f_t, f_s = step.loss.f_t[k](t), step.loss.f_s[k](s)  # type: ignore[index, operator]
            pieces[k].append(((f_t - f_s).float().cpu().numpy(), f_s.float().cpu().numpy()))
        labels.append((y if mask is None else y[mask.nonzero()[:, 0]]).cpu().numpy())
    step.train(was_training)
    whole = [
        (np.concatenate([eps for eps, _ in of_pair]), np.concatenate([f_s for _, f_s in of_pair])) for of_pair in pieces
    ]
    return whole, np.concatenate(labels)


def with_history(reports: Mapping[int, AuditReport], word: str) -> AuditReport:
    """The last of several audits, with those before it as the history of each pair, by ``word`` and number."""
    *before, last = sorted(reports)
    return dataclasses.replace(
        reports[last],
        pairs=tuple(
            dataclasses.replace(
                pair,
                history=tuple(dataclasses.replace(_same(reports[n], pair), checkpoint=f"{word} {n}") for n in before),
            )
            for pair in reports[last].pairs
        ),
    )


def gate_of(report: AuditReport, gate: Gate) -> float:
    r""":math:`\sum U_T / \sum (U_T + U_S)` over the pairs, or whether :math:`\sum I(Y;T) > \sum I(Y;S)`, as 1 or 0.

    Where neither network knows anything that the other does not, there is nothing to give: 0.
    """
    results = list(report.results.values())
    if gate == "information":
        return float(sum(r.mi_t for r in results) > sum(r.mi_s for r in results))
    of_t, of_s = sum(r.unique_t for r in results), sum(r.unique_s for r in results)
    return of_t / (of_t + of_s) if of_t + of_s > 0 else 0.0


@dataclass(frozen=True)
class Prospect:
    """Information that a teacher adds to a student that was trained without it.

    Parameters
    ----------
    report : AuditReport
        The audit; its first pair is the one with most to give.
    """

    report: AuditReport

    @property
    def gains(self) -> dict[tuple[str, str], float]:
        r"""For each layer pair, Uni(Y:T\S) less what it is for shuffled labels."""
        return {key: r.unique_t - (r.null or {}).get("unique_t", 0.0) for key, r in self.report.results.items()}

    @property
    def verdicts(self) -> dict[tuple[str, str], str]:
        """For each layer pair whether the teacher has more to give than the student would lose."""
        verdicts = {}
        for key, gain in self.gains.items():
            r = self.report.results[key]
            verdicts[key] = "nothing to give" if gain <= 0 else "less to give than to lose"
            if gain > 0 and r.unique_t > r.unique_s:
                verdicts[key] = "something to give"
        return verdicts

    @property
    def words(self) -> list[str]:
        """A line for each layer pair: what the teacher has to give, beside what the student has that it lacks."""
        lines = []
        for (t, s), gain in self.gains.items():
            r, verdict = self.report.results[t, s], self.verdicts[t, s]
            lines.append(
                f"the teacher's {t} knows {r.unique_t:.3f} {r.units} of the label that the student's {s} does not, "
                f"{r.unique_t - gain:.3f} of them by chance, and lacks {r.unique_s:.3f} that it does: {verdict}"
            )
        return lines

    def __str__(self) -> str:
        """The lines."""
        return "\n".join(self.words)


def prospect(
    teacher: nn.Module,
    student: nn.Module,
    data: Any,
    pairs: Sequence[tuple[str, str]],
    *,
    device: str = "cpu",
    layout: Sequence[tuple[str | None, str | None]] | None = None,
    forward: Forward | None = None,
    collate: Collate | None = None,
    **options: Any,
) -> Prospect:
    r"""Has this teacher something to give? Uni(Y:T\S) by layer, before any distillation.

    Parameters
    ----------
    teacher : torch.nn.Module
    student : torch.nn.Module
        Trained without a teacher.
    data : ImageData or TextData, (x, y), torch Dataset or DataLoader
        Not trained on.
    pairs : sequence of (teacher layer, student layer)
    device : {"cpu", "cuda", "auto"}
    layout, forward, collate
        As for ``train``.
    **options
        Those of ``audit``.

    Returns
    -------
    Prospect

    Examples
    --------
    >>> x = torch.randn(600, 2)
    >>> y = 2 * (x[:, 0] > 0) + (x[:, 1] > 0)
    >>> half = nn.Linear(2, 2)
    >>> _ = half.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))  # it sees one of the two
    >>> networks = nn.Sequential(nn.Identity()), nn.Sequential(half)
    >>> result = prospect(*networks, (x, y), [("0", "0")], quantize=Quantizer(seed=0))
    >>> result.gains["0", "0"] > 0.5
    True
    """
    pairs = check_pairs(pairs, Argument("prospect", "pairs"))
    axes = layouts(layout, pairs, Argument("prospect", "layout"))
    held_t, held_s = (
        capture(
            network, data, [pair[k] for pair in pairs], device=device, layout=axes[k], forward=forward, collate=collate
        )
        for k, network in enumerate((teacher, student))
    )
    return Prospect(audit(held_t, held_s, held_t["labels"], pairs, **options))


def _same(report: AuditReport, pair: AuditedPair) -> AuditedPair:
    return next(p for p in report.pairs if (p.teacher, p.student) == (pair.teacher, pair.student))
