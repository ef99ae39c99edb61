"""Audits in the training loop of Lightning."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pidkd.audits.report import AuditReport
from pidkd.errors import import_extra
from pidkd.integrations.loop import LoopAudit

# The same package goes by two names, and whoever has imported one means that.
if not TYPE_CHECKING and "lightning.pytorch" in sys.modules:
    from lightning.pytorch import Callback
else:
    import_extra("pytorch_lightning", "lightning", needed_by="pidkd.integrations.lightning")
    from pytorch_lightning import Callback


class AuditCallback(LoopAudit, Callback):
    r"""The atoms of I(Y;T,S) every k optimiser steps of a Lightning ``Trainer``, logged to all its loggers.

    Checkpoints keep the reports, and a run that is resumed has them.

    Parameters
    ----------
    teacher, data, pairs, every, gate, folder, position, forward, collate, **options
        As for ``LoopAudit``.
    student : str
        Attribute of the ``LightningModule`` that is the student, whose layers ``pairs`` name; the module itself unless
        given.

    Examples
    --------
    ::

        trainer = Trainer(callbacks=[AuditCallback(teacher, held_out, [("1", "1")], student="net", every=200)])
    """

    def __init__(self, teacher: Any, data: Any, pairs: Any, *, student: str = "", **options: Any) -> None:
        super().__init__(teacher, data, pairs, **options)
        self.student = student

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any, **kwargs: Any) -> None:
        """Audit, if it is time to."""
        if self.is_due(trainer.global_step):
            network = pl_module.get_submodule(self.student)
            pl_module.log_dict(self.measure(network, trainer.global_step, writes=trainer.is_global_zero))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Audit what has become of the student, if that was not done."""
        if trainer.global_step not in self.reports:
            network = pl_module.get_submodule(self.student)
            metrics = self.measure(network, trainer.global_step, writes=trainer.is_global_zero)
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step=trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """The reports, for a checkpoint."""
        return {"reports": {step: report.to_dict() for step, report in self.reports.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The reports of a checkpoint."""
        self.restore({int(step): AuditReport.from_dict(report) for step, report in state_dict["reports"].items()})
