"""Contributions of several sources, with a certificate or an interval for each number."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pidkd.codec import PlainData
from pidkd.export import data_frame, html_table
from pidkd.result import NATS_PER, Units, check_units


@dataclass(frozen=True)
class Quantity:
    """A number with what is known of it.

    Parameters
    ----------
    value : float
    lower, upper : float
        Proven bounds; -inf and inf where nothing is proven.
    se : float, optional
        Standard error, of an estimate from samples; of a difference it is that of the paired difference.
    interval : tuple of float, optional
        Sampling interval (low, high).
    """

    value: float
    lower: float
    upper: float
    se: float | None = None
    interval: tuple[float, float] | None = None

    def scaled(self, factor: float) -> Quantity:
        """The same in units ``1/factor`` times as large."""
        return Quantity(
            self.value * factor,
            self.lower * factor,
            self.upper * factor,
            None if self.se is None else self.se * factor,
            None if self.interval is None else (self.interval[0] * factor, self.interval[1] * factor),
        )

    def __str__(self) -> str:
        return f"{self.value:z.4f}" + ("" if self.se is None else f" ± {self.se:.4f}")


@dataclass(frozen=True)
class Step:
    """A step of the greedy order: the source that adds most to those before it, what it adds, and the union then."""

    source: str
    gain: Quantity
    union: Quantity


@dataclass(frozen=True, kw_only=True)
class ContributionResult(PlainData):
    r"""Contribution of each source to the others, in union information :math:`I_\cup`.

    Parameters
    ----------
    sources : tuple of str
        In the order given, without ``given``.
    given : str or None
        The source against which the others are held: the student.
    union : Quantity
        :math:`I_\cup` of all sources, with ``given``.
    remaining : Quantity or None
        :math:`I_\cup(all) - I(Y;given)`: what all others together could still give.
    information : mapping from source to Quantity
        I(Y;X_i), of ``given`` too.
    unique : mapping from source to Quantity
        :math:`I_\cup(all) - I_\cup(all \setminus i)`: what nobody else has.
    without : mapping from source to Quantity
        :math:`I_\cup(all \setminus i)`.
    against : mapping from source to Quantity, or None
        :math:`I_\cup(\{given, i\}) - I(Y;given)`: what this source alone could still give.
    shapley : mapping from source to Quantity, or None
        The mean gain over all orders: shares of the union, or of ``remaining`` where there is a ``given``.
    order : tuple of Step
        The greedy order, after ``given`` where there is one.
    pairs : mapping from source to mapping from source to Quantity
        :math:`I_\cup` of each pair; of a source with itself its information.
    subsets : mapping from "a, b, .." to Quantity
        The unions that were asked for.
    synergy : Quantity or None
        :math:`I(Y;all) - I_\cup(all)`; None where the joint of the sources is not known.
    units, method, params, n_samples, seconds, warnings
        As of a ``UnionResult``.
    by : mapping from label to ContributionResult, or None
        The same as means over the rows of each label of ``by=``, by the potentials of all rows.
    """

    sources: tuple[str, ...]
    given: str | None
    union: Quantity
    remaining: Quantity | None
    information: Mapping[str, Quantity]
    unique: Mapping[str, Quantity]
    without: Mapping[str, Quantity]
    against: Mapping[str, Quantity] | None
    shapley: Mapping[str, Quantity] | None
    order: tuple[Step, ...]
    pairs: Mapping[str, Mapping[str, Quantity]]
    subsets: Mapping[str, Quantity]
    synergy: Quantity | None
    units: Units
    method: str
    params: Mapping[str, Any]
    n_samples: int | None
    seconds: float
    warnings: tuple[str, ...] = ()
    by: Mapping[str, ContributionResult] | None = None

    def to(self, units: Units) -> ContributionResult:
        """The same result in other units."""
        check_units("to(units)", units)
        factor = NATS_PER[self.units] / NATS_PER[units]

        def scaled(value: Any) -> Any:
            if isinstance(value, Quantity):
                return value.scaled(factor)
            if isinstance(value, ContributionResult):
                return value.to(units)
            if isinstance(value, Step):
                return Step(value.source, scaled(value.gain), scaled(value.union))
            if isinstance(value, Mapping):
                return {key: scaled(item) for key, item in value.items()}
            return tuple(map(scaled, value)) if isinstance(value, tuple) else value

        numbers = {field.name: scaled(getattr(self, field.name)) for field in dataclasses.fields(self)}
        return dataclasses.replace(self, **{**numbers, "params": self.params, "units": units})

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows of the table, a source each: its columns are numbers, and the bounds and errors beside them."""
        gains = {step.source: (place, step.gain) for place, step in enumerate(self.order, start=1)}
        for name in self.sources:
            row: dict[str, Any] = {"source": name, "place": gains[name][0]}
            columns = {"information": self.information[name], "unique": self.unique[name], "gain": gains[name][1]}
            for column, values in (("against", self.against), ("shapley", self.shapley)):
                if values is not None:
                    columns[column] = values[name]
            for column, quantity in columns.items():
                row |= {
                    column: quantity.value,
                    f"{column}_lower": quantity.lower,
                    f"{column}_upper": quantity.upper,
                    f"{column}_se": quantity.se,
                }
            yield row

    def to_dataframe(self) -> Any:
        """The rows as a ``pandas.DataFrame``.

        Raises
        ------
        MissingDependencyError
            When pandas is not installed.
        """
        return data_frame(list(self.rows()))

    def __hash__(self) -> int:
        """By the numbers; the mappings stay out."""
        return hash((self.method, self.units, self.sources, self.union))

    def plot(self) -> Any:
        """A matplotlib figure: the greedy order as bars, and the union of each pair as a matrix."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 4), layout="constrained")
        bars, matrix = figure.subplots(1, 2)
        names, start = [step.source for step in self.order], 0.0
        if self.given is not None:
            start = self.information[self.given].value
            bars.bar([self.given], [start], color="0.7")
        for step in self.order:
            bars.bar([step.source], [step.gain.value], bottom=[step.union.value - step.gain.value], color="C0")
        bars.axhline(self.union.value, color="0.5", linewidth=0.8)
        bars.set_ylabel(f"union information, {self.units}")
        bars.set_title("gain by greedy order")
        shown = ([] if self.given is None else [self.given]) + names
        values = [[self.pairs[one][other].value for other in shown] for one in shown]
        image = matrix.imshow(values, cmap="viridis")
        for i, row in enumerate(values):
            for j, value in enumerate(row):
                matrix.text(j, i, f"{value:.2f}", ha="center", va="center", color="white")
        for axis in (matrix.xaxis, matrix.yaxis):
            axis.set_ticks(range(len(shown)), shown)
        matrix.set_title("union of each pair")
        figure.colorbar(image, ax=matrix, label=self.units)
        return figure

    def _table(self) -> tuple[list[str], list[list[str]]]:
        header = ["", "I(Y;.)", "unique"]
        header += ["against " + str(self.given)] if self.against is not None else []
        header += ["share"] if self.shapley is not None else []
        header += ["place", "gain"]
        gains = {step.source: (place, step.gain) for place, step in enumerate(self.order, start=1)}
        body = []
        for name in self.sources:
            cells = [name, str(self.information[name]), str(self.unique[name])]
            cells += [str(values[name]) for values in (self.against, self.shapley) if values is not None]
            body.append([*cells, str(gains[name][0]), str(gains[name][1])])
        return header, body

    def _footer(self) -> str:
        text = f"union {self.union} {self.units}"
        if self.given is not None:
            text += f", {self.given} {self.information[self.given]}, left {self.remaining}"
        if self.synergy is not None:
            text += f", synergy {self.synergy}"
        gap = self.union.upper - self.union.lower
        known = f"gap {abs(gap):.1e} {self.units}" if math.isfinite(gap) else "estimates"
        return f"{text}; {self.method}, {known}"

    def __str__(self) -> str:
        header, body = self._table()
        lines = [header, *body]
        widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
        rows = ["  ".join(f"{cell:>{w}}" for cell, w in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([*rows, self._footer()])

    def _repr_html_(self) -> str:
        header, body = self._table()
        return html_table(body, self._footer(), header)
