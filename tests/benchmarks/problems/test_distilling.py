"""Epochs are timed, with and without what is measured."""

import pytest

pytest.importorskip("torch")

from pidkd.benchmarks.problems.distilling import BESIDE, RECIPES, Work, measure

WORK = Work("cnn", {"widths": [4, 4, 8]}, 8, 80, 5)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")  # noise, and no cap
def test_epochs_after_the_first_are_timed(name: str) -> None:
    row = measure(name, [WORK], "cpu")
    assert row["repeats"] == (2 if name in BESIDE else WORK.n_epochs - 1)
    assert row["cpu"] > 0
    assert ("2 pairs of epochs" in row.get("message", "")) == (name in BESIDE)
