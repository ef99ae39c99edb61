"""Result of a decomposition of several sources: an atom for every antichain, and how far they can be trusted."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pidkd.antichains import Lattice, lattice
from pidkd.arrays import Array, FloatArray
from pidkd.codec import PlainData
from pidkd.errors import InputError, quote
from pidkd.export import data_frame
from pidkd.result import NATS_PER, Status, Units, check_units


@dataclass(frozen=True, kw_only=True)
class LatticeResult(PlainData):
    r"""The decomposition :math:`I(Y;X_A) = \sum_{\alpha \preceq \{A\}} \Pi(\alpha)` over the redundancy lattice.

    Parameters
    ----------
    atoms : mapping from str to float
        :math:`\Pi(\alpha)` by antichain in the notation of the field, as "{1}{23}"; in ``units``.
    redundancies : mapping from str to float
        :math:`I_\cap(\alpha)`, the sums of the atoms below and at each antichain.
    information : mapping from str to float
        :math:`I(Y;X_A)` by set of sources, as "{12}", computed apart from the atoms.
    sources : tuple of str
        Name of each source; the notation counts them from 1.
    units : {"bits", "nats"}
    method : str
        Name of the estimator.
    params : mapping
        Its parameters.
    status : str
        As of a ``Certificate``: "exact" for closed forms, "uncertified" where no error is known.
    message : str
    n_samples : int or None
        None for an exact input.
    seconds : float
    parts : mapping from part to mapping from str to float, optional
        Signed parts of the atoms, of a measure that has them: an atom is "informative" less "misinformative".
    local : mapping from str to array, optional
        Atoms of every sample, shape (n_samples,); of a table those of every cell, in its shape, NaN where p is zero.
    warnings : tuple of str
        Limits of the numbers, in words.
    """

    atoms: Mapping[str, float]
    redundancies: Mapping[str, float]
    information: Mapping[str, float]
    sources: tuple[str, ...]
    units: Units
    method: str
    params: Mapping[str, Any]
    status: Status
    message: str
    n_samples: int | None
    seconds: float
    parts: Mapping[str, Mapping[str, float]] | None = None
    local: Mapping[str, FloatArray] | None = dataclasses.field(default=None, repr=False, compare=False)
    warnings: tuple[str, ...] = ()

    @property
    def n_sources(self) -> int:
        """Number of sources."""
        return len(self.sources)

    @property
    def lattice(self) -> Lattice:
        """The antichains with their order."""
        return lattice(self.n_sources)

    @property
    def mi(self) -> float:
        """I(Y;X_1,...,X_n)."""
        return self.information[self.lattice.labels[-1]]

    @property
    def residual(self) -> float:
        r"""Largest deviation from the identities :math:`\sum_{\alpha \preceq \{A\}} \Pi(\alpha) = I(Y;X_A)`."""
        order = self.lattice
        sums = order.below @ np.array([self.atoms[label] for label in order.labels])
        return max(abs(float(sums[order.position(label)]) - value) for label, value in self.information.items())

    def __getitem__(self, label: str) -> float:
        """The atom of one antichain."""
        if label not in self.atoms:
            raise InputError("LatticeResult[label]", f"one of {', '.join(self.atoms)}", quote(label))
        return self.atoms[label]

    def to(self, units: Units) -> LatticeResult:
        """The same result in other units."""
        check_units("to(units)", units)
        factor = NATS_PER[self.units] / NATS_PER[units]

        def scale(values: Mapping[str, Any]) -> dict[str, Any]:
            return {label: value * factor for label, value in values.items()}

        return dataclasses.replace(
            self,
            atoms=scale(self.atoms),
            redundancies=scale(self.redundancies),
            information=scale(self.information),
            units=units,
            parts=None if self.parts is None else {part: scale(atoms) for part, atoms in self.parts.items()},
            local=None if self.local is None else scale(self.local),
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row an antichain, from the bottom of the lattice to its top."""
        parts = self.parts or {}
        return [
            {"antichain": label, "atom": self.atoms[label], "redundancy": self.redundancies[label]}
            | {part: atoms[label] for part, atoms in parts.items()}
            for label in self.lattice.labels
        ]

    def to_dataframe(self) -> Any:
        """The rows as a ``pandas.DataFrame``.

        Raises
        ------
        MissingDependencyError
            When pandas is not installed.
        """
        return data_frame(self.rows())

    def plot(self, axes: Any = None) -> Any:
        """Hasse diagram of the lattice: the area of a node is its atom, blue above zero and red below.

        Parameters
        ----------
        axes : matplotlib.axes.Axes, optional
            Where to draw; a new figure without.

        Returns
        -------
        matplotlib.axes.Axes
        """
        if axes is None:
            from matplotlib.figure import Figure

            axes = Figure(figsize=(3 + 2 * self.n_sources, 1 + 2 * self.n_sources), layout="constrained").subplots()
        order, place = self.lattice, _places(self.lattice)
        values = np.array([self.atoms[label] for label in order.labels])
        largest = np.abs(values).max() or 1.0
        for lower, upper in order.covers:
            axes.plot(*place[[lower, upper]].T, color="0.85", linewidth=0.6, zorder=1)
        color = np.where(values >= 0, "tab:blue", "tab:red")
        axes.scatter(*place.T, s=1200 / self.n_sources * np.abs(values) / largest, c=color, alpha=0.7, zorder=2)
        for (x, height), name, value in zip(place, order.labels, values, strict=True):
            text = f"{name}\n{value:z.3f}" if self.n_sources < 4 else name
            below, size = (-6, 8) if self.n_sources < 4 else (-3, 3)
            place_of = {"xytext": (0, below), "textcoords": "offset points", "ha": "center", "va": "top"}
            axes.annotate(text, (x, height), fontsize=size, zorder=3, **place_of)
        axes.set_axis_off()
        axes.set_title(f"{self.method}: atoms in {self.units}; " + ", ".join(_numbered(self.sources)), fontsize=9)
        return axes

    def __hash__(self) -> int:
        """By the numbers; the parameters and what else may be a mapping stay out."""
        return hash((self.method, self.units, self.sources, *self.atoms.values()))

    def __str__(self) -> str:
        width = max(map(len, self.atoms))
        rows = [f"{label:<{width}}  {self.atoms[label]:z.6f} {self.units}" for label in reversed(self.lattice.labels)]
        footer = f"{self.method}: {self.status}; sources {', '.join(_numbered(self.sources))}"
        return "\n".join([*rows, footer])


def _numbered(names: tuple[str, ...]) -> list[str]:
    return [f"{i} = {name}" for i, name in enumerate(names, start=1)]


def _places(order: Lattice) -> Array:
    """Coordinates of the nodes, shape (n_antichains, 2): each as high as the longest chain below it."""
    height = np.zeros(len(order), dtype=np.int64)
    for lower, upper in sorted(order.covers.tolist(), key=lambda edge: edge[1]):
        height[upper] = max(height[upper], height[lower] + 1)
    place = np.zeros((len(order), 2))
    for level in range(int(height.max()) + 1):
        row = np.flatnonzero(height == level)
        place[row, 0] = np.arange(len(row)) - (len(row) - 1) / 2
        place[row, 1] = level
    return place
