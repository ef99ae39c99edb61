"""Headings, words, glyphs and colours of the four atoms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.style import Style

from pidkd.export import COLORS

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Look:
    """Display style of one atom: heading, words, glyph, colour."""

    heading: str
    words: str
    glyph: str
    ascii: str
    color: str

    @property
    def style(self) -> Style:
        """The colour, from a palette that colour-blind readers can tell apart."""
        return Style(color=self.color)


LOOKS = {
    "redundant": Look("Red", "shared", "█", "#", COLORS["redundant"]),
    "unique_t": Look("Uni T", "left to distill", "▓", "T", COLORS["unique_t"]),
    "unique_s": Look("Uni S", "student only", "▒", "s", COLORS["unique_s"]),
    "synergistic": Look("Syn", "only jointly", "░", ".", COLORS["synergistic"]),
}


def shares(atoms: Mapping[str, float], scale: float) -> dict[str, float]:
    """Fraction of a bar of width ``scale`` for each atom; an infinite atom takes all of it."""
    infinite = [name for name, value in atoms.items() if value == math.inf]
    if infinite:
        return {name: 1 / len(infinite) if name in infinite else 0.0 for name in atoms}
    return {name: max(value, 0.0) / scale for name, value in atoms.items()}
