"""Results outside of the toolkit: data frames, tables in LaTeX and HTML, and axes of matplotlib."""

from __future__ import annotations

import html
import importlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pidkd.errors import InputError, MissingDependencyError, quote

COLORS = {"redundant": "#0072b2", "unique_t": "#e69f00", "unique_s": "#009e73", "synergistic": "#cc79a7"}
"""Colours of the four atoms, from a palette that colour-blind readers can tell apart."""

ESCAPED = {"\\": r"\textbackslash{}", **{c: f"\\{c}" for c in "&%$#_{}"}, "~": r"\textasciitilde{}", "^": r"\^{}"}


def data_frame(rows: Sequence[Mapping[str, Any]], index: str | None = None) -> Any:
    """Rows as a ``pandas.DataFrame``, named by the column ``index``.

    Raises
    ------
    MissingDependencyError
        When pandas is not installed.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ModuleNotFoundError as error:
        text = "to_dataframe(): expected the package 'pandas', got an environment without it"
        raise MissingDependencyError(f"{text}; install it with: pip install pandas, or use to_dict()") from error
    frame = pandas.DataFrame(list(rows))
    return frame if index is None else frame.set_index(index)


def latex_table(headings: Sequence[str], rows: Sequence[Sequence[Any]], digits: int) -> str:
    """A ``tabular`` that needs no package: the first column to the left, numbers to the right, a missing value empty.

    Text is escaped, but for what stands between dollar signs.

    Raises
    ------
    InputError
        When ``digits`` is no whole number >= 0.
    """
    if isinstance(digits, bool) or not isinstance(digits, int) or digits < 0:
        raise InputError("to_latex(digits)", "a whole number >= 0", quote(digits))

    def cell(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, tuple):
            return f"$[{', '.join(number(end) for end in value)}]$"
        return f"${number(value)}$" if isinstance(value, float) else escaped(str(value))

    def number(value: float) -> str:
        if math.isfinite(value):
            return f"{value:z.{digits}f}"
        return r"\mathrm{NaN}" if math.isnan(value) else r"\infty" if value > 0 else r"-\infty"

    lines = [" & ".join(map(cell, row)) + r" \\" for row in (headings, *rows)]
    columns = "l" + "r" * (len(headings) - 1)
    body = "\n".join([r"\hline", lines[0], r"\hline", *lines[1:], r"\hline"])
    return f"\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\n"


def html_table(rows: Sequence[Sequence[str]], caption: str, header: Sequence[str] = ()) -> str:
    """A ``table`` with escaped cells, for notebooks; without a header the first cell of each row is its heading."""
    first = "td" if header else "th"
    lines = [[("th", text) for text in header]] if header else []
    lines += [[("td" if place else first, text) for place, text in enumerate(row)] for row in rows]
    cells = ("".join(f"<{tag}>{html.escape(text)}</{tag}>" for tag, text in line) for line in lines)
    body = "".join(f"<tr>{line}</tr>" for line in cells)
    return f"<table>{body}<caption>{html.escape(caption)}</caption></table>"


def escaped(text: str) -> str:
    """Text as LaTeX shows it; formulas between dollar signs stay."""
    return text if text.startswith("$") else "".join(ESCAPED.get(character, character) for character in text)


def axis(ax: Any) -> Any:
    """The axis to draw on: the one given, or that of a new figure.

    Raises
    ------
    InputError
        When ``ax`` is no axis of matplotlib.
    """
    if ax is None:
        return importlib.import_module("matplotlib.pyplot").subplots()[1]
    if not (hasattr(ax, "errorbar") and hasattr(ax, "bar")):
        raise InputError("plot(ax)", "an axis of matplotlib, or None", type(ax).__name__)
    return ax


def bars(ax: Any, names: Sequence[str], values: Sequence[float], colors: Sequence[str]) -> None:
    """Draw a bar for each value, one that is not finite as nothing."""
    ax.bar(list(names), [value if math.isfinite(value) else 0.0 for value in values], color=list(colors))
    ax.axhline(0, color="black", linewidth=0.8)


def whiskers(ax: Any, names: Sequence[str], intervals: Sequence[tuple[float, float] | None]) -> None:
    """Draw an interval at each name that has one."""
    for name, interval in zip(names, intervals, strict=True):
        if interval is not None and all(map(math.isfinite, interval)):
            ax.vlines(name, *interval, color="black", linewidth=1.5)
