import csv
import dataclasses
import io
import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pidkd
from pidkd.distill import AuditReport
from pidkd.errors import InputError, MissingDependencyError

Y = np.arange(240) % 8
REPORT = pidkd.audit({"low": Y % 2, "all": Y}, {"mod4": Y % 4}, Y, "all", estimator="mmi")


def test_the_layer_with_most_left_to_distill_comes_first():
    assert [pair.teacher for pair in REPORT.pairs] == ["all", "low"]
    assert REPORT.headline == (
        "Most is left to distill from the teacher's all: 1.00 bits about the label that the student's mod4 lacks; "
        "both know 2.00 of the label's 3.00."
    )


def test_cells_and_entropy_are_those_of_the_codes():
    top = REPORT.pairs[0]
    assert (top.cells_t, top.cells_s, top.cells_ts) == (8, 4, 8)
    assert REPORT.entropy == pytest.approx(3.0, abs=1e-12)
    assert (REPORT.n_samples, REPORT.n_classes) == (240, 8)


def test_other_units():
    nats = REPORT.to("nats")
    assert nats.entropy == pytest.approx(3 * math.log(2))
    assert nats.results["all", "mod4"].unique_t == pytest.approx(math.log(2))
    assert nats.to("bits").entropy == pytest.approx(3.0)
    with pytest.raises(InputError, match="expected 'bits' or 'nats', got 'bans'"):
        REPORT.to("bans")


def test_the_bias_of_counting_is_that_of_miller_and_madow():
    [note] = [note for note in REPORT.notes if "Miller-Madow" in note]
    assert f"{7 * 7 / (2 * 240) / math.log(2):.3f}" in note


def test_round_trip_through_a_file(tmp_path):
    REPORT.save(tmp_path / "audit.json")
    assert AuditReport.load(tmp_path / "audit.json") == REPORT
    assert list(tmp_path.iterdir()) == [tmp_path / "audit.json"]


def test_the_file_is_not_overwritten_without_force(tmp_path):
    path = tmp_path / "audit.json"
    REPORT.save(path)
    with pytest.raises(InputError, match="expected a new file, got one that exists"):
        REPORT.to("nats").save(path)
    assert AuditReport.load(path).units == "bits"
    REPORT.to("nats").save(path, force=True)
    assert AuditReport.load(path).units == "nats"


def test_text_holds_every_pair_the_headline_and_the_notes():
    text = str(REPORT)
    assert [line.split()[:2] for line in text.splitlines()[1:3]] == [["all", "mod4"], ["low", "mod4"]]
    joined = " ".join(text.split())
    assert REPORT.headline in joined
    assert all(note in joined for note in REPORT.notes)


@pytest.mark.parametrize("data", [None, [], {}, {"kind": "something"}, "audit"])
def test_what_is_no_audit(data):
    with pytest.raises(InputError, match="expected an audit written by pidkd, got something else"):
        AuditReport.from_dict(data)


@pytest.mark.parametrize("schema", [0, 3, None, "1", True])
def test_other_schemas_are_refused(schema):
    with pytest.raises(InputError, match=f"expected schema 1 or 2, got schema {schema!r}; read it with the version"):
        AuditReport.from_dict({**REPORT.to_dict(), "schema": schema})


def test_the_first_schema_is_still_read():
    data = REPORT.to_dict()
    new = {"checkpoint", "probe_t", "probe_s", "cka", "history", "baseline"}
    old = [{key: value for key, value in pair.items() if key not in new} for pair in data["pairs"]]
    read = AuditReport.from_dict({**data, "schema": 1, "pairs": old})
    assert [pair.result for pair in read.pairs] == [pair.result for pair in REPORT.pairs]
    assert (read.pairs[0].history, read.pairs[0].baseline, read.pairs[0].cka) == ((), None, None)


def test_the_csv_has_a_row_for_each_pair_that_reads_back(tmp_path):
    rows = list(csv.DictReader(io.StringIO(REPORT.to_csv())))
    assert [row["teacher"] for row in rows] == ["all", "low"]
    assert float(rows[0]["unique_t"]) == REPORT.pairs[0].result.unique_t
    assert float(rows[0]["ceiling_t"]) == pytest.approx(3.0)
    assert float(rows[0]["mi_t_given_s"]) == pytest.approx(1.0)
    assert rows[0]["cka"] == ""


def test_the_data_frame_has_the_rows_of_the_csv():
    pytest.importorskip("pandas")
    frame = REPORT.to_dataframe()
    assert list(frame["unique_t"]) == [pair.result.unique_t for pair in REPORT.pairs]
    assert list(frame.columns) == REPORT.to_csv().splitlines()[0].split(",")


def test_without_pandas_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="pip install pandas"):
        REPORT.to_dataframe()


def test_three_files_are_written_and_kept(tmp_path):
    REPORT.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.csv", "audit.json", "report.html"]
    with pytest.raises(InputError, match="got one that exists"):
        REPORT.write(tmp_path)
    REPORT.write(tmp_path, force=True)


def test_a_notebook_shows_the_page_in_a_frame():
    assert REPORT._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')


def places(data, path=()):
    """The path of every entry."""
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


SMALL = dataclasses.replace(REPORT, pairs=REPORT.pairs[:1])
PLACES = [path for path in places(SMALL.to_dict()) if path]


@given(st.sampled_from(PLACES), st.sampled_from(["drop", None, "x", -1, 1e400, [], {}, [None]]))
def test_a_damaged_record_is_read_or_refused(path, damage):
    data = json.loads(json.dumps(SMALL.to_dict()))
    holder = data
    for key in path[:-1]:
        holder = holder[key]
    if damage == "drop":
        del holder[path[-1]]
    else:
        holder[path[-1]] = damage
    message = ""
    try:
        assert isinstance(AuditReport.from_dict(data, "audit.json"), AuditReport)
    except InputError as error:
        message = str(error)
    assert message == "" or message.startswith("audit.json")


ABSURD = (10**400, -1, math.nan, "x" * 10**6, np.arange(3), [[1], 2], {"a": object()}, None, [], True)


@pytest.mark.parametrize("key", REPORT.to_dict())
def test_absurd_entries_of_a_report_are_refused_or_can_be_shown(key):
    data = REPORT.to_dict()
    nested = []
    for _ in range(100_000):
        nested = [nested]
    for place in ({key: nested}, *({key: value} for value in ABSURD)):
        message = ""
        try:
            str(pidkd.AuditReport.from_dict(data | place))
        except InputError as error:
            message = str(error)
        assert "\n" not in message
        assert len(message) < 2000


@pytest.mark.parametrize("key", REPORT.to_dict()["pairs"][0])
def test_absurd_entries_of_a_pair_are_refused_or_can_be_shown(key):
    data = REPORT.to_dict()
    for value in ABSURD:
        message = ""
        try:
            str(pidkd.AuditReport.from_dict(data | {"pairs": [data["pairs"][0] | {key: value}]}))
        except InputError as error:
            message = str(error)
        assert "\n" not in message
        assert len(message) < 2000
