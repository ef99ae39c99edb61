"""The logit lens: what a layer would say by the head of its own network."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from torch import Tensor, nn

from pidkd.distill.feeding import describe_inputs, others_code
from pidkd.errors import InputError

Head: TypeAlias = str | Sequence[str] | Callable[[Tensor], Tensor]
"""A layer, layers one after the other, or a function."""


class Lens:
    """Logits of states, by layers of the network that they are from.

    Parameters
    ----------
    model : torch.nn.Module
    head : path, sequence of paths, or callable
        ``"lm_head"``; ``("transformer.ln_f", "lm_head")`` where a norm comes before the head.
    where : str
        What messages call the head.

    Examples
    --------
    >>> import torch
    >>> model = nn.ModuleDict({"body": nn.Linear(3, 4), "head": nn.Linear(4, 2)})
    >>> Lens(model, "head", "head")(torch.zeros(5, 4), "body").shape
    torch.Size([5, 2])
    """

    def __init__(self, model: nn.Module, head: Any, where: str) -> None:
        self.where = where
        layers = {name: layer for name, layer in model.named_modules() if name}
        paths = [] if callable(head) else [head] if isinstance(head, str) else list(head)
        for path in paths:
            if path not in layers:
                near = difflib.get_close_matches(str(path), layers, n=5, cutoff=0.3)
                hint = f"the nearest are {', '.join(map(repr, near))}" if near else None
                raise InputError(where, f"paths of layers of {type(model).__name__}", repr(path), hint)
        self.steps: list[Callable[[Any], Any]] = [head] if callable(head) else [layers[path] for path in paths]
        self.name = getattr(head, "__qualname__", type(head).__qualname__) if callable(head) else paths

    def __call__(self, states: Tensor, where: str) -> Tensor:
        """Logits of the states of a layer that messages call ``where``."""
        values: Any = states
        for step in self.steps:
            with others_code(self.where, f"layers that take states of {describe_inputs(states)} of {where}"):
                values = step(values)
        if not isinstance(values, Tensor) or values.shape[:-1] != states.shape[:-1]:
            got = describe_inputs(values)
            raise InputError(
                self.where, f"logits of {len(states)} states", got, "name the layers by which states become logits"
            )
        return values
