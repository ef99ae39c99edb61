"""The gallery of gates: each gate of ``pidkd.synthetic`` with its atoms by several measures as a picture."""

from __future__ import annotations

import warnings

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import pidkd
from pidkd.comparison import Comparison
from pidkd.errors import NegativeAtomWarning
from pidkd.export import COLORS
from pidkd.result import ATOMS, SYMBOLS
from pidkd.synthetic import gate, list_gates

MEASURES = ("broja", "i_alpha", "gk", "i_min", "mmi", "sx")
WIDTH, BAR, ROW, LABEL = 420, 16, 24, 64
"""Of a picture, its bars, its rows and the names beside them, in pixels."""

STYLE = """<style>
.gates { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1.5rem; }
.gates figure { margin: 0; } .gates svg { width: 100%; height: auto; }
.gates figcaption { font-size: .85rem; } .gates text { fill: currentColor; font: 12px sans-serif; }
</style>"""


def picture(comparison: Comparison) -> str:
    """Stacked bars, one a measure: negative atoms to the left of zero."""
    results = list(comparison.results.items())
    least = min(sum(min(0.0, atom) for atom in result.atoms.values()) for _, result in results)
    most = max(sum(max(0.0, atom) for atom in result.atoms.values()) for _, result in results)
    scale = (WIDTH - LABEL) / ((most - least) or 1.0)
    zero = LABEL - least * scale
    shapes = []
    for row, (measure, result) in enumerate(results):
        y, left, right = row * ROW, zero, zero
        shapes.append(f'<text x="0" y="{y + BAR - 4}">{measure}</text>')
        for atom in ATOMS:
            value = getattr(result, atom)
            size = abs(value) * scale
            x = right if value >= 0 else left - size
            right, left = (right + size, left) if value >= 0 else (right, left - size)
            if size > 0.05:
                title = f"<title>{SYMBOLS[atom]} {value:z.6f} bits</title>"
                box = f'x="{x:.1f}" y="{y}" width="{size:.1f}" height="{BAR}" fill="{COLORS[atom]}"'
                shapes.append(f"<rect {box}>{title}</rect>")
    height = len(results) * ROW
    axis = f'<line x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{height - ROW + BAR}" stroke="currentColor"/>'
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(shapes)}{axis}</svg>'


class GateGallery(SphinxDirective):
    """A figure for each gate."""

    def run(self) -> list[nodes.Node]:
        colours = "".join(
            f'<span style="color: {COLORS[atom]}">&#9632;</span> {SYMBOLS[atom]} &nbsp; ' for atom in ATOMS
        )
        figures = []
        for name in list_gates():
            one = gate(name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NegativeAtomWarning)  # the picture shows it
                comparison = pidkd.compare(one.pmf, measures=MEASURES)
            caption = f"<b>{name}</b>: {one.description}. I(Y;T,S) is {comparison['broja'].mi:.3f} bits."
            figures.append(f"<figure>{picture(comparison)}<figcaption>{caption}</figcaption></figure>")
        text = f'{STYLE}<p>{colours}</p><div class="gates">{"".join(figures)}</div>'
        return [nodes.raw("", text, format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("gate-gallery", GateGallery)
    return {"parallel_read_safe": True}
