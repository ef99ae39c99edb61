"""Papers: every one is found, cited, and its truth agrees with what pidkd answers where it is exact."""

import dataclasses
import re
from pathlib import Path

import pytest

from pidkd.benchmarks.papers import CERTIFIED, CLOSED_FORM, SUM, Number, get_paper, list_papers
from pidkd.benchmarks.papers._tables import of_rule
from pidkd.benchmarks.papers.makkeh2021 import definition
from pidkd.benchmarks.published import PaperRow, run_papers
from pidkd.benchmarks.record import read_rows
from pidkd.cli.main import main
from pidkd.errors import InputError, UnknownNameError

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def tiny():
    return run_papers(sizes="tiny").rows


def test_every_paper_is_in_the_references():
    keys = set(re.findall(r"^@\w+\{(\w+),", (CHECKOUT / "pidkd/references.bib").read_text(), re.MULTILINE))
    assert set(list_papers()) <= keys


def test_settings_of_a_paper_have_names_of_their_own():
    for name in list_papers():
        settings = [setting.name for setting in get_paper(name).settings]
        assert len(settings) == len(set(settings))


def test_exact_answers_agree_with_the_truth(tiny):
    exact = [row for row in tiny if row.known.startswith((CLOSED_FORM, SUM, CERTIFIED)) and row.ours is not None]
    assert len(exact) > 500
    assert [row for row in exact if abs(row.ours - row.truth) > 1e-9] == []


def test_published_numbers_of_gates_agree_with_the_truth(tiny):
    published = [row for row in tiny if row.published is not None and row.truth is not None]
    assert len(published) > 400
    assert [row for row in published if not row.reproduces] == []


def test_definition_of_shared_exclusions_by_hand():
    gate = definition(of_rule(lambda a, b: (a ^ b, a, b), 2))
    assert gate["{1}{2}"] == pytest.approx(-0.5849625007211562, abs=1e-14)  # log2(2/3)


@pytest.mark.parametrize(
    ("printed", "truth", "agrees"),
    [
        ("0.311", 0.3112781, True),
        ("0.312", 0.3112781, False),
        ("1", 1.2, True),
        (0.5, 0.5 + 1e-8, False),
        ("3e-08", 0, False),
    ],
)
def test_a_number_agrees_to_its_last_printed_digit(printed, truth, agrees):
    assert Number("", None, printed, truth).reproduces is agrees


def test_without_a_published_number_or_a_truth_nothing_reproduces():
    assert Number("", 1.0).reproduces is None
    assert Number("", None, "1").reproduces is None
    assert Number("", 1.0, "1").reproduces is True  # with no truth, against ours


def test_a_record_goes_on_where_it_was(tmp_path):
    path = tmp_path / "papers.jsonl"
    whole = run_papers(["williams2010"], sizes="tiny", out=path).rows
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"figure 4B"' not in line]
    path.write_text("".join(kept))
    again = run_papers(["williams2010"], sizes="tiny", out=path).rows
    assert [dataclasses.replace(row, cpu=0.0) for row in again] == [dataclasses.replace(row, cpu=0.0) for row in whole]
    assert [row.cpu for row in again if row.setting == "figure 4A"] == [whole[0].cpu] * (len(whole) // 2)
    _, rows = read_rows(path, PaperRow)
    assert rows == again


def test_an_unknown_paper_or_size_is_refused():
    with pytest.raises(UnknownNameError, match="williams2010"):
        run_papers(["williams2011"])
    with pytest.raises(UnknownNameError, match="small"):
        run_papers(sizes="large")


def test_the_committed_record_has_every_setting_of_its_papers():
    _, rows = read_rows(CHECKOUT / "benchmarks/results/papers.jsonl", PaperRow)
    recorded = {(row.paper, row.setting) for row in rows}
    known = {
        (name, setting.name) for name in list_papers() for setting in get_paper(name).settings if setting.size != "full"
    }
    assert known <= recorded
    assert sum(row.published is not None and row.truth is not None for row in rows) >= 60


def test_a_record_of_estimators_is_no_record_of_papers(tmp_path):
    with pytest.raises(InputError, match="record"):
        read_rows(CHECKOUT / "benchmarks/results/full.jsonl", PaperRow)


def test_the_command_prints_a_table_of_each_paper(capsys):
    assert main(["bench", "papers", "griffith2015", "--sizes", "tiny"]) == 0
    printed = capsys.readouterr().out
    assert "12 published, 12 agree" in printed
    assert "0.12256" in printed  # of the AND gate, closed form elsewhere


def test_running_one_paper_keeps_the_order_of_the_others(tmp_path):
    path = tmp_path / "papers.jsonl"
    run_papers(["griffith2015", "williams2010"], sizes="tiny", out=path)
    rows = run_papers(["williams2010"], sizes="tiny", out=path).rows
    assert list(dict.fromkeys(row.paper for row in rows)) == ["griffith2015", "williams2010"]
