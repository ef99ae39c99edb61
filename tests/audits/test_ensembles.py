"""Several teachers in one audit, and all layers of a student as one."""

import json
from pathlib import Path

import numpy as np
import pytest

import pidkd
from pidkd.cli.main import main
from pidkd.errors import InputError

Y = np.arange(800) % 4
HIGH, LOW = {"out": Y // 2, "first": Y // 3}, {"out": Y % 2, "first": Y // 3}
BLIND = np.arange(800) // 400


def test_each_teacher_has_a_bit_of_its_own() -> None:
    report = pidkd.audit({"high": HIGH, "low": LOW}, {"out": BLIND}, Y, [("high/out", "out"), ("low/out", "out")])
    [ensemble] = report.ensembles
    assert ensemble.given == "out"
    assert ensemble.remaining.value == pytest.approx(2.0, abs=1e-9)
    assert ensemble.remaining.lower == pytest.approx(2.0, abs=1e-8)
    assert {name: round(one.value, 9) for name, one in ensemble.unique.items()} == {"high/out": 1.0, "low/out": 1.0}
    assert "Together the teachers have 2.00 bits" in report.headline
    assert "high/out" in report.to_html()


def test_layers_of_equal_name_are_paired_and_redundancy_counts_once() -> None:
    report = pidkd.audit({"a": HIGH, "b": HIGH}, {"out": BLIND, "first": Y // 3}, Y)
    assert set(report.results) == {(f"{net}/{name}", name) for net in "ab" for name in ("out", "first")}
    of_out = next(one for one in report.ensembles if one.given == "out")
    assert of_out.union.value == pytest.approx(1.0, abs=1e-9)
    assert all(one.value == pytest.approx(0.0, abs=1e-8) for one in of_out.unique.values())


def test_json_and_units_keep_them() -> None:
    report = pidkd.audit({"a": HIGH, "b": LOW}, {"out": Y % 3}, Y, [("a/out", "out"), ("b/out", "out")])
    again = pidkd.AuditReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again.ensembles[0].order == report.ensembles[0].order
    nats = report.to("nats").ensembles[0]
    assert nats.union.value == pytest.approx(report.ensembles[0].union.value * np.log(2))


@pytest.mark.slow
def test_posteriors_that_layers_learned_are_united() -> None:
    rng = np.random.default_rng(0)
    noisy = {
        name: {"out": np.eye(2)[codes] * 4 + rng.normal(size=(800, 2))} for name, codes in (("a", Y // 2), ("b", Y % 2))
    }
    student = {"out": rng.normal(size=(800, 2))}
    report = pidkd.audit(noisy, student, Y, shuffles=0)
    [ensemble] = report.ensembles
    assert ensemble.method == "posterior"
    assert ensemble.information["a/out"].value == pytest.approx(report.results["a/out", "out"].mi_t, abs=1e-6)
    assert ensemble.remaining.value == pytest.approx(2.0, abs=0.15)


def test_what_no_layer_of_the_student_has_is_less_than_what_the_best_lacks() -> None:
    report = pidkd.audit({"out": Y}, {"first": Y // 2, "last": Y % 2}, Y, "all")
    assert report.leading.result.unique_t == pytest.approx(1.0, abs=1e-9)
    assert report.beyond.value.value == pytest.approx(0.0, abs=1e-8)
    assert report.beyond.students == ("first", "last")
    assert pidkd.AuditReport.from_dict(report.to_dict()).beyond == report.beyond


def test_of_files_by_name_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, arrays in (("high", HIGH), ("low", LOW), ("student", {"out": Y % 3})):
        np.savez(tmp_path / f"{name}.npz", **arrays)
    np.save(tmp_path / "y.npy", Y)
    teachers = [part for name in ("high", "low") for part in ("--teacher", f"{name}={tmp_path / name}.npz")]
    command = ["audit", "--labels", str(tmp_path / "y.npy"), "--student", str(tmp_path / "student.npz"), "--json"]
    assert main([*command, *teachers]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["ensembles"][0]["given"] == "out"
    assert set(data["provenance"]["teacher"]) == {"high", "low"}
    assert main([*command, "--teacher", str(tmp_path / "high.npz"), *teachers[:2]]) == 2
    assert "expected NAME=FILE, each name once" in capsys.readouterr().err


def test_names_of_networks_and_their_rows_are_checked() -> None:
    with pytest.raises(InputError, match="without '/'"):
        pidkd.audit({"a/b": HIGH, "c": LOW}, HIGH, Y)
    with pytest.raises(InputError, match=r"audit\(teacher\)\['b'\], layer 'out': expected 800 samples"):
        pidkd.audit({"a": {"out": Y}, "b": {"out": Y[:5]}}, {"out": Y}, Y)
