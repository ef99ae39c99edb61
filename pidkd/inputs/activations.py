"""Samples of a target and two representations, checked at the border."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pidkd.arrays import (
    as_activations,
    as_array,
    as_labels,
    check_equal_lengths,
    dtype_name,
    is_array,
    is_float,
    is_whole,
)
from pidkd.errors import Argument, InputError


@dataclass(frozen=True, eq=False)
class Activations:
    """Samples of a target and of two representations, held by reference and never copied whole.

    Parameters
    ----------
    y : array, shape (n_samples,) of labels, or (n_samples,) or (n_samples, d_y) of floats
    t : array of floats, shape (n_samples, d_t) or (n_samples,)
    s : array of floats, shape (n_samples, d_s) or (n_samples,)
        Anything with shape, dtype and slicing: ndarray, memory map, chunked array, tensor.

    Raises
    ------
    InputError
        When lengths differ or a value is not finite; the message names the row.
    """

    y: Any
    t: Any
    s: Any

    def __post_init__(self) -> None:
        for name in ("y", "t", "s"):
            where, values = Argument("Activations", name), getattr(self, name)
            values = values if is_array(values) else as_array(where, values)
            labels = name == "y" and not is_float(values)
            object.__setattr__(self, name, (as_labels if labels else as_activations)(where, values))
        check_equal_lengths(Argument("Activations", "y, t, s"), y=len(self.y), t=len(self.t), s=len(self.s))
        if not self.discrete_target and is_whole(self.y):
            raise InputError(
                Argument("Activations", "y"),
                "labels (integers, bools, strings) or a continuous target",
                f"{dtype_name(self.y)} that holds whole numbers only",
                f"if these are labels, write y.{'astype(int)' if len(self.y.shape) == 1 else 'argmax(axis=1)'}",
            )

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.y)

    @cached_property
    def discrete_target(self) -> bool:
        """Whether Y holds labels rather than a continuous target."""
        return not is_float(self.y)

    def __repr__(self) -> str:
        return f"Activations(n_samples={self.n_samples}, t={tuple(self.t.shape)}, s={tuple(self.s.shape)})"
