import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pidkd
from pidkd.distill import AuditReport
from pidkd.errors import InputError

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


@pytest.mark.parametrize("schema", [0, 2, None, "1"])
def test_other_schemas_are_refused(schema):
    with pytest.raises(InputError, match=f"expected schema 1, got schema {schema!r}; read it with the version"):
        AuditReport.from_dict({**REPORT.to_dict(), "schema": schema})


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
