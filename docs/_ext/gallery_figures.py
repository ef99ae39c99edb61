"""Pictures of the gallery that pyplot does not keep: a figure, or its axes, as the last value of a block."""

from __future__ import annotations

from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.pyplot import fignum_exists
from sphinx_gallery.scrapers import figure_rst


def scrape(block: Any, variables: dict[str, Any], settings: dict[str, Any]) -> str:
    """Save the figure of a block, and return the text that shows it."""
    last = variables["example_globals"].get("___")
    variables["example_globals"]["___"] = None  # so that a later block does not show it again
    figure = last if isinstance(last, Figure) else last.get_figure() if isinstance(last, Artist) else None
    if not isinstance(figure, Figure) or fignum_exists(getattr(figure, "number", -1)):
        return ""
    path = next(variables["image_path_iterator"])
    figure.savefig(path, dpi=100)
    return str(figure_rst([path], settings["src_dir"]))
