"""The page of an experiment: its headline says no more than the differences, its numbers are those of rows and logs."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("yaml")

from pidkd.distill.experiments.config import Config
from pidkd.distill.experiments.loading import load_config
from pidkd.distill.experiments.page import experiment_page, headline_of
from pidkd.distill.experiments.pairing import paired_differences

ATOMS = {"redundant": 1.0, "unique_t": 0.5, "unique_s": 0.25, "synergistic": 0.125, "mi_t": 1.5, "mi_s": 1.25}


def row(method: str, seed: int, accuracy: float, teacher: str = "trained", **more: Any) -> dict[str, Any]:
    run = f"none-s{seed}" if method == "none" else f"{method}-{teacher}-t0-s{seed}"
    settled = {"method": method, "teacher": teacher, "teacher_seed": 0, "seed": seed, "run": run}
    measured = {"accuracy": accuracy, "train_accuracy": 1.0, "teacher_accuracy": 0.9, "cpu_seconds": 2.0}
    return settled | measured | more


def headline(**accuracies: tuple[float, ...]) -> str:
    rows = [row(method, seed, a) for method, values in accuracies.items() for seed, a in enumerate(values)]
    return headline_of(paired_differences(rows), rows)


def test_the_headline_says_no_more_than_the_differences() -> None:
    clear = headline(none=(0.7, 0.71, 0.72), vid=(0.80, 0.82, 0.81), kd=(0.70, 0.72, 0.71))
    assert clear == (
        "vid, with the teacher trained-t0, gains +10.0 points on the student alone (standard error 0.6, 3 seeds), "
        "the most of the 1 of 2 methods that clearly gain"
    )
    assert headline(none=(0.7, 0.71), vid=(0.7, 0.72)).startswith("No method gains on the student alone")
    assert "on one seed" in headline(none=(0.7,), vid=(0.8,))
    assert headline(vid=(0.8,)) == "vid reaches 80.0% on the test set; its gain shows beside method none"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Logs of three runs of two epochs."""
    for run in ("none-s0", "rid-trained-t0-s0", "rid-<b>-t0-s0"):
        place = tmp_path / "runs" / run
        place.mkdir(parents=True)
        epochs = [
            {"epoch": 0, "phase": "filters" if run != "none-s0" else "student", "valid_accuracy": 0.5},
            {
                "epoch": 1,
                "phase": "student",
                "valid_accuracy": 0.75,
                "clip": {"student": 0.5},
                "balance": {"task": 1.0, "matching": 8.0, "ratio": 8.0, "cosine": 0.25, "factor": 0.375},
            },
        ]
        spread = {"n_samples": 256, "accuracy": 0.25, "logits": 2890.0, "features": {"stage<3>": 4080.0}}
        record = {"preflight": {"teacher": {} if run == "none-s0" else spread}}
        (place / "run.json").write_text(json.dumps(record))
        (place / "log.jsonl").write_text("".join(json.dumps(epoch) + "\n" for epoch in epochs))
    return tmp_path


@pytest.fixture
def config() -> Config:
    return load_config("digits-rid", ["recipe.epochs=2", "methods.rid={warm_up: 0, q: 2, r: 0.5}"])


class Cells(HTMLParser):
    """Texts of the cells of all tables, by row, and the links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True
        self.links += [value or "" for name, value in attrs if (tag, name) == ("a", "href")]

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def test_its_numbers_are_those_of_rows_and_logs(folder: Path, config: Config) -> None:
    rows = [row("none", 0, 0.7, **ATOMS), row("rid", 0, 0.8, **ATOMS | {"redundant": 1.5})]
    page = experiment_page(folder, rows, config, "a title")
    cells = Cells(page)
    [trained] = [cells for cells in cells.rows if cells[:2] == ["rid", "trained-t0"] and len(cells) == 12]
    # weight 10 times factor .375; ratio 8 becomes 3; a share of 3 / 4
    assert trained[2:] == ["1 of 2", "10", "0.38", "3.75", "3.00", "75 %", "0.25", "0.50", "100.0 %", "2.0"]
    assert ["rid", "+0.50", "+0.00", "+0.00", "+0.00", "+0.00"] in cells.rows
    assert cells.links == ["audits/report.html"] + [
        f"results/{name}/report.html" for name in ("none-trained-t0-s0", "rid-trained-t0-s0")
    ]
    assert not re.search(r"\bNone\b|\bnan\b", page)
    assert "+10.0" in page
    assert "25.0% accuracy and standard deviations of stage&lt;3&gt; 4.08e+03, logits 2.89e+03." in page
    assert page.count("<figure>") == 2


def test_what_comes_from_files_is_escaped(folder: Path, config: Config) -> None:
    rows = [row("none", 0, 0.7, "<b>"), row("rid", 0, 0.8, "<b>")]
    page = experiment_page(folder, rows, config, "<i>")
    assert "<b>-t0" not in page
    assert "<i>" not in page
    assert "&lt;b&gt;-t0" in page
    assert 'id="atoms"' not in page
    assert 'id="audits"' not in page
