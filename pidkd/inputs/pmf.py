"""Joint probability tables, checked at the border."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pidkd.arrays import (
    FloatArray,
    as_numbers,
    read_only,
)
from pidkd.errors import InputError, import_extra, quote
from pidkd.export import html_table
from pidkd.inputs.tables import dit_table, in_order
from pidkd.parameters import is_integer

SUM_TOLERANCE = 1e-6
"""How far the total of a probability table, or of a row of posteriors, may be from one."""

SHOWN = 16
"""Outcomes that a notebook shows."""


@dataclass(frozen=True, eq=False)
class Pmf:
    r"""Joint probabilities :math:`p(y, t, s)` of target, teacher and student, or of a target and any sources.

    Parameters
    ----------
    p : array, shape (n_y, n_t, n_s), or (n_y, n_1, .., n_n)
        Finite, non-negative, with sum 1 within 1e-6; it is then renormalised in float64. Axes of xarray, or levels of
        the index of a pandas series, that are named y, t and s may come in any order; of a ``dit.Distribution`` see
        ``from_dit``.
    normalise : bool, default False
        Accept any positive total and divide by it.
    n_samples : int, optional
        Number of samples that the table was counted from; None for an exact table.

    Raises
    ------
    InputError
        When ``p`` is none of this.

    Examples
    --------
    >>> import numpy as np
    >>> Pmf(np.full((2, 2, 2), 1 / 8)).shape
    (2, 2, 2)
    """

    p: FloatArray
    normalise: InitVar[bool] = False
    n_samples: int | None = None

    def __post_init__(self, normalise: bool) -> None:
        where = "Pmf(p)"
        p = as_numbers(where, in_order(where, self.p))
        if p.ndim < 2:
            raise InputError(where, "an axis of y and one of each source", f"an array of shape {p.shape}")
        if (p < 0).any():
            at = tuple(int(i) for i in np.argwhere(p < 0)[0])
            raise InputError(where, "entries >= 0", f"{p[at]:.6g} at {at}")
        with np.errstate(over="ignore"):
            total = float(p.sum())
        if not normalise and not abs(total - 1.0) <= SUM_TOLERANCE:
            hint = "counts go in by Pmf.from_counts(c), other totals by Pmf(p, normalise=True)"
            raise InputError(where, f"a sum of 1 within {SUM_TOLERANCE:g}", f"{total:.10g}", hint)
        if not 0.0 < total < np.inf:
            raise InputError(where, "a positive finite sum", f"{total:.6g}")
        if self.n_samples is not None and not (is_integer(self.n_samples) and self.n_samples >= 1):
            raise InputError("Pmf(n_samples)", "a whole number >= 1, or None", quote(self.n_samples))
        object.__setattr__(self, "p", read_only(p / total))

    @classmethod
    def from_counts(cls, counts: npt.ArrayLike) -> Pmf:
        r"""The empirical :math:`\hat p(y, t, s) = c(y, t, s) / n`, which remembers ``n``.

        Parameters
        ----------
        counts : array of whole numbers >= 0, shape (n_y, n_t, n_s), or (n_y, n_1, .., n_n)

        Raises
        ------
        InputError
            When ``counts`` holds anything else.
        """
        where = "Pmf.from_counts(c)"
        c = as_numbers(where, in_order(where, counts))
        if (c != np.floor(c)).any():
            raise InputError(where, "whole numbers", f"{c[c != np.floor(c)][0]:.6g}", "probabilities go in by Pmf(p)")
        try:
            return cls(c, normalise=True, n_samples=int(c.sum()) or None)
        except InputError as error:
            raise error.at(where) from None

    @classmethod
    def from_dit(cls, distribution: Any, y: Any = None, t: Any = None, s: Any = None) -> Pmf:
        """The joint table of three variables, or groups of variables, of a ``dit.Distribution``.

        Parameters
        ----------
        distribution : dit.Distribution
        y, t, s : int, str, or sequence of these, optional
            Positions or names of the variables that make up target, teacher and student. Values are in sorted order
            where they have one; variables that are not named are summed over. Without any, they are the variables named
            Y, T and S, or of three variables the last is the target, as dit has it.

        Raises
        ------
        InputError
            When a variable is not there, which is which cannot be told, or ``distribution`` is none.
        """
        return cls(dit_table("Pmf.from_dit(distribution, y, t, s)", distribution, (y, t, s)))

    def to_dit(self) -> Any:
        """The same distribution as a ``dit.Distribution`` of variables Y, T and S with values "0", "1", ...

        With one source or more than two they are named X1, X2 and so on.

        Raises
        ------
        MissingDependencyError
            When dit is not installed.
        """
        dit = import_extra("dit", "dit", needed_by="Pmf.to_dit()")
        outcomes = np.argwhere(self.p > 0)
        distribution = dit.Distribution([tuple(map(str, o)) for o in outcomes.tolist()], self.p[tuple(outcomes.T)])
        sources = ["T", "S"] if self.n_sources == 2 else [f"X{i + 1}" for i in range(self.n_sources)]
        distribution.set_rv_names(["Y", *sources])
        return distribution

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes (n_y, n_t, n_s), or those of y and each source."""
        return self.p.shape

    @property
    def n_sources(self) -> int:
        """Number of axes besides that of y."""
        return self.p.ndim - 1

    def __repr__(self) -> str:
        samples = "" if self.n_samples is None else f", n_samples={self.n_samples}"
        return f"Pmf(shape={self.shape}{samples})"

    def _repr_html_(self) -> str:
        places = np.argwhere(self.p > 0)
        rows = [[*map(str, place), f"{self.p[tuple(place)]:.6g}"] for place in places[:SHOWN].tolist()]
        names = ["y", "t", "s"] if self.n_sources == 2 else ["y", *(f"x{i + 1}" for i in range(self.n_sources))]
        shown = "" if len(places) <= SHOWN else f", of which the first {SHOWN} are shown"
        caption = f"{self!r}: {len(places)} outcomes of positive probability{shown}"
        return html_table(rows, caption, [*names, "p"])
