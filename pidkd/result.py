"""Results of decompositions: four atoms, their certificate and their sampling uncertainty."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pidkd.arrays import FloatArray
from pidkd.by_label import LabelAtoms, label_lines
from pidkd.codec import PlainData
from pidkd.constraints import COUNT, NonNegative
from pidkd.errors import InputError, quote
from pidkd.export import COLORS, axis, bars, data_frame, html_table, latex_table, whiskers

Units: TypeAlias = Literal["bits", "nats"]
Status: TypeAlias = Literal["exact", "optimal", "bound", "max_iter", "uncertified"]

ATOMS = ("redundant", "unique_t", "unique_s", "synergistic")
SYMBOLS = {
    "redundant": "Red(Y:T,S)",
    "unique_t": "Uni(Y:T\\S)",
    "unique_s": "Uni(Y:S\\T)",
    "synergistic": "Syn(Y:T,S)",
}
HEADINGS = {"redundant": "Red", "unique_t": "Uni T", "unique_s": "Uni S", "synergistic": "Syn"}
INFORMATION = {"mi_t": "I(Y;T)", "mi_s": "I(Y;S)", "mi": "I(Y;T,S)"}
FORMULAS = {
    "redundant": r"$\mathrm{Red}(Y{:}T,S)$",
    "unique_t": r"$\mathrm{Uni}(Y{:}T\setminus S)$",
    "unique_s": r"$\mathrm{Uni}(Y{:}S\setminus T)$",
    "synergistic": r"$\mathrm{Syn}(Y{:}T,S)$",
    "mi_t": "$I(Y;T)$",
    "mi_s": "$I(Y;S)$",
    "mi": "$I(Y;T,S)$",
}
NATS_PER = {"bits": math.log(2.0), "nats": 1.0}


def check_units(where: str, units: object) -> None:
    """Refuse units other than bits and nats."""
    if not isinstance(units, str) or units not in NATS_PER:
        raise InputError(where, "'bits' or 'nats'", quote(units))


class Information(NamedTuple):
    """The three mutual informations that four atoms must add up to."""

    t: float
    """I(Y;T)."""
    s: float
    """I(Y;S)."""
    both: float
    """I(Y;T,S)."""


@dataclass(frozen=True)
class Certificate:
    r"""Proven :math:`\mathrm{lower} \le \mathrm{Uni}(Y:T\setminus S) \le \mathrm{upper}` on the measure's own optimum.

    With two sources that one number moves all four atoms, so it certifies them all (``PIDResult.bounds``).

    Parameters
    ----------
    lower, upper : float
        In the units of the result that carries it. A missing bound is -inf or inf.
    status : str
        ``exact`` (closed form), ``optimal`` (gap within the tolerance), ``bound`` (one-sided by theory), ``max_iter``
        (stopped earlier) or ``uncertified`` (no bound is known).
    message : str
        What happened, and what to try next.
    """

    lower: float
    upper: float
    status: Status
    message: str = ""

    @property
    def gap(self) -> float:
        """The width upper - lower: the largest possible error of any atom."""
        return self.upper - self.lower

    def scaled(self, factor: float) -> Certificate:
        """The same certificate in units ``1/factor`` times as large."""
        return Certificate(self.lower * factor, self.upper * factor, self.status, self.message)


ROUNDINGS = 8
"""Units in the last place of the informations by which differences of them may be off."""


@dataclass(frozen=True, kw_only=True)
class PIDResult(PlainData):
    r"""The decomposition :math:`I(Y;T,S) = \mathrm{Red} + \mathrm{Uni}_T + \mathrm{Uni}_S + \mathrm{Syn}`.

    Parameters
    ----------
    redundant, unique_t, unique_s, synergistic : float
        The atoms, in ``units``.
    information : Information
        I(Y;T), I(Y;S) and I(Y;T,S), computed apart from the atoms.
    units : {"bits", "nats"}
    method : str
        Name of the estimator.
    params : mapping
        Its parameters.
    certificate : Certificate
    n_samples : int or None
        None for an exact input.
    seconds : float
        Wall time of the estimation.
    warnings : tuple of str
        Limits of the numbers, in words.
    stats : mapping from str to float
        Effort of the solver: "iterations", and "solver_seconds" where it keeps its own account.
    interval, se, null, bias, corrected : mapping from atom, optional
        Sampling interval (low, high), standard error, level under independence, estimated bias, and the atoms less the
        bias, as ``uncertainty=`` asks for them; also of "mi_t", "mi_s" and "mi". ``posterior`` gives intervals of its
        own, of "union" too. The atoms themselves stay as the estimator gave them, for they are what the certificate
        speaks of.
    provenance : mapping, optional
        How the data came to be: quantiser, splits, seeds.
    plan : array, shape (n_y, n_t, n_s), optional
        The minimising joint distribution, where it was asked for.
    potentials : pair of arrays, shapes (n_y, n_t) and (n_y, n_s), optional
        Dual potentials (a, b) in nats, where asked for.
    parts : mapping from part to mapping from atom, optional
        Signed parts of the atoms, of a measure that has them: an atom is "informative" less "misinformative".
    local : mapping from atom to array, optional
        Atoms of every sample, shape (n_samples,); of a table those of every cell, in its shape, NaN where p is zero.
    by : tuple of LabelAtoms
        Atoms of the samples of each label, as ``by=`` asks for them, most Uni(Y:T\S) first.
    """

    redundant: float
    unique_t: float
    unique_s: float
    synergistic: float
    information: Information
    units: Units
    method: str
    params: Mapping[str, Any]
    certificate: Certificate
    n_samples: Annotated[int, COUNT] | None
    seconds: Annotated[float, NonNegative()]
    warnings: tuple[str, ...] = ()
    stats: Mapping[str, float] = dataclasses.field(default_factory=dict, compare=False)
    interval: Mapping[str, tuple[float, float]] | None = None
    se: Mapping[str, float] | None = None
    null: Mapping[str, float] | None = None
    bias: Mapping[str, float] | None = None
    corrected: Mapping[str, float] | None = None
    parts: Mapping[str, Mapping[str, float]] | None = None
    provenance: Mapping[str, Any] | None = None
    plan: FloatArray | None = dataclasses.field(default=None, repr=False, compare=False)
    potentials: tuple[FloatArray, FloatArray] | None = dataclasses.field(default=None, repr=False, compare=False)
    local: Mapping[str, FloatArray] | None = dataclasses.field(default=None, repr=False, compare=False)
    by: tuple[LabelAtoms, ...] = ()

    @property
    def mi_t(self) -> float:
        """I(Y;T)."""
        return self.information.t

    @property
    def mi_s(self) -> float:
        """I(Y;S)."""
        return self.information.s

    @property
    def mi(self) -> float:
        """I(Y;T,S)."""
        return self.information.both

    @property
    def atoms(self) -> dict[str, float]:
        """The four atoms by name."""
        return {name: getattr(self, name) for name in ATOMS}

    @property
    def union(self) -> float:
        r"""The union information :math:`\mathrm{Red} + \mathrm{Uni}_T + \mathrm{Uni}_S`, what at least one has."""
        return self.redundant + self.unique_t + self.unique_s

    @property
    def residual(self) -> float:
        """Largest deviation from the identities that tie the atoms to I(Y;T), I(Y;S) and I(Y;T,S)."""
        return max(
            abs(self.mi_t - self.redundant - self.unique_t),
            abs(self.mi_s - self.redundant - self.unique_s),
            abs(self.mi - self.redundant - self.unique_t - self.unique_s - self.synergistic),
        )

    def bounds(self, atom: str) -> tuple[float, float]:
        r"""Proven (lower, upper) of one atom.

        The certificate bounds :math:`\mathrm{Uni}(Y:T\setminus S)`; the identities carry it over:
        :math:`\mathrm{Red} = I(Y;T) - \mathrm{Uni}_T`, :math:`\mathrm{Uni}_S = I(Y;S) - \mathrm{Red}` and
        :math:`\mathrm{Syn} = I(Y;T,S) - I(Y;S) - \mathrm{Uni}_T`. They are as wide as it takes to contain an atom that
        lies outside by the rounding of these differences only.

        Raises
        ------
        InputError
            When there is no such atom.
        """
        if not isinstance(atom, str) or atom not in ATOMS:
            raise InputError("bounds(atom)", f"one of {', '.join(ATOMS)}", quote(atom))
        low, high = self.certificate.lower, self.certificate.upper
        if atom == "redundant":
            low, high = self.mi_t - high, self.mi_t - low
        elif atom == "unique_s":
            low, high = self.mi_s - self.mi_t + low, self.mi_s - self.mi_t + high
        elif atom == "synergistic":
            low, high = self.mi - self.mi_s - high, self.mi - self.mi_s - low
        value = float(getattr(self, atom))
        largest = max(map(abs, self.information))
        rounding = ROUNDINGS * math.ulp(largest) if math.isfinite(largest) else 0.0
        if low - rounding <= value <= high + rounding:
            return min(low, value), max(high, value)
        return low, high

    def to(self, units: Units) -> PIDResult:
        """The same result in other units."""
        check_units("to(units)", units)
        if units == self.units:
            return self
        factor = NATS_PER[self.units] / NATS_PER[units]

        def scale(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
            if values is None:
                return None
            return {k: tuple(x * factor for x in v) if isinstance(v, tuple) else v * factor for k, v in values.items()}

        return dataclasses.replace(
            self,
            redundant=self.redundant * factor,
            unique_t=self.unique_t * factor,
            unique_s=self.unique_s * factor,
            synergistic=self.synergistic * factor,
            information=Information(*(value * factor for value in self.information)),
            units=units,
            certificate=self.certificate.scaled(factor),
            interval=scale(self.interval),
            se=scale(self.se),
            null=scale(self.null),
            bias=scale(self.bias),
            corrected=scale(self.corrected),
            parts=None if self.parts is None else {part: scale(atoms) or {} for part, atoms in self.parts.items()},
            local=scale(self.local),
            by=tuple(one.scaled(factor) for one in self.by),
        )

    def __hash__(self) -> int:
        """By the numbers; the parameters and what else may be a mapping stay out."""
        return hash((self.method, self.units, self.information, *self.atoms.values()))

    @property
    def level(self) -> float | None:
        """Probability that the intervals are meant to cover the true values, where it is known."""
        methods = (self.provenance or {}).get("uncertainty") or []
        levels = [method["level"] for method in methods if method.get("method") in ("Bootstrap", "Jackknife")]
        level = levels[0] if levels else self.params.get("level")
        return level if self.interval and isinstance(level, float) else None

    def quantities(self) -> list[dict[str, Any]]:
        """A record of each atom and mutual information: value, and what is known of it; None where nothing is."""
        records = []
        for name in (*ATOMS, *INFORMATION):
            proven = self.bounds(name) if name in ATOMS else (None, None)
            records.append(
                {
                    "quantity": name,
                    "value": float(getattr(self, name)),
                    "units": self.units,
                    "low": (self.interval or {}).get(name, (None, None))[0],
                    "high": (self.interval or {}).get(name, (None, None))[1],
                    "se": (self.se or {}).get(name),
                    "null": (self.null or {}).get(name),
                    "bias": (self.bias or {}).get(name),
                    "corrected": (self.corrected or {}).get(name),
                    "proven_lower": proven[0],
                    "proven_upper": proven[1],
                }
            )
        return records

    def to_dataframe(self) -> Any:
        """A ``pandas.DataFrame`` with a row for each atom and mutual information.

        Its columns are the value, its units, sampling interval (low, high), standard error, level under independence
        (null), bias and value less the bias (corrected), and proven bounds.

        Raises
        ------
        MissingDependencyError
            When pandas is not installed.
        """
        return data_frame(self.quantities(), "quantity")

    def to_latex(self, digits: int = 3) -> str:
        r"""A LaTeX ``tabular`` of atoms and mutual informations, with what ``uncertainty=`` told of them.

        Parameters
        ----------
        digits : int, default 3
            After the point.
        """
        records = self.quantities()
        known = [name for name in ("null", "corrected") if any(record[name] is not None for record in records)]
        interval = ["interval"] if self.interval else []
        rows = []
        for record in records:
            ends = None if record["low"] is None else (record["low"], record["high"])
            extras = [ends] * len(interval) + [record[name] for name in known]
            rows.append([FORMULAS[record["quantity"]], record["value"], *extras])
        headings = {"null": "chance", "corrected": "corrected"}
        return latex_table(["", self.units, *interval, *(headings[name] for name in known)], rows, digits)

    def plot(self, ax: Any = None) -> Any:
        """The four atoms as bars, with their intervals, and a dash at the level that each has under independence.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Default: that of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        ax = axis(ax)
        names, values = list(SYMBOLS.values()), list(self.atoms.values())
        bars(ax, names, values, [COLORS[atom] for atom in ATOMS])
        whiskers(ax, names, [(self.interval or {}).get(atom) for atom in ATOMS])
        for place, atom in enumerate(ATOMS):
            if self.null and math.isfinite(self.null.get(atom, math.nan)):
                ax.hlines(self.null[atom], place - 0.4, place + 0.4, color="black", linestyle="dashed", linewidth=1)
        ax.set_ylabel(f"information about Y ({self.units})")
        return ax

    def _rows(self) -> list[tuple[str, str]]:
        rows = []
        for name, symbol in {**SYMBOLS, **INFORMATION}.items():
            # z: a rounding error below zero prints as zero, without its sign
            text = f"{getattr(self, name):z.6f} {self.units}"
            if self.interval is not None and name in self.interval:
                low, high = self.interval[name]
                text += f"  [{low:z.6f}, {high:z.6f}]"
            if self.null is not None and name in self.null:
                text += f"  chance {self.null[name]:z.6f}"
            if self.corrected is not None and name in self.corrected:
                text += f"  corrected {self.corrected[name]:z.6f}"
            rows.append((symbol, text))
        return rows

    def _footer(self) -> str:
        gap = f"{abs(self.certificate.gap):.1e} {self.units}" if math.isfinite(self.certificate.gap) else "unknown"
        footer = f"{self.method}: {self.certificate.status}, gap {gap}"
        if self.n_samples is not None:
            footer += f", n={self.n_samples}"
        if self.level is not None:
            footer += f", {100 * self.level:.4g} % intervals"
        within = [(getattr(self, name), *ends) for name, ends in (self.interval or {}).items() if name in ATOMS]
        if any(not low - 1e-9 <= atom <= high + 1e-9 for atom, low, high in within):
            footer += "; an interval that leaves out its atom is less the bias of the estimate"
        if any(abs(atom) < 1e-9 and min(abs(atom - low), abs(atom - high)) < 1e-9 for atom, low, high in within):
            footer += "; an atom at zero is an end of its interval, as resampling moves it to one side only"
        return footer

    def __str__(self) -> str:
        rows = [f"{label:<12} {value}" for label, value in self._rows()]
        return "\n".join([*rows, self._footer(), *label_lines(self.by, HEADINGS)])

    def _repr_html_(self) -> str:
        return html_table(self._rows(), self._footer())
