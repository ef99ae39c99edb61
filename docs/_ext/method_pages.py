"""Documentation written from the distillation methods themselves, so that a new one needs no page to be edited.

``method-comparison`` is a table of what they match and train.
"""

from __future__ import annotations

from estimator_pages import Written
from sphinx.application import Sphinx

from pidkd.distill import get_method, list_methods
from pidkd.distill.method import Phase

STUDENT = {"frozen": [], "guided": ["student up to its taps"], "whole": ["student"]}


def trained(phase: Phase) -> str:
    """What a phase trains, in words."""
    return ", ".join([*STUDENT[phase.student], *(f"`{part}`" for part in phase.parts)])


def comparison() -> list[str]:
    """A MyST table with one method a row."""
    header = ["method", "the student is to match", "layer pairs", "phases, and what each trains", "reference"]
    rows = []
    for name in list_methods():
        cls = get_method(name)
        rows.append(
            [
                f"{{py:class}}`{name} <{cls.__module__}.{cls.__qualname__}>`",
                cls.matches,
                "yes" if cls.needs_taps else "no",
                "; ".join(f"`{phase}`: {trained(rule)}" for phase, rule in cls().phases.items()),
                f"{{cite:t}}`{cls.reference}`",
            ]
        )
    return [f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *rows]]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("method-comparison", type("Directive", (Written,), {"write": staticmethod(comparison)}))
    return {"parallel_read_safe": True}
