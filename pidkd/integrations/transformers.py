"""Audits in the training loop of ``transformers``."""

from __future__ import annotations

from typing import Any

from pidkd.errors import import_extra
from pidkd.integrations.loop import LoopAudit

import_extra("transformers", "transformers", needed_by="pidkd.integrations.transformers")

from transformers import TrainerCallback  # noqa: E402


class AuditCallback(LoopAudit, TrainerCallback):
    r"""The atoms of I(Y;T,S) every k steps of a ``transformers.Trainer``.

    Given in ``Trainer(callbacks=[...])`` the atoms go to ``trainer.state.log_history``, which checkpoints keep;
    ``join(trainer)`` adds it to a trainer and sends them to all loggers of the trainer as well. A run that is resumed
    takes up the reports of ``folder``.

    Parameters
    ----------
    teacher, data, pairs, every, gate, folder, position, forward, collate, **options
        As for ``LoopAudit``.

    Examples
    --------
    The weight of the gate goes into ``compute_loss_func``, as docs/integrations.md shows::

        callback = AuditCallback(teacher, held_out, [(-1, -1)], every=200, gate="unique", position="cls")
        callback.join(trainer)
    """

    def __init__(self, teacher: Any, data: Any, pairs: Any, **options: Any) -> None:
        super().__init__(teacher, data, pairs, **options)
        self._trainer: Any = None

    def join(self, trainer: Any) -> None:
        """Become a callback of a trainer, and log to what it logs to."""
        self._trainer = trainer
        trainer.add_callback(self)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take up the reports from before, where a run is resumed."""
        self.remember(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Audit, if it is time to."""
        if self.is_due(state.global_step):
            self._log(self.measure(model, state.global_step, writes=state.is_world_process_zero), state)

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Audit what has become of the student, if that was not done."""
        if state.global_step not in self.reports:
            self._log(self.measure(model, state.global_step, writes=state.is_world_process_zero), state)

    def _log(self, metrics: dict[str, float], state: Any) -> None:
        if self._trainer is not None:
            self._trainer.log(dict(metrics))
        else:
            state.log_history.append({**metrics, "epoch": state.epoch, "step": state.global_step})
