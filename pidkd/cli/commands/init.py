"""``pidkd init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pidkd.cli.console import say
from pidkd.cli.options import Force


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file in .yaml.")],
    force: Force = False,
) -> None:
    """Write a commented configuration for own images and networks, which ``pidkd train`` takes."""
    from pidkd.distill.experiments.loading import write_own_config

    written = write_own_config(file, force=force)
    say(f"wrote {file}: name your images, networks and layers there; then: {written} --dry-run")
