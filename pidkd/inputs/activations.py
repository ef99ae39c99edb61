"""Samples of a target and two representations, checked at the border."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from pidkd.arrays import (
    IntArray,
    as_activations,
    as_target,
    check_equal_lengths,
    check_same_rows,
    is_float,
)
from pidkd.errors import Argument
from pidkd.groups import as_groups

Target: TypeAlias = Literal["auto", "discrete", "continuous"]


@dataclass(frozen=True, eq=False)
class Activations:
    """Samples of a target and of two representations, held by reference and never copied whole.

    Parameters
    ----------
    y : array, shape (n_samples,) of labels, or (n_samples,) or (n_samples, d_y) of floats
    t : array of floats, shape (n_samples, d_t) or (n_samples,)
    s : array of floats, shape (n_samples, d_s) or (n_samples,)
        Anything with shape, dtype and slicing: ndarray, memory map, chunked array, tensor.

    groups : array of labels, shape (n_samples,), optional
        Rows that belong together, such as views of one image: only groups are independent of each other.
    target : {"auto", "discrete", "continuous"}
        What y is; "auto" goes by its type, and refuses floats that hold whole numbers only.

    Raises
    ------
    InputError
        When lengths differ, indexes of pandas are in different orders, or a value is not finite; the message names the
        row.
    """

    y: Any
    t: Any
    s: Any
    groups: IntArray | None = None
    target: Target = "auto"

    def __post_init__(self) -> None:
        check_same_rows(Argument("Activations", "y, t, s"), y=self.y, t=self.t, s=self.s, groups=self.groups)
        object.__setattr__(self, "y", as_target(Argument("Activations", "y"), self.y, self.target, "Activations"))
        for name in ("t", "s"):
            object.__setattr__(self, name, as_activations(Argument("Activations", name), getattr(self, name)))
        check_equal_lengths(Argument("Activations", "y, t, s"), y=len(self.y), t=len(self.t), s=len(self.s))
        if self.groups is not None:
            object.__setattr__(
                self, "groups", as_groups(Argument("Activations", "groups"), self.groups, self.n_samples)
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
