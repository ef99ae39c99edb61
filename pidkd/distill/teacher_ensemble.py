"""Several teachers as one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pidkd.distill.feeding import logits_of
from pidkd.errors import Argument, InputError, quote
from pidkd.parameters import Positive


class TeacherEnsemble(nn.ModuleDict):
    r""":math:`z = \tau \ln \frac1n \sum_i \mathrm{softmax}(z_i / \tau)`: logits whose softened classes are the mean.

    Layers of a teacher are named ``name.layer``, so that layer pairs may take those of several.

    Parameters
    ----------
    teachers : mapping from name to torch.nn.Module
        Two or more, of the same classes; they are not copied.
    temperature : float
        :math:`\tau`, that of the method that softens the logits.

    Raises
    ------
    InputError
        When a name is no word, or there are fewer than two teachers.

    Examples
    --------
    >>> low, high = nn.Linear(4, 3), nn.Linear(4, 3)
    >>> both, x = TeacherEnsemble({"low": low, "high": high}, temperature=4.0), torch.randn(2, 4)
    >>> mean = ((low(x) / 4).softmax(1) + (high(x) / 4).softmax(1)) / 2
    >>> torch.allclose((both(x) / 4).softmax(1), mean)
    True
    """

    def __init__(self, teachers: Mapping[str, nn.Module], temperature: float = 1.0) -> None:
        super().__init__()
        Positive().check(Argument("TeacherEnsemble", "temperature"), temperature)
        self.temperature = temperature
        if len(teachers) < 2:
            raise InputError(Argument("TeacherEnsemble", "teachers"), "two teachers or more", str(len(teachers)))
        for name, teacher in teachers.items():
            if not name.isidentifier() or hasattr(self, name):
                hint = "take letters, digits and _, and no name that a module has, such as half"
                raise InputError(Argument("TeacherEnsemble", "teachers"), "a name for a teacher", quote(name), hint)
            self[name] = teacher

    def forward(self, *inputs: Any, **options: Any) -> Tensor:
        """Logits of the mean of the softened classes."""
        logs = []
        for name, teacher in self.items():
            logits = logits_of(teacher(*inputs, **options))
            if logits is None:
                raise InputError(f"teacher {name}", "logits, or an output that has them", "none")
            logs.append((logits.float() / self.temperature).log_softmax(1))
        return self.temperature * (torch.stack(logs).logsumexp(0) - math.log(len(logs)))
