"""The verb that decomposes by several measures, and its result."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pidkd.decomposition import decompose
from pidkd.errors import Argument, InputError, Keyword, of_call
from pidkd.export import COLORS, axis, data_frame, latex_table
from pidkd.inputs import as_input
from pidkd.inputs.activations import Target
from pidkd.pid import PIDEstimator
from pidkd.result import ATOMS, FORMULAS, SYMBOLS, PIDResult, Units
from pidkd.uncertainty import Method

CALL = "compare"


@dataclass(frozen=True)
class Comparison:
    r"""The decompositions of one data set by several measures, side by side.

    Parameters
    ----------
    results : mapping from str to PIDResult
        By measure, in the order in which they were asked for.
    """

    results: Mapping[str, PIDResult]

    @property
    def units(self) -> Units:
        """Units of every number."""
        return next(iter(self.results.values())).units

    def __getitem__(self, measure: str) -> PIDResult:
        """The decomposition by one measure."""
        if measure not in self.results:
            raise InputError("Comparison[measure]", f"one of {', '.join(self.results)}", repr(measure))
        return self.results[measure]

    def to(self, units: Units) -> Comparison:
        """The same comparison in other units."""
        return Comparison({measure: result.to(units) for measure, result in self.results.items()})

    def rows(self) -> list[dict[str, Any]]:
        """One row a measure: its atoms, and how far they are certified."""
        return [
            {"measure": measure} | dict(result.atoms) | {"gap": result.certificate.gap}
            for measure, result in self.results.items()
        ]

    def to_dataframe(self) -> Any:
        """The rows as a ``pandas.DataFrame``, named by the measure."""
        return data_frame(self.rows(), "measure")

    def to_latex(self, digits: int = 3) -> str:
        """The atoms as a LaTeX table with one line a measure."""
        headings = [self.units, *(FORMULAS[atom] for atom in ATOMS)]
        rows = [[measure, *result.atoms.values()] for measure, result in self.results.items()]
        return latex_table(headings, rows, digits)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, by measure."""
        return {measure: result.to_dict() for measure, result in self.results.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """Rebuild what ``to_dict`` wrote.

        Raises
        ------
        InputError
            When ``data`` is not what ``to_dict`` writes.
        """
        if not isinstance(data, Mapping) or not data:
            raise InputError("Comparison.from_dict(data)", "results by measure", repr(data)[:60])
        return cls({str(measure): PIDResult.from_dict(result) for measure, result in data.items()})

    def plot(self, ax: Any = None) -> Any:
        """The atoms of each measure as bars, side by side, with their intervals.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Default: that of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        ax = axis(ax)
        width = 0.8 / len(ATOMS)
        for place, atom in enumerate(ATOMS):
            at = [number + (place - 1.5) * width for number in range(len(self.results))]
            ax.bar(
                at, [getattr(r, atom) for r in self.results.values()], width, color=COLORS[atom], label=SYMBOLS[atom]
            )
            for x, result in zip(at, self.results.values(), strict=True):
                if result.interval is not None and atom in result.interval:
                    ax.vlines(x, *result.interval[atom], color="black", linewidth=1.5)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_xticks(range(len(self.results)), list(self.results))
        ax.set_ylabel(f"information about Y ({self.units})")
        ax.legend()
        return ax

    def __str__(self) -> str:
        width = max(map(len, self.results))
        head = " " * width + "".join(f"  {SYMBOLS[atom]:>11}" for atom in ATOMS) + f"  gap ({self.units})"
        lines = [
            f"{measure:<{width}}"
            + "".join(f"  {getattr(result, atom):z11.6f}" for atom in ATOMS)
            + f"  {abs(result.certificate.gap):.1e}"
            for measure, result in self.results.items()
        ]
        return "\n".join([head, *lines])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def compare(
    y: Any,
    t: Any = None,
    s: Any = None,
    *,
    measures: Sequence[str | PIDEstimator],
    units: Units = "bits",
    seed: int = 0,
    uncertainty: Method | Sequence[Method] | None = None,
    groups: Any = None,
    target: Target = "auto",
    given: Any = None,
) -> Comparison:
    r"""Split :math:`I(Y;T,S)` by several measures: the same informations, and other atoms.

    Parameters
    ----------
    y, t, s : arrays, or one input
        As in ``decompose``.
    measures : sequence of str or PIDEstimator
        Names of ``list_estimators()``, or estimators with their parameters, each of another name.
    units : {"bits", "nats"}
    seed : int, default 0
    uncertainty, groups, target, given
        As in ``decompose``, for every measure.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        When data or options cannot be used, or a measure is named twice.
    SolverError
        When a measure has no finite feasible answer.

    Examples
    --------
    >>> import pidkd
    >>> y, t, s = [0, 0, 0, 1] * 100, [0, 0, 1, 1] * 100, [0, 1, 0, 1] * 100  # an AND gate, each row seen 100 times
    >>> comparison = pidkd.compare(y, t, s, measures=["broja", "i_alpha", "gk"])
    >>> {measure: round(result.redundant, 6) for measure, result in comparison.results.items()}
    {'broja': 0.311278, 'i_alpha': 0.122556, 'gk': 0.0}
    """
    if isinstance(measures, str) or not isinstance(measures, Sequence) or not measures:
        raise InputError(Keyword(CALL, "measures"), "a list of names or estimators", repr(measures))
    data = as_input(*(value for value in (y, t, s) if value is not None), groups=groups, target=target)
    results: dict[str, PIDResult] = {}
    for measure in measures:
        name = measure if isinstance(measure, str) else getattr(measure, "name", repr(measure))
        if name in results:
            raise InputError(Keyword(CALL, "measures"), "each measure once", f"{name!r} twice")
        try:
            results[name] = decompose(
                data, estimator=measure, units=units, seed=seed, uncertainty=uncertainty, given=given
            )
        except InputError as error:
            of_measure = isinstance(error.where, Argument) and error.where.name == "estimator"
            place = Keyword(CALL, "measures", name) if of_measure else of_call(CALL, error.where)
            raise error.at(place) from None
    return Comparison(results)
