"""Options of the commands that read a configuration of training."""

from __future__ import annotations

from typing import Annotated

import typer

Configuration = Annotated[
    str,
    typer.Argument(metavar="CONFIG", help="A preset, or a file in .yaml; it may name code to run."),
]


Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Single values, such as recipe.epochs=5 or method=vid.")
]


Resume = Annotated[bool, typer.Option("--resume", help="Go on with what is in the folder.")]
