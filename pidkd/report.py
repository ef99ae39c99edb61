"""Results for people and for machines: tables of atoms on the terminal, and JSON."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from pidkd.activations import PathLike, writing
from pidkd.errors import InputError
from pidkd.registry import get_estimator, list_estimators
from pidkd.result import ATOMS, PIDResult, shares

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def page_template(name: str) -> Template:
    """A page of pidkd as a template; whatever is put into it is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure"] = lambda value, digits=3: "" if value is None else f"{value:z.{digits}f}"
    return environment.from_string((files("pidkd") / "templates" / name).read_text(encoding="utf-8"))


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
    """What the parts of the bars mean."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """One line."""
        line = Text()
        for look in LOOKS.values():
            glyph = look.ascii if options.ascii_only else look.glyph
            line.append(f"{glyph} ", look.style).append(look.heading, "bold").append(f" {look.words}  ")
        yield line


def atoms_table(rows: Iterable[tuple[str, str, PIDResult]], scale: float, title: str | None = None) -> Table:
    """One row of atoms, certificate and bar per pair (teacher layer, student layer, result).

    "chance" is Uni T under shuffled labels, where that is known.
    """
    table = Table(title=title, title_style="bold", title_justify="left", header_style="bold", box=None, pad_edge=False)
    table.add_column("teacher", overflow="fold")
    table.add_column("student", overflow="fold")
    for look in LOOKS.values():
        table.add_column(Text(look.heading, look.style), justify="right", no_wrap=True)
    rows = list(rows)
    with_chance = any(result.null for _, _, result in rows)
    if with_chance:
        table.add_column("chance", justify="right", no_wrap=True)
    table.add_column("certified", justify="right", no_wrap=True)
    table.add_column("")
    for teacher, student, result in rows:
        numbers = [Text(f"{result.atoms[name]:z.3f}") for name in ATOMS]
        if with_chance:
            numbers.append(Text(f"{result.null['unique_t']:z.3f}" if result.null else "", "dim"))
        table.add_row(Text(teacher), Text(student), *numbers, certified(result), AtomsBar(result.atoms, scale))
    return table


def certified(result: PIDResult) -> Text:
    """How far the solver is proven right: the gap of the certificate, marked where it is not what was asked for.

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


def estimator_rows(kind: str) -> list[dict[str, Any]]:
    """What each estimator of a kind says of itself, and which of the packages it needs are missing."""
    rows = []
    for name in list_estimators(kind):
        cls = get_estimator(name, kind)
        rows.append(
            {
                "name": name,
                "kind": kind,
                "measure": getattr(cls, "measure", None),
                "accepts": sorted(cls.accepted_kinds()),
                "certifies": getattr(cls, "certifies", None),
                "exactness": cls.exactness,
                "requires": dict(cls.requires),
                "missing": [module for module in cls.requires if find_spec(module) is None],
                "reference": cls.reference,
            }
        )
    return rows


def estimators_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The table of ``pidkd list``."""
    table = Table(header_style="bold", box=None, pad_edge=False)
    for heading in ("name", "measure", "accepts", "certifies", "needs", "reference"):
        table.add_column(heading, no_wrap=heading == "name")
    for row in rows:
        extras = ", ".join(sorted({f"pidkd[{extra}]" for extra in row["requires"].values()}))
        needs = Text(f"{extras} {'(missing)' if row['missing'] else '(installed)'}" if extras else "nothing")
        certifies = {True: "yes", False: "no", None: ""}[row["certifies"]]
        cells = (row["measure"] or "", ", ".join(row["accepts"]), certifies)
        table.add_row(Text(row["name"], "bold"), *map(Text, cells), needs, Text(row["reference"]))
    return table


def to_text(renderable: RenderableType, width: int = 100) -> str:
    """What a terminal of this width would show, without colours."""
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(renderable)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def to_json(data: Any) -> str:
    """JSON without NaN and Infinity literals."""
    return json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: PathLike, data: Mapping[str, Any], force: bool = False) -> None:
    """Write JSON to a file that is whole or not there.

    Raises
    ------
    InputError
        When the file exists and ``force`` is not given, or cannot be written.
    """
    text = to_json(data)
    with writing(path, force) as stream:
        stream.write(text.encode())


def read_json(path: PathLike) -> Any:
    """Read JSON.

    Raises
    ------
    InputError
        When the file is missing, damaged, or holds a NaN or Infinity literal.
    """

    def refuse(literal: str) -> NoReturn:
        raise ValueError(f"the literal {literal}")

    try:
        return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=refuse)
    except OSError as error:
        raise InputError(str(path), "a file that can be read", error.strerror or "a fault") from error
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), "JSON", f"something else ({error})") from error
