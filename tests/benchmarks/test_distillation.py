"""The record of distillation: what is written of an experiment, and what the committed one holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pidkd.benchmarks.distillation import main, read_lines, rows_of, settings_of
from pidkd.distill.experiments.pairing import paired_differences
from pidkd.errors import InputError

ROOT = Path(__file__).parents[2]


def experiment(folder: Path, accuracy: float, weight: float = 1.0) -> Path:
    """A folder as ``pidkd train`` leaves it, with a run of one method."""
    config = {
        "data": {"name": "digits", "path": "/somewhere"},
        "teacher": {"model": "cnn", "weights": "/somewhere/else/teacher.pt"},
        "methods": {"kd": {"weight": weight}},
        "method": "kd",
        "seed": 0,
        "teacher_seed": 0,
    }
    row = {"method": "kd", "teacher": "/somewhere/else/teacher.pt", "teacher_seed": 0, "seed": 0, "run": "kd-s0"}
    for name, content in {
        "results/kd-s0/result.json": {"config": config, "row": {**row, "accuracy": accuracy}},
        "runs/kd-s0/run.json": {"versions": {"pidkd": "1"}, "note": {"git": None}},
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    return folder


def test_a_record_names_no_place_and_an_experiment_replaces_its_namesake(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    main([str(record), f"a={experiment(tmp_path / 'one', 0.5)}", f"b={experiment(tmp_path / 'two', 0.6, 2.0)}"])
    main([str(record), f"a={experiment(tmp_path / 'three', 0.7)}"])
    lines = read_lines(record)
    assert "somewhere" not in record.read_text()
    assert [row["accuracy"] for row in rows_of(lines, "a")] == [0.7]
    assert [row["teacher"] for row in rows_of(lines, "b")] == ["teacher"]
    assert settings_of(lines, "b")["methods"]["kd"]["weight"] == 2.0
    assert len({line["config"] for line in lines}) == 2


@pytest.mark.parametrize("arguments", [[], ["record.jsonl"], ["record.jsonl", "a="]])
def test_what_is_no_list_of_experiments_is_refused(arguments: list[str]) -> None:
    with pytest.raises(InputError, match=r"expected RECORD NAME=FOLDER"):
        main(arguments)


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got no finished run"):
        main([str(tmp_path / "record.jsonl"), f"a={tmp_path}"])
    assert not (tmp_path / "record.jsonl").exists()


def test_settings_that_differ_within_a_folder_are_refused(tmp_path: Path) -> None:
    folder = experiment(tmp_path / "one", 0.5)
    other = json.loads((experiment(tmp_path / "two", 0.5, 2.0) / "results/kd-s0/result.json").read_text())
    (folder / "results/kd-s1").mkdir()
    (folder / "results/kd-s1/result.json").write_text(json.dumps(other))
    with pytest.raises(InputError, match="as in other runs there"):
        main([str(tmp_path / "record.jsonl"), f"a={folder}"])


def test_every_run_on_record_belongs_to_an_experiment_and_has_a_baseline() -> None:
    lines = read_lines(ROOT / "benchmarks/results/distillation.jsonl")
    for name in {line["experiment"] for line in lines}:
        rows = rows_of(lines, name)
        cases = [(row["method"], row["teacher"], row["teacher_seed"], row["seed"]) for row in rows]
        assert len(cases) == len(set(cases))
        assert {row["config"] for row in rows} == {line["config"] for line in lines if line["experiment"] == name}
        assert sum(entry["n"] for entry in paired_differences(rows)) == sum(row["method"] != "none" for row in rows)
