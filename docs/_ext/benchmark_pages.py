"""A page of benchmarks, written from the record of a run: ``benchmark-record benchmarks/results/<name>.jsonl``."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from pidkd.benchmarks.record import read_record
from pidkd.benchmarks.reporting.page import about
from pidkd.benchmarks.reporting.sections import sections

STYLE = """<style>
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); gap: 1rem; }
.pictures figure { margin: 0; } .pictures svg { width: 100%; height: auto; }
table.record { font-size: .8rem; } table.record td { white-space: nowrap; }
</style>"""


class BenchmarkRecord(SphinxDirective):
    """Every section of a record, so that its pictures and tables have headings of the page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir).parent / self.arguments[0]
        self.env.note_dependency(str(path))
        head, rows = read_record(path)
        found: list[nodes.Node] = [nodes.raw("", STYLE, format="html"), nodes.paragraph(text=" ".join(about(head)))]
        for section in sections(rows):
            node = nodes.section(ids=[nodes.make_id(section.title)])
            node += [nodes.title(text=section.title), nodes.paragraph(text=section.words)]
            pictures = "".join(f"<figure>{figure.svg}</figure>" for figure in section.figures)
            node += nodes.raw("", f'<div class="pictures">{pictures}</div>', format="html")
            if section.rows:
                node += _table(section.head, section.rows)
            found.append(node)
        return found


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> nodes.table:
    table, group = nodes.table(classes=["record"]), nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *(_row(row) for row in rows))
    table += group
    return table


def _row(texts: tuple[str, ...]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=text)) for text in texts))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("benchmark-record", BenchmarkRecord)
    return {"parallel_read_safe": True}
