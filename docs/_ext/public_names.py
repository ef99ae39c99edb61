"""Two promises about docstrings: every public name is documented, and every reference is an entry of references.bib.

Docstrings are written to be read as they stand, too; here they become what Sphinx expects.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

import pidkd

logger = logging.getLogger(__name__)
KEYS = re.compile(r"[a-z]+\d{4}[a-z]?(, [a-z]+\d{4}[a-z]?)*")


def adapt(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    r"""Turn the lines of keys under References into citations, and let the backslash of Uni(Y:T\S) stand."""
    inside = False
    for i, line in enumerate(lines):
        if lines[i + 1 : i + 2] and set(lines[i + 1]) == {"-"}:
            inside = line == "References"
        elif inside and KEYS.fullmatch(line):
            lines[i] = f":cite:t:`{line.replace(' ', '')}`"
        else:
            lines[i] = re.sub(r"(?<=\(Y:[TS])\\+(?=[TS]\))", r"\\\\", line)


def complete(app: Sphinx, env: Any) -> None:
    """Warn of public names that no page documents."""
    documented = set(env.get_domain("py").objects)
    for name in pidkd.__all__:
        if f"pidkd.{name}" not in documented:
            logger.warning("public name pidkd.%s is on no page", name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect both; adapting comes before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", adapt, priority=400)
    app.connect("env-check-consistency", complete)
    return {"parallel_read_safe": True}
