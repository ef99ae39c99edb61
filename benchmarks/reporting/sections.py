"""Sections of a record's page: one for each question, with figures and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pidkd.benchmarks.problems import SAMPLES, TRUE_NATS, get_family, list_families
from pidkd.benchmarks.record import Row
from pidkd.benchmarks.reporting.figures import Figure, figure, looks, styles
from pidkd.benchmarks.reporting.scaling import Line, lines
from pidkd.benchmarks.reporting.tables import number, power, ratio
from pidkd.result import ATOMS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OFTEN = 20
"""Samples below which a share of them is no coverage."""


@dataclass(frozen=True)
class Section:
    """Answer of a record to one question: figures, and a table of text."""

    title: str
    words: str
    figures: Sequence[Figure] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def sections(rows: Sequence[Row]) -> Iterator[Section]:
    """Sections that the record can fill, in the order of reading."""
    yield from filter(
        None,
        (
            _against_time(rows),
            _growth(rows),
            _sampling(rows),
            _staircase(rows),
            _information(rows),
            _atoms(rows),
            _measures(rows),
            _speed(rows),
            _failures(rows),
            _everything(rows),
        ),
    )


def _shown_in(section: str, rows: Sequence[Row]) -> list[Row]:
    """Rows of the families that name this section; a family that is not installed here names none."""
    known = set(list_families())
    families = {name for name in {row.family for row in rows} & known if get_family(name).section == section}
    return [row for row in rows if row.family in families]


def _against_time(rows: Sequence[Row]) -> Section | None:
    figures = []
    for family in dict.fromkeys(row.family for row in rows):
        known = [row for row in rows if row.family == family and row.error is not None and row.cpu]
        if len({row.estimator for row in known}) < 2:
            continue

        def draw(axes: Axes, known: Sequence[Row] = known) -> None:
            for row_set, look in looks(known):
                errors = [max(row.error or 0.0, row.gap or 0.0, 1e-16) for row in row_set]
                axes.plot([row.cpu or 0.0 for row in row_set], errors, label=row_set[0].estimator, ls="", **look)
            axes.set(xscale="log", yscale="log", xlabel="CPU seconds", ylabel="error, bits")

        figures.append(figure(family, "One point for each problem; left and low is good.", draw))
    words = (
        "Distance from the truth, largest of the atoms, or the certified gap where that is larger, against CPU time."
    )
    return Section("Error against time", words, figures) if figures else None


def _growth(rows: Sequence[Row]) -> Section | None:
    grouped: dict[str, list[Line]] = {}
    for line in lines(rows):
        grouped.setdefault(line.axis, []).append(line)
    if not grouped:
        return None

    def picture(axis: str, group: Sequence[Line]) -> Figure:
        def draw(axes: Axes) -> None:
            for line, look in zip(group, styles(), strict=False):
                fitted = "" if line.time_exponent is None else f", size^{line.time_exponent:.1f}"
                axes.plot(line.sizes, line.cpu, label=line.estimator + fitted, **look)
            axes.set(xscale="log", yscale="log", xlabel=axis.partition(",")[0], ylabel="CPU seconds")
            sizes = sorted({size for line in group for size in line.sizes})
            axes.set_xticks(sizes, [f"{size:g}" for size in sizes])

        return figure(axis, f"Time against {axis}.", draw)

    table = [
        (
            line.axis,
            line.estimator,
            f"{line.sizes[0]:g} to {line.sizes[-1]:g}",
            *("" if value is None else f"{value:z.2f}" for value in (line.time_exponent, line.memory_exponent)),
        )
        for group in grouped.values()
        for line in group
    ]
    return Section(
        "Time and memory against size",
        "Exponents are fitted on the three largest problems of a line, of memory beyond that of the process itself.",
        [picture(axis, group) for axis, group in grouped.items()],
        ("what grows", "estimator", "sizes", "exponent of time", "exponent of memory"),
        _once(table),
    )


def _sampling(rows: Sequence[Row]) -> Section | None:
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        if row.axis is not None and row.axis[0].startswith(SAMPLES) and row.bias:
            grouped.setdefault(f"{row.axis[0].removeprefix(SAMPLES)}, {row.estimator}", []).append(row)
    figures = []
    for title, members in grouped.items():
        group = sorted(members, key=lambda row: row.axis[1] if row.axis else 0.0)
        often = [row for row in group if row.covered and row.members >= OFTEN]
        if len({row.axis for row in group}) > 1:
            figures.append(_against_samples(title, f"Bias of the atoms of {title}.", group, "bias"))
        if len({row.axis for row in often}) > 1:
            caption = f"How often the 95 % interval of {title} holds the truth."
            figures.append(_against_samples(title, caption, often, "covered"))
    words = "Mean distance of the estimate from the truth, and coverage of the interval where one was asked for."
    return Section("Bias and coverage against samples", words, figures) if figures else None


def _against_samples(title: str, caption: str, group: Sequence[Row], field: Literal["bias", "covered"]) -> Figure:
    sizes = [row.axis[1] for row in group if row.axis]

    def draw(axes: Axes) -> None:
        share = field == "covered"
        for name, look in zip(getattr(group[0], field), styles(), strict=False):
            axes.plot(sizes, [(100 if share else 1) * getattr(row, field)[name] for row in group], label=name, **look)
        axes.axhline(95.0 if share else 0.0, color="#888888", lw=0.8)
        axes.set(xscale="log", xlabel="samples", ylabel="covered, %" if share else "bias, bits")
        axes.set_xticks(sorted({*sizes}), [f"{size:g}" for size in sorted({*sizes})])
        if share:
            axes.set_ylim(0, 103)

    return figure(title, caption, draw)


def _staircase(rows: Sequence[Row]) -> Section | None:
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        if row.axis is not None and row.axis[0].startswith(TRUE_NATS) and row.estimate:
            grouped.setdefault(row.axis[0].removeprefix(f"{TRUE_NATS}, "), []).append(row)
    if not grouped:
        return None

    def picture(title: str, steps: Sequence[Row]) -> Figure:
        def draw(axes: Axes) -> None:
            for row_set, look in looks(steps):
                truth = [_truth(row)["mi"] for row in row_set]
                axes.plot(truth, [row.estimate["mi"] for row in row_set], label=row_set[0].estimator, **look)
            ends = [_truth(row)["mi"] for row in steps]
            axes.plot([min(ends), max(ends)], [min(ends), max(ends)], color="#888888", lw=0.8)
            axes.set(xlabel="true bits", ylabel="estimated bits")

        return figure(title, f"Estimates against the truth, {title}.", draw)

    words = "Gaussians in 20 coordinates each whose mutual information rises; the thin line is the truth."
    return Section("The staircase", words, [picture(title, steps) for title, steps in grouped.items()])


def _information(rows: Sequence[Row]) -> Section | None:
    rows = [row for row in _shown_in("mutual information", rows) if row.estimate]
    if not rows:
        return None
    estimators = list(dict.fromkeys(row.estimator for row in rows))
    by_key = {(row.problem, row.estimator): row for row in rows}
    table = []
    for problem in dict.fromkeys(row.problem for row in rows):
        answers = [by_key.get((problem, estimator)) for estimator in estimators]
        truth = next(_truth(one)["mi"] for one in answers if one is not None)
        cells = ["" if one is None else f"{one.estimate['mi']:z.3f}" for one in answers]
        table.append((problem, f"{truth:.3f}", *cells))
    return Section("Mutual information", "Estimates in bits.", (), ("task", "truth", *estimators), table)


def _atoms(rows: Sequence[Row]) -> Section | None:
    rows = [row for row in _shown_in("atoms", rows) if row.estimate]
    if not rows:
        return None
    table: list[tuple[str, ...]] = []
    shown = ""
    for row in _by_problem(rows):
        if row.problem != shown and row.bias:
            table.append((row.problem, "truth", *_said(_truth(row)), "", ""))
        shown = row.problem
        table.append((row.problem, row.estimator, *_said(row.estimate), number(row.error), number(row.cpu)))
    head = ("problem", "estimator", "Red", "Uni T", "Uni S", "Syn", "I(Y;T)", "error", "CPU s")
    words = (
        "Means in bits. Of real networks nobody knows the truth; where labels are shuffled, it is zero. "
        "The error is the mean distance of the atom that is farthest off."
    )
    return Section("Atoms from samples", words, (), head, _once(table))


def _said(atoms: Mapping[str, float]) -> Iterator[str]:
    for value in (*(atoms[name] for name in ATOMS), atoms["redundant"] + atoms["unique_t"]):
        yield f"{value:z.3f}"


def _truth(row: Row) -> dict[str, float]:
    return {name: value - row.bias[name] for name, value in row.estimate.items()}


def _measures(rows: Sequence[Row]) -> Section | None:
    rows = _shown_in("measures", rows)
    if not rows:
        return None
    problems = list(dict.fromkeys(row.problem for row in rows))
    by_key = {(row.estimator, row.problem): row for row in rows}
    table = []
    for estimator in dict.fromkeys(row.estimator for row in rows):
        answers = [by_key.get((estimator, problem)) for problem in problems]
        cells = [
            "" if one is None else f"{one.estimate['redundant']:z.4f}" if one.estimate else one.status
            for one in answers
        ]
        table.append((estimator, *cells))
    words = "Redundancy in bits of the same tables. No column has a truth: the measures answer different questions."
    return Section("Measures of redundancy", words, (), ("measure", *problems), table)


def _speed(rows: Sequence[Row]) -> Section | None:
    rows = _by_problem(_shown_in("speed", rows))
    first = _first(rows)
    table = [
        (
            row.problem,
            row.estimator,
            number(row.cpu),
            number(row.wall),
            "" if not row.seconds else f"{1 / row.seconds:.3g}",
            ratio(row.seconds, first[row.family, row.problem].seconds),
            f"{row.certified} of {row.members}" if row.gap is not None else "",
        )
        for row in rows
        if row.cpu is not None
    ]
    head = ("problem", "estimator or loop", "CPU s", "wall s", "a second", "times the first", "certified")
    words = "Batches, steps and epochs: CPU time of one core, and on an accelerator (@cuda) the time that passes."
    return Section("Batches and training", words, (), head, _once(table)) if table else None


def _once(table: Sequence[tuple[str, ...]], columns: int = 1) -> list[tuple[str, ...]]:
    """The first columns only where they change."""
    before = [(), *(row[:columns] for row in table)]
    return [
        row if row[:columns] != last else ("",) * columns + row[columns:]
        for row, last in zip(table, before, strict=False)
    ]


def _first(rows: Sequence[Row]) -> dict[tuple[str, str], Row]:
    """Of each problem, the row of the estimator that others are compared with."""
    by_key: dict[tuple[str, str], Row] = {}
    for row in rows:
        by_key.setdefault((row.family, row.problem), row)
    return by_key


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
        if row.status not in ("solved", "not tried")
    ]
    words = (
        "What did not finish, or not with a finite answer for every member. "
        "After a time or memory limit, larger problems of the family were not tried, and are not listed."
    )
    head = ("family", "problem", "estimator", "what happened", "members", "in its own words")
    return Section("Failures", words, (), head, table) if table else None


def _by_problem(rows: Sequence[Row]) -> list[Row]:
    """Estimators side by side."""
    order = list(_first(rows))
    return sorted(rows, key=lambda row: order.index((row.family, row.problem)))


def _everything(rows: Sequence[Row]) -> Section:
    first = _first(rows)
    table = [
        (
            row.family,
            row.problem,
            row.estimator,
            number(row.cpu),
            number(row.solver),
            ratio(row.effort, first[row.family, row.problem].seconds),
            power(row.gap),
            f"{row.certified} of {row.members}" if row.gap is not None else "",
            number(row.error),
            row.known,
            "" if row.peak is None else f"{row.peak:.0f}",
        )
        for row in _by_problem(rows)
        if row.cpu is not None
    ]
    head = ("family", "problem", "estimator", "CPU s", "solver s", "times the first", "gap, bits", "certified")
    words = (
        "The ratio counts an estimator by its own account of time where that is less than CPU time. "
        "MB is the most memory of the process."
    )
    return Section(
        "All measurements", words, (), (*head, "error, bits", "how the truth is known", "MB"), _once(table, 2)
    )
