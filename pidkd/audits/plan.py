"""The plan of an audit: pairs of layers at every stage of the student, and the options of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pidkd.files.layer import Layer, Pool
from pidkd.result import Units


@dataclass(frozen=True)
class Job:
    """What is audited, and how.

    Parameters
    ----------
    pairs : sequence of (teacher layer, student layer)
    stages : sequence of str or None
        Stages of the student; None is the student itself.
    teacher : mapping from name to Layer
    students : mapping from stage to mapping from name to Layer
    pool, seed, units, n_jobs, progress
        As for ``audit``.
    folder : str or None
        Where finished work is kept.
    """

    pairs: Sequence[tuple[str, str]]
    stages: Sequence[str | None]
    teacher: Mapping[str, Layer]
    students: Mapping[str | None, Mapping[str, Layer]]
    pool: Pool
    seed: int
    units: Units
    n_jobs: int | None
    progress: Callable[[float], None] | None
    folder: str | None

    @property
    def wanted(self) -> list[tuple[str | None, str, str]]:
        """Every pair at every stage."""
        return [(stage, t, s) for stage in self.stages for t, s in self.pairs]
