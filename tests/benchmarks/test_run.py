import io
import json
import textwrap
from pathlib import Path

import pytest
from rich.console import Console

from pidkd.benchmarks import run
from pidkd.benchmarks.problems import Problem, broja
from pidkd.benchmarks.run import Row, json_lines, run_benchmark
from pidkd.benchmarks.tables import benchmark_table, speedup_table
from pidkd.errors import InputError, UnknownNameError

FAULTY = """
import os, time
from pidkd.benchmarks.peers import Answer, one_by_one
from pidkd.errors import import_extra

def hangs(tables):
    time.sleep(600)

def dies(tables):
    os.abort()

def leaves(tables):
    os._exit(0)

def absent(tables):
    import_extra("no_such_package", "bench", "solver 'absent'")

def raises(tables):
    raise RuntimeError("no such luck")

def _sometimes(table):
    if table.shape == (2, 3, 3):
        raise ValueError("not of this shape")
    return Answer(0.0, 0.5, "fine", seconds=0.25, iterations=4)

sometimes = one_by_one(_sometimes)

def threads(tables):
    return [Answer(0.0, 0.0, os.environ["OMP_NUM_THREADS"] + os.environ["RAYON_NUM_THREADS"]) for _ in tables]
"""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Solvers that misbehave, in a module that the workers can import."""
    (tmp_path / "faulty.py").write_text(textwrap.dedent(FAULTY))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def two_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    small = Problem("one", "small", lambda: broja.dense((2, 2, 2)))
    larger = Problem("two", "small", lambda: [*broja.dense((2, 2, 2)), *broja.dense((2, 3, 3))])
    never = Problem("three", "large", lambda: pytest.fail("a large problem was made"))
    monkeypatch.setattr(broja, "PROBLEMS", (small, larger, never))


@pytest.mark.peer
def test_the_smallest_size_with_every_kind_of_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broja, "PROBLEMS", broja.PROBLEMS[:1])
    solvers = ["broja", "cvxpy-clarabel-aux", "conic-clarabel-inline", "conic-ecos-aux-tight", "dit-cone"]
    seen: list[float] = []
    rows = run_benchmark("broja", solvers=solvers, repeats=2, progress=lambda fraction, text: seen.append(fraction))
    assert [row.solver for row in rows] == solvers
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    for row in rows:
        assert (row.status, row.n_tables, row.failed) == ("solved", 1, 0), row
        assert row.repeats >= 2, row
        assert row.gap is not None
        assert row.gap < 1e-6
        assert row.cpu_seconds is not None
        assert row.cpu_seconds > 0
        assert row.peak_mb is not None
        assert row.base_mb is not None
        assert row.peak_mb >= row.base_mb > 10
        assert row.iterations is not None
    assert rows[0].certified == 1


@pytest.mark.usefixtures("faulty", "two_problems")
def test_solvers_that_fail_are_rows_and_stop_nobody() -> None:
    names = ["hangs", "dies", "leaves", "absent", "raises", "sometimes", "threads"]
    rows = run_benchmark("broja", solvers=[f"faulty:{name}" for name in names], time_limit=4.0, repeats=1)
    first, second = ({row.solver.split(":")[1]: row for row in rows[start : start + len(names)]} for start in (0, 7))
    assert first["hangs"].status == "time limit"
    assert second["hangs"].message == "ran out of time on one"
    for row in (first["dies"], second["dies"]):
        assert row.status == "crashed"
        assert "SIGABRT" in row.message
    assert first["leaves"].status == "crashed"
    assert first["absent"].status == "skipped"
    assert "pip install 'pidkd[bench]'" in first["absent"].message
    assert first["raises"].status == "crashed"
    assert first["raises"].message.endswith("RuntimeError: no such luck")
    assert (first["sometimes"].status, first["sometimes"].gap) == ("solved", 0.5)
    assert (first["sometimes"].solver_seconds, first["sometimes"].iterations) == (0.25, 4)
    assert (second["sometimes"].status, second["sometimes"].failed, second["sometimes"].gap) == ("failed", 1, 0.5)
    assert second["sometimes"].message == "ValueError: not of this shape"
    assert (second["threads"].message, second["threads"].certified) == ("11", 2)
    lines = [json.loads(line, parse_constant=pytest.fail) for line in json_lines(rows)]
    assert lines[0]["versions"]["numpy"]
    assert [Row(**line) for line in lines[1:]] == rows


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"family": "brojo"}, "did you mean 'broja'"),
        ({"sizes": "huge"}, "bench --sizes: expected a size, one of large, medium, small"),
        ({"solvers": ["conik-*"]}, "bench --solver: expected a solver or a pattern"),
        ({"time_limit": 0.0}, "bench --time-limit"),
        ({"repeats": 0}, "bench --repeats"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        run_benchmark(**{"family": "broja", **arguments})
    assert isinstance(caught.value, UnknownNameError) or "expected" in str(caught.value)


def test_tables_compare_with_the_reference() -> None:
    rows = [
        Row("broja", "p", "broja", 1, "solved", "optimal", 1, 0, 1e-10, 0.01, 0.01, None, 9.0, 5, 60.0, 50.0),
        Row("broja", "p", "conic-a", 1, "solved", "Solved", 0, 0, 1e-7, 0.5, 0.5, 0.4, 20.0, 5, 60.0, 50.0),
        Row("broja", "p", "conic-a-tight", 1, "solved", "Solved", 1, 0, 1e-10, 0.9, 0.9, 0.8, 30.0, 5, 60.0, 50.0),
        Row("broja", "p", "conic-b", 1, "time limit", "stopped after 60 s"),
    ]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(benchmark_table(rows))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["conic-a", "0.5", "0.4", "50", "1.0e-07", "20", "60", "Solved"] in lines
    assert ["conic-b", "time", "limit:", "stopped", "after", "60", "s"] in lines
    console.print(speedup_table(rows))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["default", "settings", "conic-a", "0.4", "1.0e-07", "40"] in lines
    assert ["certified", "to", "1e-09", "conic-a-tight", "0.8", "1.0e-10", "80"] in lines


def test_the_size_of_a_problem_is_what_a_plan_may_use() -> None:
    (digits_like,) = broja.sampled((5, 30, 30), 50, 0.1)
    assert run._n_cells(digits_like) < digits_like.p.size / 10
