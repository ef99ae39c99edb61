"""``pidkd demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pidkd.cli.console import print_json, progress_bar, say, stdout
from pidkd.cli.options import Force, Jobs, Json, Seed
from pidkd.errors import MissingDependencyError, import_extra

if TYPE_CHECKING:
    from pidkd.distill.experiments.demo import TrainingDemonstration


def command(
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Where files go; pidkd-demo, which is rewritten.")
    ] = None,
    force: Force = False,
    skip_training: Annotated[
        bool, typer.Option("--skip-training", help="Only what needs no torch: seconds instead of minutes.")
    ] = False,
    jobs: Jobs = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train networks on handwritten digits and audit them; with torch, distill students, too."""
    from pidkd.audits.demo import demonstrate

    # A folder that nobody named is the demonstration's own.
    folder, force = out or Path("pidkd-demo"), force or out is None
    with progress_bar("training and auditing") as progress:
        demonstration = demonstrate(folder, force=force, seed=seed, n_jobs=jobs, progress=progress)
    outcome = demonstration.to_dict()
    if not as_json:
        stdout().print(demonstration)
    if not skip_training:
        distilled = demonstrate_distillation(folder / "training", force, seed)
        outcome["training"] = None if distilled is None else distilled.to_dict()
        if distilled is not None and not as_json:
            stdout().print("", distilled)
    if as_json:
        print_json(outcome)


def demonstrate_distillation(folder: Path, force: bool, seed: int) -> TrainingDemonstration | None:
    """The part of the demonstration that needs torch; where that is missing it says so, and gives None."""
    try:
        for module in ("torch", "yaml"):
            import_extra(module, "train", needed_by="students that learn from teachers")
    except MissingDependencyError as error:
        say(f"left out: {error}")
        return None
    from pidkd.distill.experiments.demo import demonstrate_training

    with progress_bar("distilling") as progress:
        return demonstrate_training(folder, force=force, seed=seed, progress=progress)
