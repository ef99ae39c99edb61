"""``pidkd bench``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pidkd.cli.console import progress_bar, stdout
from pidkd.cli.options import ClusterAddress, Force, number_of_bytes
from pidkd.errors import InputError

PAPERS = "papers"
"""First argument that asks for published numbers instead of problems."""


class SizesOption(StrEnum):
    """Sizes of benchmark problems, as an option."""

    TINY = "tiny"
    SMALL = "small"
    FULL = "full"


def command(
    context: typer.Context,
    families: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FAMILY]...", help="Problems; else all. Or 'papers', then names of papers."),
    ] = None,
    estimators: Annotated[
        list[str] | None,
        typer.Option(
            "--estimator",
            help="A name, a pattern or package.module:Class, as in 'kmeans(n_clusters=20)' or broja@cuda; repeatable.",
        ),
    ] = None,
    peers: Annotated[bool, typer.Option("--peers", help="Other implementations, too.")] = False,
    sizes: Annotated[SizesOption, typer.Option("--sizes", help="The largest problems.")] = SizesOption.SMALL,
    device: Annotated[str, typer.Option("--device", help="cuda: those that know it run there, too.")] = "cpu",
    time_limit: Annotated[float, typer.Option("--time-limit", help="Seconds for each run.")] = 60.0,
    memory_limit: Annotated[str, typer.Option("--memory-limit", help="For each run.")] = "8GiB",
    repeats: Annotated[int, typer.Option("--repeats", help="Runs whose median is taken.")] = 5,
    jobs: Annotated[
        int | None, typer.Option("--jobs", help="Runs at a time, 1 by default; more than one disturb each other.")
    ] = None,
    cluster: ClusterAddress = None,
    peer_path: Annotated[
        Path | None, typer.Option("--peer-path", help="A folder with peers that are on no registry.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="The record, JSON lines; a stopped run resumes.")
    ] = None,
    page: Annotated[Path | None, typer.Option("--page", metavar="FILE", help="Write a page with pictures.")] = None,
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record, a JSON object a line.")] = False,
) -> None:
    """Compare estimators: error, certified gap, CPU time, memory. Problems have known truth.

    The families ``papers`` are published numbers, each beside the truth and beside what pidkd answers.
    """
    if families and families[0] == PAPERS:
        _papers(context, families[1:], sizes.value, out, force, as_json)
        return
    from pidkd.benchmarks.reporting.page import write_page
    from pidkd.benchmarks.reporting.tables import benchmark_table, speedup_table
    from pidkd.benchmarks.run import run_benchmark
    from pidkd.runs.output import check_output

    if page is not None:
        check_output(page, force)
    with progress_bar("benchmarking") as progress:
        record = run_benchmark(
            families or (),
            estimators=estimators,
            peers=peers,
            sizes=sizes.value,
            device=device,
            time_limit=time_limit,
            memory_limit=number_of_bytes("--memory-limit", memory_limit) / 2**20,
            repeats=repeats,
            n_jobs=jobs,
            cluster=cluster,
            out=out,
            force=force,
            peer_path=peer_path,
            progress=progress,
        )
    if page is not None:
        write_page(record.head, record.rows, page, force=force)
    if as_json:
        sys.stdout.writelines(f"{line}\n" for line in record.lines())
        return
    for family in dict.fromkeys(row.family for row in record.rows):
        rows = [row for row in record.rows if row.family == family]
        stdout().print(benchmark_table(rows))
        if (faster := speedup_table(rows)).row_count:
            stdout().print(faster)


def _papers(
    context: typer.Context, papers: list[str], sizes: str, out: Path | None, force: bool, as_json: bool
) -> None:
    """Published numbers, with a table of each paper."""
    from pidkd.benchmarks.published import run_papers
    from pidkd.benchmarks.reporting.published import paper_table

    used = ("context", "families", "sizes", "out", "force", "as_json")
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name not in used and source is not None and source.name == "COMMANDLINE":
            raise InputError("bench papers", "--sizes, --out, --force or --json", parameter.opts[-1])
    with progress_bar("papers") as progress:
        record = run_papers(papers, sizes=sizes, out=out, force=force, progress=progress)  # type: ignore[arg-type]
    if as_json:
        sys.stdout.writelines(f"{line}\n" for line in record.lines())
        return
    for paper in papers or dict.fromkeys(row.paper for row in record.rows):
        stdout().print(paper_table([row for row in record.rows if row.paper == paper]))
