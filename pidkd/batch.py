"""Results of many decompositions: arrays over the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.export import COLORS, axis, data_frame, html_table, latex_table
from pidkd.result import ATOMS, FORMULAS, INFORMATION, SYMBOLS, PIDResult, Units

SHOWN = 10
"""Members that a notebook shows."""


@dataclass(frozen=True)
class PIDBatch:
    """Results of many decompositions by one estimator: arrays over the batch, and a sequence of ``PIDResult``.

    Parameters
    ----------
    results : sequence of PIDResult
        All in the same units.
    seconds : float
        Wall time of the whole batch.
    finished_on_cpu : int
        Members that the accelerator left open, where one was asked for.
    """

    results: Sequence[PIDResult]
    seconds: float
    finished_on_cpu: int = 0

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[PIDResult]:
        return iter(self.results)

    def __getitem__(self, index: int) -> PIDResult:
        return self.results[index]

    def _column(self, name: str) -> FloatArray:
        return np.array([getattr(result, name) for result in self.results], dtype=np.float64)

    @property
    def redundant(self) -> FloatArray:
        """Red(Y:T,S) of every member."""
        return self._column("redundant")

    @property
    def unique_t(self) -> FloatArray:
        r"""Uni(Y:T\S) of every member."""
        return self._column("unique_t")

    @property
    def unique_s(self) -> FloatArray:
        r"""Uni(Y:S\T) of every member."""
        return self._column("unique_s")

    @property
    def synergistic(self) -> FloatArray:
        """Syn(Y:T,S) of every member."""
        return self._column("synergistic")

    @property
    def gap(self) -> FloatArray:
        """Certified gap of every member."""
        return np.array([result.certificate.gap for result in self.results], dtype=np.float64)

    @property
    def status(self) -> Array:
        """Certificate status of every member."""
        return np.array([result.certificate.status for result in self.results], dtype=str)

    def to_dataframe(self) -> Any:
        """A ``pandas.DataFrame`` with a row for each member: atoms, mutual informations, units, gap and status.

        Raises
        ------
        MissingDependencyError
            When pandas is not installed.
        """
        return data_frame([self._record(result) for result in self.results])

    @staticmethod
    def _record(result: PIDResult) -> dict[str, Any]:
        return {
            **{name: float(getattr(result, name)) for name in (*ATOMS, *INFORMATION)},
            "units": result.units,
            "method": result.method,
            "gap": result.certificate.gap,
            "status": result.certificate.status,
            "n_samples": result.n_samples,
        }

    def to_latex(self, digits: int = 3) -> str:
        r"""A LaTeX ``tabular`` with a row of atoms and mutual informations for each member, which have numbers from 0.

        Parameters
        ----------
        digits : int, default 3
            After the point.
        """
        names = (*ATOMS, *INFORMATION)
        rows = [
            [str(place), *(float(getattr(result, name)) for name in names)] for place, result in enumerate(self.results)
        ]
        units = self.results[0].units if len(self.results) else "bits"
        return latex_table([units, *(FORMULAS[name] for name in names)], rows, digits)

    def plot(self, ax: Any = None) -> Any:
        """Each atom over the members, whose numbers are along the axis.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Default: that of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        ax = axis(ax)
        for atom in ATOMS:
            ax.plot(range(len(self)), self._column(atom), marker="o", color=COLORS[atom], label=SYMBOLS[atom])
        ax.set_xlabel("member of the batch")
        ax.set_ylabel(f"information about Y ({self.results[0].units if len(self.results) else 'bits'})")
        ax.legend()
        return ax

    def to(self, units: Units) -> PIDBatch:
        """The same batch in other units."""
        return PIDBatch([result.to(units) for result in self.results], self.seconds, self.finished_on_cpu)

    def __repr__(self) -> str:
        finished = f", finished_on_cpu={self.finished_on_cpu}" if self.finished_on_cpu else ""
        return f"PIDBatch(n={len(self)}, seconds={self.seconds:.3g}{finished})"

    def _repr_html_(self) -> str:
        rows = [
            [
                str(place),
                *(f"{getattr(result, name):z.6f}" for name in (*ATOMS, *INFORMATION)),
                result.certificate.status,
            ]
            for place, result in enumerate(self.results[:SHOWN])
        ]
        shown = "" if len(self) <= SHOWN else f", of which the first {SHOWN} are shown"
        header = ["", *SYMBOLS.values(), *INFORMATION.values(), "status"]
        units = self.results[0].units if len(self) else "bits"
        return html_table(rows, f"{len(self)} members, in {units}{shown}", header)
