"""The script on a sample or two: that it runs, and that its tables have their columns."""

import pytest

from pidkd.benchmarks.known_information import LOWER_BOUNDS, OF_STAIRCASE, OF_TASKS, PEERS, draw, measure, of_tasks
from pidkd.synthetic import list_tasks, staircase, task

QUICK = {name: (estimator, {}) for name, (estimator, _) in OF_STAIRCASE.items() if estimator in ("gaussian", "ksg")}


def test_peers_are_known_on_every_task():
    assert sorted(PEERS) == list_tasks()


def test_measures_each_method_on_each_seed():
    found = measure(task("1v1-normal-0.75"), 500, 3, QUICK)
    assert set(found) == {"gaussian", "ksg"}
    for each in found.values():
        assert each.value == pytest.approx([0.413] * 3, abs=0.15)
        assert (each.seconds >= 0).all()


def test_a_task_has_a_row_and_a_verdict(monkeypatch):
    for name in LOWER_BOUNDS:
        monkeypatch.setitem(OF_TASKS, name, ("gaussian", {}))
    monkeypatch.setitem(OF_TASKS, "js", ("gaussian", {}))
    lines = list(of_tasks(200, 1, ["1v1-normal-0.75"]))
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 4
    assert all(f"`{name}`" in lines[0] for name in OF_TASKS)
    assert "best lower bound off by" in lines[3]


def test_draws_the_staircase(tmp_path):
    found = [measure(step, 100, 2, QUICK) for step in staircase(d=2, values=(0.5, 1.0))]
    draw([0.5, 1.0], found, str(tmp_path / "figure.png"))
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
