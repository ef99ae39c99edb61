"""A record as sections, and these as one page that needs nothing beside it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pidkd.activations import PathLike, writing
from pidkd.benchmarks.growth import SAMPLES, Line, lines
from pidkd.benchmarks.record import Row
from pidkd.benchmarks.tables import number, power, ratio
from pidkd.report import page_template

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7a5195", "#8c8c8c")
MARKERS = "osD^vPX*"


@dataclass(frozen=True)
class Figure:
    """A picture and what it shows."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Section:
    """What a record says of one question: pictures, and a table of text."""

    title: str
    words: str
    figures: Sequence[Figure] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def write_page(head: Mapping[str, Any], rows: Sequence[Row], path: PathLike, force: bool = False) -> None:
    """Write the page.

    Raises
    ------
    InputError
        When the file exists and ``force`` is not given, or it cannot be written.
    """
    with writing(path, force) as stream:
        stream.write(page_template("benchmark.html").render(head=head, sections=list(sections(rows))).encode())


def sections(rows: Sequence[Row]) -> Iterator[Section]:
    """What the record can answer, in the order in which a reader asks."""
    yield from filter(
        None,
        (
            _against_time(rows),
            _growth(rows),
            _sampling(rows),
            _staircase(rows),
            _measures(rows),
            _failures(rows),
            _everything(rows),
        ),
    )


def _against_time(rows: Sequence[Row]) -> Section | None:
    figures = []
    for family in dict.fromkeys(row.family for row in rows):
        known = [row for row in rows if row.family == family and row.error is not None and row.cpu]
        if len({row.estimator for row in known}) < 2:
            continue

        def draw(axes: Axes, known: Sequence[Row] = known) -> None:
            for row_set, look in _looks(known):
                errors = [max(row.error or 0.0, row.gap or 0.0, 1e-16) for row in row_set]
                axes.plot([row.cpu or 0.0 for row in row_set], errors, label=row_set[0].estimator, ls="", **look)
            axes.set(xscale="log", yscale="log", xlabel="CPU seconds", ylabel="error, bits")

        figures.append(_figure(family, "One point for each problem; left and low is good.", draw))
    words = (
        "Distance from the truth, largest of the atoms, or the certified gap where that is larger, against CPU time."
    )
    return Section("Error against time", words, figures) if figures else None


def _growth(rows: Sequence[Row]) -> Section | None:
    grouped: dict[str, list[Line]] = {}
    for line in lines(rows):
        if not line.axis.startswith("true nats"):
            grouped.setdefault(line.axis, []).append(line)
    if not grouped:
        return None

    def picture(axis: str, group: Sequence[Line]) -> Figure:
        def draw(axes: Axes) -> None:
            for line, look in zip(group, _styles(), strict=False):
                fitted = "" if line.time_exponent is None else f", size^{line.time_exponent:.1f}"
                axes.plot(line.sizes, line.cpu, label=line.estimator + fitted, **look)
            axes.set(xscale="log", yscale="log", xlabel=axis.partition(",")[0], ylabel="CPU seconds")

        return _figure(axis, f"Time against {axis}.", draw)

    table = [
        (
            line.axis,
            line.estimator,
            f"{line.sizes[0]:g} to {line.sizes[-1]:g}",
            _power_of(line.time_exponent),
            _power_of(line.memory_exponent),
        )
        for group in grouped.values()
        for line in group
    ]
    return Section(
        "Time and memory against size",
        "Exponents are fitted on the three largest problems of a line; memory beyond that of the process itself.",
        [picture(axis, group) for axis, group in grouped.items()],
        ("what grows", "estimator", "sizes", "time", "memory"),
        table,
    )


def _power_of(value: float | None) -> str:
    return "" if value is None else f"size^{value:z.2f}"


def _sampling(rows: Sequence[Row]) -> Section | None:
    figures = []
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        if row.axis is not None and row.axis[0].startswith(SAMPLES) and row.bias:
            grouped.setdefault(f"{row.axis[0].removeprefix(SAMPLES)}, {row.estimator}", []).append(row)
    for title, group in grouped.items():
        if len(group) < 2:
            continue
        sizes = [row.axis[1] for row in group if row.axis]

        def biases(axes: Axes, group: Sequence[Row] = group, sizes: Sequence[float] = sizes) -> None:
            for name, look in zip(group[0].bias, _styles(), strict=False):
                axes.plot(sizes, [row.bias[name] for row in group], label=name, **look)
            axes.axhline(0.0, color="#888888", lw=0.8)
            axes.set(xscale="log", xlabel="samples", ylabel="bias, bits")

        def coverage(axes: Axes, group: Sequence[Row] = group, sizes: Sequence[float] = sizes) -> None:
            for name, look in zip(group[0].covered, _styles(), strict=False):
                axes.plot(sizes, [100 * row.covered[name] for row in group], label=name, **look)
            axes.axhline(95.0, color="#888888", lw=0.8)
            axes.set(xscale="log", xlabel="samples", ylabel="covered, %", ylim=(0, 103))

        figures.append(_figure(title, f"Bias of the atoms of {title}.", biases))
        if all(row.covered for row in group):
            figures.append(_figure(title, f"How often the 95 % interval of {title} holds the truth.", coverage))
    words = "Mean distance of the estimate from the truth, and coverage of the interval where one was asked for."
    return Section("Bias and coverage against samples", words, figures) if figures else None


