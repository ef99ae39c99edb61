"""Two promises about docstrings: every public name is documented, and every reference is an entry of references.bib."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

import pidkd

logger = logging.getLogger(__name__)
KEYS = re.compile(r"[a-z]+\d{4}[a-z]?(, [a-z]+\d{4}[a-z]?)*")


def cite(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn the lines of keys under References into citations; an unknown key is then a warning of its own."""
    inside = False
    for i, line in enumerate(lines):
        if lines[i + 1 : i + 2] and set(lines[i + 1]) == {"-"}:
            inside = line == "References"
        elif inside and KEYS.fullmatch(line):
            lines[i] = f":cite:t:`{line.replace(' ', '')}`"


def complete(app: Sphinx, env: Any) -> None:
    """Warn of public names that no page documents."""
    documented = set(env.get_domain("py").objects)
    for name in pidkd.__all__:
        if f"pidkd.{name}" not in documented:
            logger.warning("public name pidkd.%s is on no page", name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect both; citing comes before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", cite, priority=400)
    app.connect("env-check-consistency", complete)
    return {"parallel_read_safe": True}
