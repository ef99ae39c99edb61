"""Tables of what is found by name, so that a new one needs no page to be edited, and the values of parameters.

``data-comparison``, ``model-comparison``, ``format-comparison``, ``problem-comparison`` and ``peer-comparison`` are a
table each.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from estimator_pages import Written
from sphinx.application import Sphinx

from pidkd.benchmarks.peers import PEERS
from pidkd.benchmarks.problems import FAMILIES, Family
from pidkd.distill.architectures import MODELS
from pidkd.distill.dataset import DATA
from pidkd.files.format import FORMATS
from pidkd.parameters import Parameterised, constraints
from pidkd.registry import Registry


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """A MyST table."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines]


def summary(registry: Registry, name: str) -> str:
    """First line of its documentation, from reStructuredText to MyST."""
    text = re.sub(r":math:`([^`]*)`", r"$\1$", registry.summary(name))
    return re.sub(r"<(?=\w+>[^`]*(`[^`]*`[^`]*)*$)", "&lt;", text.replace("``", "`"))


def options(function: Any) -> str:
    """Options of a function, each with the values that it may have and its default."""
    said = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            values = f": {constraints(function)[name].expected}" if name in constraints(function) else ""
            said.append(f"`{name}`{values} (`{parameter.default!r}`)")
    return "; ".join(said)


def functions(registry: Registry) -> list[str]:
    """A table of functions with their options."""
    rows = [[f"`{name}`", summary(registry, name), options(registry.get(name))] for name in registry.names()]
    return table(["name", "what it is", "options"], rows)


def formats() -> list[str]:
    """A table of file formats."""
    rows = []
    for name in FORMATS.names():
        cls = FORMATS.get(name)
        extras = ", ".join(f"`{extra}`" for extra in sorted(set(cls.requires.values())))
        suffixes = ", ".join(f"`{suffix}`" for suffix in cls.suffixes)
        rows.append([suffixes, summary(FORMATS, name), "yes" if cls.check_sum else "no", extras])
    return table(["suffixes", "what it holds", "check sum", "extra"], rows)


def problems() -> list[str]:
    """A table of the families of benchmark problems."""
    rows = []
    for name in FAMILIES.names():
        family = FAMILIES.get(name)
        known = ", ".join(sorted({problem.known for problem in family.problems if problem.known}))
        rows.append([f"`{name}`", summary(FAMILIES, name), asked(family), known or "no truth"])
    return table(["family", "what it holds", "who takes part", "how the truth is known"], rows)


def asked(family: Family) -> str:
    """Who takes part in a family, in words."""
    if family.asks is None:
        return ", ".join(f"`{name}`" for name in family.names)
    measure = f", {family.asks.measure}" if family.asks.measure else ""
    return f"`{family.asks.input.__name__}`{measure}"


def peers() -> list[str]:
    """A table of other implementations."""
    return table(
        ["names begin with", "what it is"],
        [[f"`{PEERS.get(name).prefix}`", summary(PEERS, name)] for name in PEERS.names()],
    )


def values(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Add the values that parameters may have to the documentation of a class or a function."""
    made_of_parameters = inspect.isclass(obj) and issubclass(obj, Parameterised)
    found_by_name = inspect.isfunction(obj) and obj.__name__ in ("read", "build")
    if (made_of_parameters or found_by_name) and constraints(obj):
        said = [f"- ``{parameter}``: {constraint.expected}" for parameter, constraint in constraints(obj).items()]
        lines += ["", ".. rubric:: Values", "", *said, ""]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register one directive for each writer, and add values after napoleon has read the sections."""
    writers = {
        "data-comparison": lambda: functions(DATA),
        "model-comparison": lambda: functions(MODELS),
        "format-comparison": formats,
        "problem-comparison": problems,
        "peer-comparison": peers,
    }
    for name, write in writers.items():
        app.add_directive(name, type("Directive", (Written,), {"write": staticmethod(write)}))
    app.connect("autodoc-process-docstring", values, priority=700)
    return {"parallel_read_safe": True}
