"""A page for each object, and summary tables of those found by name, so that a new one needs no page to be edited.

``object-summary LIST`` is a table of the objects of a list, each with a link to its page; autosummary writes the pages
from the templates in ``_templates/autosummary``.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from estimator_pages import Written
from sphinx.application import Sphinx
from sphinx.ext.autosummary.generate import generate_autosummary_docs

import pidkd
import pidkd.errors
import pidkd.synthetic
from pidkd.distill.architectures import MODELS
from pidkd.distill.dataset import DATA
from pidkd.distill.method import METHODS
from pidkd.registry import Registry

FOLDER = "generated"


def estimators(kind: str) -> list[Any]:
    """Classes of the estimators of a kind."""
    return [pidkd.get_estimator(name, kind) for name in pidkd.list_estimators(kind)]


def registered(registry: Registry) -> list[Any]:
    """Objects of a registry."""
    return [registry.get(name) for name in registry.names()]


def members(module: ModuleType) -> list[str]:
    """Full names of the public classes and functions of a module."""
    names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
    public = {name: getattr(module, name) for name in names}
    kept = [
        name
        for name, one in public.items()
        if (inspect.isclass(one) or inspect.isfunction(one))
        and (hasattr(module, "__all__") or one.__module__ == module.__name__)
    ]
    return [f"{module.__name__}.{name}" for name in kept]


LISTS: dict[str, Callable[[], list[Any]]] = {
    "pid": lambda: estimators("pid"),
    "mi": lambda: estimators("mi"),
    "methods": lambda: registered(METHODS),
    "data": lambda: registered(DATA),
    "models": lambda: registered(MODELS),
    "synthetic": lambda: members(pidkd.synthetic),
    "errors": lambda: members(pidkd.errors),
}


def summary(name: str) -> list[str]:
    """An autosummary block of the objects of a list."""
    lines = [".. autosummary::", f"   :toctree: {FOLDER}", "   :nosignatures:", ""]
    for one in LISTS[name]():
        full = one if isinstance(one, str) else f"{one.__module__}.{one.__qualname__}"
        lines.append(f"   ~{full}" if inspect.isclass(one) else f"   {full}")
    return [*lines, ""]


def block(name: str) -> list[str]:
    """The same, for a MyST page."""
    return ["```{eval-rst}", ".. currentmodule:: None", "", *summary(name), "```"]


def write_pages(app: Sphinx) -> None:
    """Write the pages of every list; those of summaries on pages are autosummary's own work."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "objects.rst")
        source.write_text("\n".join(line for name in LISTS for line in summary(name)), encoding="utf-8")
        generate_autosummary_docs(
            [str(source)], output_dir=Path(app.srcdir, FOLDER), app=app, base_path=app.srcdir, overwrite=True
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive, and write the pages before any is read."""
    app.add_directive("object-summary", type("Directive", (Written,), {"write": staticmethod(block)}))
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
