"""Documentation written from the estimators themselves, so that a new one needs no page to be edited.

``estimator-comparison pid`` is a table of the class attributes, and ``estimator-laws`` lists the laws that they may
declare.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import pidkd
from pidkd.pid import LAWS

YES_NO = {True: "yes", False: "no"}


def comparison(kind: str) -> list[str]:
    """A MyST table with one estimator a row."""
    claims = ["bound"] if kind == "mi" else ["certifies", "laws"]
    header = ["estimator", "measure", "accepts", *claims, "exactness", "extra", "reference"]
    rows = []
    for name in pidkd.list_estimators(kind):
        cls = pidkd.get_estimator(name, kind)
        laws = getattr(cls, "laws", ())
        declared, others = ([law for law in LAWS if (law in laws) == wanted] for wanted in (True, False))
        claim = f"all but {', '.join(others)}" if len(others) < len(declared) else ", ".join(declared)
        rows.append(
            [
                f"{{py:class}}`{name} <{cls.__module__}.{cls.__qualname__}>`",
                getattr(cls, "measure", ""),
                ", ".join(sorted(cls.accepted_kinds())),
                *([cls.bound] if kind == "mi" else [YES_NO[cls.certifies], claim if others else "all"]),
                cls.exactness,
                ", ".join(sorted(set(cls.requires.values()))),
                f"{{cite:t}}`{cls.reference}`",
            ]
        )
    return [f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *rows]]


def laws() -> list[str]:
    """A MyST list of the laws that an estimator may declare."""
    return [f"- `{law}`: {text}" for law, text in LAWS.items()]


class Written(SphinxDirective):
    """A directive whose content a function of its argument writes."""

    required_arguments = 0
    optional_arguments = 1
    write: Any

    def run(self) -> list[nodes.Node]:
        container = nodes.container()
        text = StringList(type(self).write(*self.arguments), source=f"<{self.name}>")
        self.state.nested_parse(text, self.content_offset, container)
        return container.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Register one directive for each writer."""
    for name, write in {
        "estimator-comparison": comparison,
        "estimator-laws": laws,
    }.items():
        app.add_directive(name, type("Directive", (Written,), {"write": staticmethod(write)}))
    return {"parallel_read_safe": True}
