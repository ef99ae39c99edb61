"""Headings, words, glyphs and colours of the four atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.style import Style

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Look:
    """How one atom is shown."""

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
    "redundant": Look("Red", "shared", "█", "#", "#0072b2"),
    "unique_t": Look("Uni T", "left to distill", "▓", "T", "#e69f00"),
    "unique_s": Look("Uni S", "student only", "▒", "s", "#009e73"),
    "synergistic": Look("Syn", "only jointly", "░", ".", "#cc79a7"),
}
