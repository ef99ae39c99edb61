"""Means over the steps of an epoch, summed where the steps run, so that no step waits for the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class Tally:
    """Sums of named values, and how many of each were added.

    Attributes
    ----------
    names : list of str
    sums : Tensor of float64, shape (n_names,)
    count : int
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.names: list[str] = []
        self.sums = torch.zeros(0)
        self.count = 0

    def add(self, names: Sequence[str], values: Tensor) -> None:
        """Add one value for each name, always the same names between two calls of ``clear``."""
        if not self.count:
            self.names, self.sums = list(names), torch.zeros(len(names), dtype=torch.float64, device=values.device)
        self.sums += values
        self.count += 1

    def state_dict(self) -> dict[str, Any]:
        """Plain values and a tensor on the CPU."""
        return {"names": self.names, "sums": self.sums.cpu(), "count": self.count}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """The state of another tally, its sums on a device."""
        self.names, self.count = list(state["names"]), state["count"]
        self.sums = state["sums"].to(device)
