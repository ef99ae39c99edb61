"""A record as tables and pictures."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from pidkd.benchmarks.record import Row, environment
from pidkd.benchmarks.reporting.page import write_page
from pidkd.benchmarks.reporting.scaling import exponent, lines
from pidkd.benchmarks.reporting.sections import sections
from pidkd.benchmarks.reporting.tables import benchmark_table, speedup_table
from pidkd.result import ATOMS

ROWS = [
    Row("broja", "p", "broja", "pid", "solved", gap=1e-10, certified=1, members=1, cpu=0.01, iterations=9.0, peak=60.0),
    Row("broja", "p", "conic-a", "pid", "solved", gap=1e-7, members=1, cpu=0.5, solver=0.4, iterations=20.0, peak=60.0),
    Row("broja", "p", "conic-a-tight", "pid", "solved", gap=1e-10, certified=1, members=1, cpu=0.9, solver=0.8),
    Row("broja", "p", "conic-b", "pid", "time limit", "stopped after 60 s"),
    Row("broja", "q", "conic-b", "pid", "not tried", "ran out of time on p"),
]


def test_tables_compare_with_the_first_estimator() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(benchmark_table(ROWS))
    found = [line.split() for line in console.export_text().splitlines()]
    assert ["conic-a", "0.5", "0.4", "50", "1.0e-07", "20", "60", "solved"] in found
    assert ["conic-b", "time", "limit:", "stopped", "after", "60", "s"] in found
    console.print(speedup_table(ROWS))
    found = [line.split() for line in console.export_text().splitlines()]
    assert ["default", "settings", "conic-a", "0.4", "1.0e-07", "40"] in found
    assert ["certified", "to", "1e-09", "conic-a-tight", "0.8", "1.0e-10", "80"] in found


def growing(size: float, cpu: float, peak: float) -> Row:
    return Row("g", str(size), "e", "pid", "solved", axis=("d", size), cpu=cpu, peak=peak, base=50.0)


def test_growth_is_fitted_on_the_largest_problems() -> None:
    (line,) = lines([growing(8, 64, 50 + 256), growing(1, 9, 50), growing(2, 1, 50 + 16), growing(4, 8, 50 + 64)])
    assert line.sizes == (1, 2, 4, 8)
    assert line.time_exponent == pytest.approx(3.0)
    assert line.memory_exponent == pytest.approx(2.0)
    assert exponent([1, 2], [1.0, 2.0]) is None
    assert lines([growing(1, 1, 60)]) == []


def test_every_question_that_a_record_answers_has_a_section() -> None:
    truth = {"known": "closed form", "members": 1, "estimate": {"redundant": 1.0}, "bias": {"redundant": 0.1}}
    rows = [
        *ROWS,
        *(Row("gates", "g", name, "pid", "solved", error=1e-3, cpu=0.1, **truth) for name in ("a", "b")),
        *(growing(size, size**2, 60) for size in (1, 2, 4)),
        *(
            Row(
                "s",
                str(n),
                "e",
                "pid",
                "solved",
                axis=("samples of x", n),
                covered={"redundant": 0.9},
                cpu=1.0,
                **truth | {"members": 20},
            )
            for n in (10, 100)
        ),
        Row("redundancy", "and", "i_min", "pid", "solved", cpu=0.1, estimate={"redundant": 0.311278}),
        Row("i", "2", "e", "mi", "solved", axis=("true nats", 2.0), cpu=1.0, estimate={"mi": 2.0}, bias={"mi": -0.8}),
        Row("information", "task", "e", "mi", "solved", cpu=1.0, estimate={"mi": 2.0}, bias={"mi": -0.8}),
        *(
            Row("networks", problem, "e", "pid", "solved", cpu=1.0, estimate=dict.fromkeys(ATOMS, 0.5), bias=bias)
            for problem, bias in (("layer", {}), ("shuffled", dict.fromkeys(ATOMS, 0.5)))
        ),
        *(
            Row("training", "step", name, "timing", "solved", cpu=cpu)
            for name, cpu in (("plain", 0.2), ("engine", 0.1))
        ),
    ]
    found = {section.title: section for section in sections(rows)}
    assert list(found) == [
        "Error against time",
        "Time and memory against size",
        "Bias and coverage against samples",
        "The staircase",
        "Mutual information",
        "Atoms from samples",
        "Measures of redundancy",
        "Batches and training",
        "Failures",
        "All measurements",
    ]
    assert len(found["Bias and coverage against samples"].figures) == 2
    assert found["Time and memory against size"].rows == [("d", "e", "1 to 4", "2.00", "0.00")]
    assert found["Measures of redundancy"].rows == [("i_min", "0.3113")]
    assert found["Mutual information"].rows == [("task", "2.800", "2.000")]
    assert [row[:3] for row in found["Atoms from samples"].rows] == [
        ("layer", "e", "0.500"),
        ("shuffled", "truth", "0.000"),
        ("", "e", "0.500"),
    ]
    assert found["Batches and training"].rows[1] == ("", "engine", "0.1", "", "10", "0.5", "")
    assert [row[:4] for row in found["Failures"].rows] == [("broja", "p", "conic-b", "time limit")]
    assert all(figure.svg.startswith("<svg") for section in found.values() for figure in section.figures)


def test_whatever_a_failure_says_is_escaped(tmp_path: Path) -> None:
    rows = [Row("f", "<script>", "e", "pid", "failed", "<b>&")]
    write_page(environment() | {"settings": {}}, rows, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "<script>" not in text
    assert "&lt;b&gt;&amp;" in text
