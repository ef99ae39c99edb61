"""Atoms by label: means over the samples of one class, domain or any other label."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_LINES = 20
"""Labels that are printed; ``PIDResult.by`` has them all."""


@dataclass(frozen=True)
class LabelAtoms:
    r"""Atoms of the samples of one label, :math:`\mathrm{E}[\mathrm{atom}(y,t,s)\,|\,\mathrm{label}]`.

    Weighted by the numbers of samples, those of all labels add up to the atoms.

    Parameters
    ----------
    label : str
    n_samples : int
    atoms, se : mapping from atom to float
        Means of local atoms, and their standard errors; NaN where a label has one independent sample only.
    interval : mapping from atom to (low, high)
        At the level of the result's own intervals, or 95 %.
    """

    label: str
    n_samples: int
    atoms: Mapping[str, float]
    se: Mapping[str, float]
    interval: Mapping[str, tuple[float, float]]

    def scaled(self, factor: float) -> LabelAtoms:
        """The same in units ``1/factor`` times as large."""
        return dataclasses.replace(
            self,
            atoms={name: value * factor for name, value in self.atoms.items()},
            se={name: value * factor for name, value in self.se.items()},
            interval={name: (low * factor, high * factor) for name, (low, high) in self.interval.items()},
        )

    def record(self) -> dict[str, Any]:
        """One flat record: label, n_samples and, for each atom, its mean, ``_se``, ``_low`` and ``_high``.

        Of a single independent sample only the means.
        """
        numbers: dict[str, Any] = dict(self.atoms)
        for name, se in self.se.items():
            if math.isfinite(se):
                low, high = self.interval[name]
                numbers |= {f"{name}_se": se, f"{name}_low": low, f"{name}_high": high}
        return {"label": self.label, "n_samples": self.n_samples, **numbers}


def label_lines(by: Sequence[LabelAtoms], headings: Mapping[str, str]) -> list[str]:
    """The atoms by label as lines of text, with their headings by atom."""
    if not by:
        return []
    cells = [["label", "n", *headings.values()]]
    for one in by[:MOST_LINES]:
        numbers = [f"{one.atoms[name]:z.3f} ± {one.se[name]:.3f}" for name in headings]
        cells.append([one.label, str(one.n_samples), *numbers])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells]
    return [*lines, *([f"and {len(by) - MOST_LINES} labels more"] if len(by) > MOST_LINES else [])]
