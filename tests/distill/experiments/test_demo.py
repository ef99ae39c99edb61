"""The demonstration of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from pidkd.display.terminal import to_text
from pidkd.distill.experiments.loading import load_config
from pidkd.errors import InputError

pytest.importorskip("torch")
pytest.importorskip("yaml")

from pidkd.distill.experiments.demo import METHODS, PRESET, TEACHERS, TrainingDemonstration, demonstrate_training
from pidkd.distill.experiments.experiment import Experiment

CASES = [(method, teacher) for method in METHODS for teacher in TEACHERS]


def test_it_says_what_the_rows_hold(tmp_path: Path) -> None:
    rows = [
        {"method": method, "teacher": teacher, "teacher_seed": 0, "seed": 0, "accuracy": (80 + i) / 100}
        for i, (method, teacher) in enumerate(CASES)
    ]
    found = TrainingDemonstration(Experiment(tmp_path, rows))
    for words in (
        "80.0% of the digits",
        "VID changes that by +2.0",
        "by +3.0 with the untrained",
        "RID changes that by +4.0",
    ):
        assert words in found.words
    assert "One seed tells little" in found.words  # an untrained teacher that helps most is chance
    rows = [row | {"accuracy": 0.8 + 0.01 * (row["teacher"] == "trained") * (row["method"] != "none")} for row in rows]
    assert "ask before you distill" in TrainingDemonstration(Experiment(tmp_path, rows)).words
    for lost, words in ((0.0, "RID is not fooled by it"), (0.02, "RID is fooled less")):
        untrained = {"none": 0.0, "vid": 0.03, "rid": lost}
        odd = [r | {"accuracy": r["accuracy"] - untrained[r["method"]] * (r["teacher"] != "trained")} for r in rows]
        assert words in TrainingDemonstration(Experiment(tmp_path, odd)).words
    assert found.words in " ".join(to_text(found).split())


def test_an_experiment_that_is_there_is_kept_without_force(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("")
    with pytest.raises(InputError, match="a new folder, got one with an experiment; overwrite it with --force"):
        demonstrate_training(tmp_path)


@pytest.mark.slow
def test_layers_grow_alike_while_students_are_distilled(tmp_path: Path) -> None:
    found = demonstrate_training(tmp_path / "out")
    report = found.experiment.report()
    assert report is not None
    assert [(pair.student, len(pair.stages)) for pair in report.pairs] == [
        (f"stage3 of {method}-{teacher}-t0-s0", 7) for method, teacher in CASES
    ]
    for pair in report.pairs:
        # What is distilled from a layer that knows of the label is shared after it more than before.
        assert pair.result.redundant > pair.stages[0].result.redundant
    assert (tmp_path / "out" / "report.html").exists()


def test_the_preset_is_one_that_can_be_loaded() -> None:
    assert load_config(PRESET).audit.every
