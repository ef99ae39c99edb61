"""Pages of pidkd as templates."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def page_template(name: str) -> Template:
    """A page of pidkd as a template; whatever is put into it is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figure"] = lambda value, digits=3: "" if value is None else f"{value:z.{digits}f}"
    return environment.get_template(name)


def _source(name: str) -> str:
    """Text of a template, or of what pages share."""
    return (files("pidkd.display") / "templates" / name).read_text(encoding="utf-8")
