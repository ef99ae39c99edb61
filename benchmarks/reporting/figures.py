"""Pictures of a record, as SVG with text that can be searched."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pidkd.benchmarks.record import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7a5195", "#8c8c8c")
MARKERS = "osD^vPX*"
LONG = 24
"""Letters of a name of which three do not stand side by side."""


@dataclass(frozen=True)
class Figure:
    """A picture and what it shows."""

    title: str
    caption: str
    svg: str


def looks(rows: Sequence[Row]) -> Iterator[tuple[list[Row], dict[str, Any]]]:
    """The rows of each estimator, and how they are drawn."""
    names = list(dict.fromkeys(row.estimator for row in rows))
    for name, look in zip(names, styles(), strict=False):
        yield [row for row in rows if row.estimator == name], look


def styles() -> Iterator[dict[str, Any]]:
    """Looks of lines that can be told apart."""
    for marker in MARKERS:
        for color in COLORS:
            yield {"color": color, "marker": marker, "ms": 4.5, "lw": 1.4}


def figure(title: str, caption: str, draw: Callable[[Axes], None]) -> Figure:
    """Figure drawn by ``draw``."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import NullFormatter

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 9, "font.family": "sans-serif"}):
        canvas = Canvas(figsize=(5.0, 3.6), layout="constrained")
        axes = canvas.add_subplot()
        draw(axes)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        names = axes.get_legend_handles_labels()[1]
        if len(names) > 1:
            columns = 3 if max(map(len, names)) < LONG else 2
            canvas.legend(fontsize=7, frameon=False, loc="outside lower left", ncols=columns)
        axes.set_title(title, fontsize=9, loc="left")
        stream = io.StringIO()
        canvas.savefig(stream, format="svg", metadata={"Date": None})
    text = re.sub("<metadata>.*?</metadata>", "", stream.getvalue(), flags=re.DOTALL)
    return Figure(title, caption, text[text.index("<svg") :])