def _staircase(rows: Sequence[Row]) -> Section | None:
    steps = [row for row in rows if row.axis is not None and row.axis[0].startswith("true nats") and row.estimate]
    if not steps:
        return None

    def draw(axes: Axes) -> None:
        for row_set, look in _looks(steps):
            truth = [row.estimate["mi"] - row.bias["mi"] for row in row_set]
            axes.plot(truth, [row.estimate["mi"] for row in row_set], label=row_set[0].estimator, **look)
        ends = [row.estimate["mi"] - row.bias["mi"] for row in steps]
        axes.plot([min(ends), max(ends)], [min(ends), max(ends)], color="#888888", lw=0.8)
        axes.set(xlabel="true bits", ylabel="estimated bits")

    words = "Correlated Gaussians in 20 dimensions whose mutual information rises; the thin line is the truth."
    return Section("The staircase", words, [_figure("staircase", words, draw)])


def _measures(rows: Sequence[Row]) -> Section | None:
    rows = [row for row in rows if row.family == "redundancy"]
    if not rows:
        return None
    problems = list(dict.fromkeys(row.problem for row in rows))
    found = {(row.estimator, row.problem): row for row in rows}
    table = []
    for estimator in dict.fromkeys(row.estimator for row in rows):
        answers = [found.get((estimator, problem)) for problem in problems]
        said = [
            "" if one is None else f"{one.estimate['redundant']:z.4f}" if one.estimate else one.status
            for one in answers
        ]
        table.append((estimator, *said))
    words = "Redundancy in bits of the same tables. No column has a truth: the measures answer different questions."
    return Section("Measures of redundancy", words, (), ("measure", *problems), table)


def _failures(rows: Sequence[Row]) -> Section | None:
    table = [
        (
            row.family,
            row.problem,
            row.estimator,
            row.status,
            f"{row.failed} of {row.members}" if row.members else "",
            row.message,
        )
        for row in rows
        if row.status != "solved"
    ]
    words = "What did not finish, or not with a finite answer for every member."
    head = ("family", "problem", "estimator", "what happened", "members", "in its own words")
    return Section("Failures", words, (), head, table) if table else None


def _everything(rows: Sequence[Row]) -> Section:
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        first.setdefault((row.family, row.problem), row)
    table = [
        (
            row.family,
            row.problem,
            row.estimator,
            number(row.cpu),
            number(row.solver),
            ratio(row.effort, first[row.family, row.problem].cpu),
            power(row.gap),
            number(row.error),
            f"{row.certified} of {row.members}" if row.gap is not None else "",
            "" if row.peak is None else f"{row.peak:.0f}",
            row.known,
        )
        for row in rows
        if row.cpu is not None
    ]
    head = ("family", "problem", "estimator", "CPU s", "solver s", "times the first", "gap, bits", "error, bits")
    words = "The ratio counts an estimator by its own account of time where that is less than CPU time."
    return Section("All measurements", words, (), (*head, "certified", "MB", "truth"), table)


def _looks(rows: Sequence[Row]) -> Iterator[tuple[list[Row], dict[str, Any]]]:
    names = list(dict.fromkeys(row.estimator for row in rows))
    for name, look in zip(names, _styles(), strict=False):
        yield [row for row in rows if row.estimator == name], look


def _styles() -> Iterator[dict[str, Any]]:
    for marker in MARKERS:
        for color in COLORS:
            yield {"color": color, "marker": marker, "ms": 4.5, "lw": 1.4}


def _figure(title: str, caption: str, draw: Callable[[Axes], None]) -> Figure:
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import NullFormatter

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 9, "font.family": "sans-serif"}):
        canvas = Canvas(figsize=(5.4, 3.5), layout="constrained")
        axes = canvas.add_subplot()
        draw(axes)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if len(axes.get_legend_handles_labels()[1]) > 1:
            axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        axes.set_title(title, fontsize=9, loc="left")
        stream = io.StringIO()
        canvas.savefig(stream, format="svg", metadata={"Date": None})
    text = re.sub("<metadata>.*?</metadata>", "", stream.getvalue(), flags=re.DOTALL)
    return Figure(title, caption, text[text.index("<svg") :])
