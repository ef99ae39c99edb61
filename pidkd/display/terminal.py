"""Tables and bars of atoms on the terminal."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.text import Text

from pidkd.display.atoms import LOOKS, shares
from pidkd.result import PIDResult


@dataclass(frozen=True)
class AtomsBar:
    """The four atoms as one bar, whose full width stands for ``scale``."""

    atoms: Mapping[str, float]
    scale: float
    width: int = 30

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Whole cells: the bar as a whole is rounded, and the largest remainders get what is left."""
        width = min(self.width, options.max_width)
        exact = [share * width for share in shares(self.atoms, self.scale).values()]
        cells = [int(part) for part in exact]
        missing = min(width, round(sum(exact))) - sum(cells)
        for i in sorted(range(len(exact)), key=lambda i: cells[i] - exact[i])[:missing]:
            cells[i] += 1
        for name, count in zip(self.atoms, cells, strict=True):
            yield Segment((LOOKS[name].ascii if options.ascii_only else LOOKS[name].glyph) * count, LOOKS[name].style)
        yield Segment(" " * (width - sum(cells)))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Half as wide where there is little room."""
        return Measurement(min(self.width // 2, options.max_width), min(self.width, options.max_width))


@dataclass(frozen=True)
class Legend:
    """Legend of the parts of the bars."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """One line."""
        line = Text()
        for look in LOOKS.values():
            glyph = look.ascii if options.ascii_only else look.glyph
            line.append(f"{glyph} ", look.style).append(look.heading, "bold").append(f" {look.words}  ")
        yield line


def certified(result: PIDResult) -> Text:
    """Certified gap of the solver, marked where it exceeds the tolerance.

    A dash where the estimator solves nothing that could be certified.
    """
    certificate = result.certificate
    if certificate.status == "exact":
        return Text("exact", "green")
    if certificate.status == "bound" and math.isinf(certificate.gap):
        return Text("–", "dim")
    gap = f"to {abs(certificate.gap):.0e}" if math.isfinite(certificate.gap) else "unknown"
    good = certificate.status == "optimal"
    return Text(gap if good else f"{certificate.status} {gap}", "green" if good else "bold red")


def to_text(renderable: RenderableType, width: int = 100) -> str:
    """Text of a renderable at a given terminal width, without colours."""
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(renderable)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())
