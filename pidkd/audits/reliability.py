"""Warnings about an audit as a whole: rows that may be misaligned, pairs not certified, too few samples."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence

from pidkd.audits.findings import Findings
from pidkd.audits.plan import PairKey
from pidkd.errors import AlignmentWarning, ConvergenceWarning, SmallSampleWarning
from pidkd.result import PIDResult

MISALIGNED = "no layer of the teacher tells more of the labels than of shuffled ones: the rows may be misaligned"


def with_alignment(results: dict[PairKey, PIDResult]) -> dict[PairKey, PIDResult]:
    """The results, each with a warning where no layer of the teacher beats shuffled labels."""
    if any(_beats_shuffles(result) for result in results.values()):
        return results
    return {
        key: dataclasses.replace(result, warnings=(*result.warnings, MISALIGNED)) for key, result in results.items()
    }


def with_notes(results: dict[PairKey, PIDResult], notes: Sequence[str]) -> dict[PairKey, PIDResult]:
    """The results, each with the notes on the rows that it does not have yet."""
    if not notes:
        return results
    return {
        key: dataclasses.replace(
            result,
            warnings=(*(one for one in notes if not any(one in text for text in result.warnings)), *result.warnings),
        )
        for key, result in results.items()
    }


def warn_of_limits(findings: Findings) -> None:
    """Give one warning of each kind, whatever the number of pairs."""
    stages = [stage for pair in findings.pairs for stage in pair.stages]
    loose = sum(stage.result.certificate.status in ("max_iter", "uncertified") for stage in stages)
    if loose:
        text = f"{loose} of {len(stages)} pairs are not certified to the tolerance; see the notes"
        warnings.warn(text, ConvergenceWarning, stacklevel=3)
    few = sum(findings.n_samples < findings.n_classes * stage.cells_ts for stage in stages)
    if few:
        text = f"{few} of {len(stages)} pairs have fewer samples than combinations of class and cells; see the notes"
        warnings.warn(text, SmallSampleWarning, stacklevel=3)
    if any(MISALIGNED in stage.result.warnings for stage in stages):
        warnings.warn(MISALIGNED, AlignmentWarning, stacklevel=3)


def _beats_shuffles(result: PIDResult) -> bool:
    """Whether I(Y;T) exceeds that of every shuffle of the labels; True where none was made."""
    for record in (result.provenance or {}).get("uncertainty", ()):
        if record["method"] == "Permutation" and record["of"] == "y":
            usable = record["resamples"] - record["unusable"]
            return bool(record["p_value"]["mi_t"] * (1 + usable) < 1.5)
    return True
