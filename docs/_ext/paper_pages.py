"""The page of published numbers, written from a record: ``paper-record benchmarks/results/papers.jsonl``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from pidkd.benchmarks.papers import PAPERS, get_paper
from pidkd.benchmarks.problems import SIZES
from pidkd.benchmarks.published import PaperRow
from pidkd.benchmarks.record import read_rows
from pidkd.benchmarks.reporting.page import about
from pidkd.benchmarks.reporting.published import HEAD, Counts, cells

STYLE = """<style>
table.record { font-size: .75rem; } table.record td { white-space: nowrap; padding: .2rem .4rem; }
table.record td:first-child, table.record td:last-child { white-space: normal; }
details > summary { cursor: pointer; color: var(--color-link); }
</style>"""


class PaperRecord(SphinxDirective):
    """A summary of the record, what differs from the truth, and every number by paper."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir).parent / self.arguments[0]
        self.env.note_dependency(str(path))
        head, rows = read_rows(path, PaperRow)
        papers = list(dict.fromkeys(row.paper for row in rows))
        by_paper = {paper: [row for row in rows if row.paper == paper] for paper in papers}
        page: list[nodes.Node] = [nodes.raw("", STYLE, format="html"), nodes.paragraph(text=" ".join(about(head)))]
        page.append(_table(SUMMARY, [_summary(paper, by_paper[paper]) for paper in papers]))
        page.append(_differing([row for row in rows if row.reproduces is False]))
        page += [self._section(paper, by_paper[paper]) for paper in papers]
        return page

    def _section(self, paper: str, rows: Sequence[PaperRow]) -> nodes.section:
        title, *words = _documentation(paper)
        section = nodes.section(ids=[nodes.make_id(f"paper-{paper}")])
        section += nodes.title(text=title.rstrip("."))
        parsed = nodes.container()
        citation = f"{{cite:t}}`{paper}`. "
        lines = (citation + "\n\n".join(words)).split("\n")
        self.state.nested_parse(lines, self.content_offset, parsed)  # type: ignore[arg-type]
        section += parsed.children
        sources = ", ".join(dict.fromkeys(row.source for row in rows if row.source))
        if sources:
            section += nodes.paragraph(text=f"Printed in: {sources}.")
        head = (*HEAD, "note") if any(row.message for row in rows) else HEAD
        texts = []
        for setting in dict.fromkeys(row.setting for row in rows):
            texts.append((setting, *[""] * (len(head) - 1)))
            texts += [(*cells(row), row.message)[: len(head)] for row in rows if row.setting == setting]
        section += nodes.raw("", f"<details><summary>{len(rows)} numbers</summary>", format="html")
        section += _table(head, texts)
        section += nodes.raw("", "</details>", format="html")
        return section


SUMMARY = ("paper", "sizes", "numbers", "published", "agree", "differ")


def _documentation(paper: str) -> list[str]:
    """First line, then paragraphs, of what the module of a paper says."""
    module = importlib.import_module(f"{PAPERS.package}.{paper}")
    return [paragraph.replace("\n", " ") for paragraph in inspect.cleandoc(module.__doc__ or "").split("\n\n")]


def _summary(paper: str, rows: Sequence[PaperRow]) -> tuple[str, ...]:
    counts = Counts.of(rows)
    numbers = (counts.numbers, counts.published, counts.agree, counts.differ)
    recorded = {row.setting for row in rows}
    sizes = dict.fromkeys(setting.size for setting in get_paper(paper).settings if setting.name in recorded)
    return (_documentation(paper)[0].rstrip("."), ", ".join(sorted(sizes, key=SIZES.index)), *map(str, numbers))


def _differing(rows: Sequence[PaperRow]) -> nodes.section:
    """What does not reproduce."""
    section = nodes.section(ids=["what-differs"])
    section += nodes.title(text="What differs from the truth")
    texts = [(row.paper, row.setting, *cells(row)[:4], row.units, row.message) for row in rows]
    section += _table(("paper", "setting", *HEAD[:4], "units", "note"), texts)
    return section


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> nodes.table:
    table, group = nodes.table(classes=["record"]), nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *(_row(row) for row in rows))
    table += group
    return table


def _row(texts: Sequence[str]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=text)) for text in texts))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("paper-record", PaperRecord)
    return {"parallel_read_safe": True}
