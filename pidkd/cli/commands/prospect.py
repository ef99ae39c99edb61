"""``pidkd prospect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pidkd.cli.configuration import Configuration, Overrides, Resume
from pidkd.cli.console import print_json, progress_bar, say, stdout
from pidkd.errors import import_extra


def command(
    config: Configuration,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="A new folder for networks and results.")],
    overrides: Overrides = None,
    teachers: Annotated[
        str | None, typer.Option("--teachers", help="Several: trained,untrained, or files of weights.")
    ] = None,
    resume: Resume = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON on stdout.")] = False,
) -> None:
    """Prospect of distilling a teacher into a student, layer by layer, before any training."""
    from pidkd.distill import load_config

    settings = load_config(config, overrides or [])
    import_extra("torch", "train", needed_by="training")
    from pidkd.distill.experiments.prospecting import run_prospects

    named = None if teachers is None else [part.strip() for part in teachers.split(",")]
    with progress_bar("prospecting") as progress:
        prospects = run_prospects(settings, out, teachers=named, resume=resume, progress=progress)
    if as_json:
        print_json(prospects.rows())
    else:
        stdout().print(prospects)
    say(f"wrote {out / 'prospect.json'}")
