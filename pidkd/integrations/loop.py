"""Audits of a student while somebody else's loop trains it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pidkd.arrays import Array
from pidkd.audits.auditing import audit
from pidkd.audits.report import AuditReport
from pidkd.distill.feeding import Forward, check_pairs
from pidkd.distill.hidden_states import as_hidden_state
from pidkd.distill.positions import Position
from pidkd.distill.training.capturing import capture
from pidkd.distill.training.loader import Collate
from pidkd.distill.training.monitor import Gate, gate_of, with_history
from pidkd.errors import InputError, Parameter, SmallSampleWarning
from pidkd.parameters import Choice, OrNone, Whole
from pidkd.quantize import Quantizer
from pidkd.result import ATOMS
from pidkd.runs.output import PathLike


class LoopAudit:
    r"""The atoms of I(Y;T,S) every k steps of any loop, and the weight that a gate gives to distillation.

    Parameters
    ----------
    teacher : torch.nn.Module
        It is captured once, on the device where it lies.
    data : what ``capture`` takes
        Samples that are neither trained on nor tested on, such as a list of batches; they are read at every audit.
    pairs : sequence of (teacher layer, student layer)
        Paths, or numbers of hidden states, as ``capture`` takes them.
    every : int
        Steps from one audit to the next.
    gate : {"unique", "information"}, optional
        What ``weight`` is, as for ``pidkd.distill.Monitor``.
    folder : path, optional
        Keeps the report of each audit, so that a run that is resumed has those from before.
    position, forward, collate
        As for ``capture``.
    **options
        Those of ``audit``. Unless they say otherwise, layers become cells by ``Quantizer()``, labels are shuffled 5
        times, and there are no sampling intervals: an audit is to take seconds.

    Attributes
    ----------
    reports : dict of int to AuditReport
        By the number of steps before each.
    weight : float
        What to multiply the distillation term by: 1 without a gate, and before the first audit.
    """

    def __init__(
        self,
        teacher: nn.Module,
        data: Any,
        pairs: Sequence[tuple[str | int, str | int]],
        *,
        every: int = 500,
        gate: Gate | None = None,
        folder: PathLike | None = None,
        position: Position | None = None,
        forward: Forward | None = None,
        collate: Collate | None = None,
        **options: Any,
    ) -> None:
        Whole(1).check(Parameter("AuditCallback", "every"), every)
        OrNone(Choice(("unique", "information"))).check(Parameter("AuditCallback", "gate"), gate)
        if iter_once(data):
            got, hint = f"a {type(data).__name__}, which is read only once", "list() keeps its batches"
            raise InputError(Parameter("AuditCallback", "data"), "data that can be read at every audit", got, hint)
        states = [tuple(as_hidden_state(path, teacher) for path in pair) for pair in pairs]
        self.teacher, self.data, self.pairs = teacher, data, check_pairs(states, Parameter("AuditCallback", "pairs"))
        self.every, self.gate = every, gate
        self.folder = None if folder is None else Path(folder)
        self.how: dict[str, Any] = {"position": position, "forward": forward, "collate": collate}
        cells = {} if {"quantize", "estimator"} & set(options) else {"quantize": Quantizer(seed=options.get("seed", 0))}
        self.options = {"shuffles": 5, "uncertainty": None, **cells, **options}
        self.reports: dict[int, AuditReport] = {}
        self.weight = 1.0
        self._teacher: Mapping[str, Array] | None = None

    def is_due(self, step: int) -> bool:
        """Whether an audit is to be made after so many steps, and was not yet."""
        return step > 0 and step % self.every == 0 and step not in self.reports

    def measure(self, student: nn.Module, step: int, *, writes: bool = True) -> dict[str, float]:
        """Audit; the atoms of each pair by name, in the units of the audit, for a logger."""
        self.remember(step)
        if self._teacher is None:
            self._teacher = self._captured(self.teacher, 0)
        held = self._captured(student, 1)
        with warnings.catch_warnings():
            if self.reports:  # all audits have as many samples: once is enough
                warnings.simplefilter("ignore", SmallSampleWarning)
            report = audit(self._teacher, held, self._teacher["labels"], self.pairs, **self.options)
        self.reports[step] = report
        if self.folder is not None and writes:
            self.folder.mkdir(parents=True, exist_ok=True)
            report.save(self.folder / f"step-{step:08}.json", force=True)
        self._settle()
        return self.metrics(step)

    def metrics(self, step: int) -> dict[str, float]:
        """The atoms of one audit by name, and the weight where there is a gate."""
        numbers = {
            f"pidkd/{pair.teacher}:{pair.student}/{atom}": float(getattr(pair.result, atom))
            for pair in self.reports[step].pairs
            for atom in ATOMS
        }
        return numbers if self.gate is None else {**numbers, "pidkd/weight": self.weight}

    def remember(self, step: int) -> None:
        """Take up the reports that an earlier part of the run has kept of steps before this one."""
        if self.folder is None or self.reports:
            return
        for path in sorted(self.folder.glob("step-*.json")):
            number = int(path.stem.removeprefix("step-"))
            if number <= step:
                self.reports[number] = AuditReport.load(path)
        self._settle()

    def restore(self, reports: Mapping[int, AuditReport]) -> None:
        """Go on with these reports, as a checkpoint has kept them."""
        self.reports = dict(reports)
        self._settle()

    @property
    def report(self) -> AuditReport:
        """The last audit, with those before it as the history of each pair."""
        if not self.reports:
            raise InputError("AuditCallback.report", "an audit to report", "none yet")
        return with_history(self.reports, "step")

    def _settle(self) -> None:
        if self.gate is not None and self.reports:
            self.weight = gate_of(self.reports[max(self.reports)], self.gate)

    def _captured(self, network: nn.Module, side: int) -> dict[str, Array]:
        where = next((p.device.type for p in network.parameters()), "cpu")
        with torch.random.fork_rng(devices=[]):  # the loop draws what it would without an audit
            return capture(network, self.data, [pair[side] for pair in self.pairs], device=where, **self.how)


def iter_once(data: Any) -> bool:
    """Whether data is an iterator, such as a generator."""
    return hasattr(data, "__next__")
