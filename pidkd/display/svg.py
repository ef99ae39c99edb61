"""Coordinates of the pictures in a report: what a template draws as SVG, so that it prints, scales and needs no file.

Bars are measured in percent of their width, which lets text beside them keep its size on any screen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pidkd.display.atoms import shares
from pidkd.result import ATOMS


@dataclass(frozen=True)
class Segment:
    """One atom of a stacked bar, in percent of the width.

    Parameters
    ----------
    atom : str
    value : float
    x, width : float
        A negative atom has no width.
    low, high : float or None
        Where its interval ends, beside its right edge.
    """

    atom: str
    value: float
    x: float
    width: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Curve:
    """One atom over the stages of a student, as points of a figure; the first ``apart`` are not on the line."""

    atom: str
    points: tuple[tuple[float, float], ...]
    values: tuple[float, ...]
    label_y: float
    apart: int = 0

    @property
    def path(self) -> str:
        """Path of the line in SVG."""
        return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in self.points[self.apart :])


@dataclass(frozen=True)
class Curves:
    """Trajectories of the atoms, with ticks of both axes as (place, text)."""

    curves: tuple[Curve, ...]
    ticks_x: tuple[tuple[float, str], ...]
    ticks_y: tuple[tuple[float, str], ...]


def stack(
    atoms: Mapping[str, float], scale: float, interval: Mapping[str, tuple[float, float]] | None = None
) -> list[Segment]:
    """The four atoms side by side, as parts of a bar whose full width stands for ``scale``.

    Examples
    --------
    >>> bar = stack({"redundant": 1.0, "unique_t": 0.5, "unique_s": 0.0, "synergistic": 0.25}, scale=2.0)
    >>> [(segment.x, segment.width) for segment in bar]
    [(0.0, 50.0), (50.0, 25.0), (75.0, 0.0), (75.0, 12.5)]
    """
    segments, x = [], 0.0
    parts = shares(atoms, scale)
    for name in ATOMS:
        value, width = atoms[name], 100 * parts[name]
        low, high = (x + 100 * end / scale for end in interval[name]) if interval and name in interval else (None, None)
        segments.append(Segment(name, value, x, width, low, high))
        x += width
    return segments


GAP = 0.5
"""Room between what is drawn apart and the line, in steps between stages."""


def curves(
    names: Sequence[str],
    atoms: Sequence[Mapping[str, float]],
    size: tuple[float, float],
    margins: tuple[float, float, float, float],
    apart: int = 0,
) -> Curves:
    """Lines of the four atoms over named stages.

    Parameters
    ----------
    names : sequence of str
    atoms : sequence of mappings from atom to value, one per stage
    size : (width, height)
    margins : (top, right, bottom, left)
        Room for labels.
    apart : int, default 0
        Stages at the start that are drawn as points apart from the line, such as a baseline.
    """
    (width, height), (top, right, bottom, left) = size, margins
    values = [stage[name] for stage in atoms for name in ATOMS]
    ticks = nice_ticks(min(0.0, *values), max(*values, 1e-12))
    low, high = ticks[0], ticks[-1]

    def x_at(i: int) -> float:
        last = len(names) - 1 + GAP * (apart > 0)
        return left + (width - left - right) * ((i + GAP * (i >= apart > 0)) / last if last > 0 else 0.5)

    def y_at(value: float) -> float:
        return height - bottom - (height - top - bottom) * (value - low) / (high - low)

    places = _apart({name: y_at(atoms[-1][name]) for name in ATOMS}, height - bottom)
    drawn = tuple(
        Curve(
            name,
            tuple((x_at(i), y_at(stage[name])) for i, stage in enumerate(atoms)),
            tuple(stage[name] for stage in atoms),
            places[name],
            apart,
        )
        for name in ATOMS
    )
    # As many names below as find room: each takes about six units a letter.
    room = max(1, int((width - left - right) / (6 * max(map(len, names)) + 10)))
    step = math.ceil(len(names) / room)
    shown = [i for i in range(len(names)) if i % step == 0 or i == len(names) - 1]
    if len(shown) > 1 and shown[-1] - shown[-2] < step:
        del shown[-2]
    return Curves(
        drawn,
        tuple((x_at(i), names[i]) for i in shown),
        tuple((y_at(tick), f"{tick:g}") for tick in ticks),
    )


@dataclass(frozen=True)
class Line:
    """Line of a figure, with its number in the order of the lines, and the height of its label at the right end."""

    name: str
    number: int
    points: tuple[tuple[float, float], ...]
    label_y: float

    @property
    def path(self) -> str:
        """Path of the line in SVG."""
        return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Lines:
    """Lines of a figure, with ticks of both axes as (place, text)."""

    lines: tuple[Line, ...]
    ticks_x: tuple[tuple[float, str], ...]
    ticks_y: tuple[tuple[float, str], ...]


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    size: tuple[float, float],
    margins: tuple[float, float, float, float],
    text: Callable[[float], str] = "{:g}".format,
) -> Lines:
    """Named lines over whole numbers, such as epochs.

    Parameters
    ----------
    series : mapping from name to sequence of (x, y)
    size : (width, height)
    margins : (top, right, bottom, left)
        Room for labels.
    text : callable
        The text of a tick of the y axis.
    """
    (width, height), (top, right, bottom, left) = size, margins
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    last = max(*xs, 1.0)
    ticks = nice_ticks(min(ys), max(max(ys), min(ys) + 1e-9))
    low, high = ticks[0], ticks[-1]

    def x_at(x: float) -> float:
        return left + (width - left - right) * x / last

    def y_at(y: float) -> float:
        return height - bottom - (height - top - bottom) * (y - low) / (high - low)

    places = _apart({name: y_at(points[-1][1]) for name, points in series.items()}, height - bottom)
    drawn = tuple(
        Line(name, number, tuple((x_at(x), y_at(y)) for x, y in points), places[name])
        for number, (name, points) in enumerate(series.items())
    )
    ticks_x = [x for x in nice_ticks(0.0, last) if x <= last and x == int(x)]
    return Lines(drawn, tuple((x_at(x), f"{x:g}") for x in ticks_x), tuple((y_at(y), text(y)) for y in ticks))


def _apart(ends: Mapping[str, float], floor: float) -> dict[str, float]:
    """Heights of labels beside the ends of lines, moved apart where these lie close together."""
    places: dict[str, float] = {}
    previous = -math.inf
    for name in sorted(ends, key=lambda name: ends[name]):
        previous = max(ends[name], previous + 13)
        places[name] = previous
    overflow = max(0.0, previous - floor)
    return {name: place - overflow for name, place in places.items()}


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that enclose [low, high], a few of them.

    Examples
    --------
    >>> nice_ticks(0.0, 0.83)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    rough = (high - low) / (count - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, max(last, first + 1) + 1)]
