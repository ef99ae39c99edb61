"""Values chosen on a split of the training set, and prospects before any distillation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pidkd.display.terminal import to_text
from pidkd.distill.experiments.loading import load_config
from pidkd.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("yaml")

from pidkd.distill.experiments.prospecting import run_prospects  # noqa: E402
from pidkd.distill.experiments.sweep import run_sweep  # noqa: E402
from pidkd.distill.experiments.workbench import Workbench  # noqa: E402

QUICK = ["recipe.epochs=2", "teacher.recipe.epochs=2", "audit={every: null, shuffles: 2, quantize: 'pca=2,kmeans=3'}"]


def test_a_sweep_reads_no_test_set_and_keeps_its_reason(tmp_path: Path) -> None:
    config = load_config("digits-rid", [*QUICK, "methods.vid.weight=5"])
    sweep = run_sweep(config, tmp_path, "methods.vid.weight", [1, 3], seeds=[0, 1])
    assert [row["n"] for row in sweep.rows] == [2, 2]
    best = max(sweep.rows, key=lambda row: row["accuracy"])
    assert sweep.chosen == best["value"] == sweep.config.methods["vid"]["weight"]
    assert "the best of 1, 3 on 0.2 of the training set" in sweep.config.chosen["methods.vid.weight"]
    assert (sweep.config.data, sweep.config.audit) == (config.data, config.audit)
    assert json.loads((tmp_path / "sweep.json").read_text())["chosen"] == best["value"]
    assert "chosen" in to_text(sweep)
    logs = sorted(tmp_path.glob("*/runs/*/log.jsonl"))
    assert len(logs) == 4
    kept = {path: path.stat().st_mtime_ns for path in logs}
    assert run_sweep(config, tmp_path, "methods.vid.weight", [1, 3], seeds=[0, 1], resume=True).rows == sweep.rows
    assert {path: path.stat().st_mtime_ns for path in logs} == kept


def test_a_validation_split_is_seen_by_no_network(tmp_path: Path) -> None:
    plain, split = (Workbench(load_config("digits-rid", [f"data.validation={part}"]), tmp_path) for part in (0.0, 0.2))
    held = set(split.test.ids.tolist())
    assert len(held) == pytest.approx(0.2 * len(plain.teachers.data[""]), abs=5)
    assert held <= set(plain.teachers.data[""].ids.tolist())
    assert not held & set(split.teachers.data[""].ids.tolist())
    assert not held & set(split.student_data.ids.tolist())
    assert len(split.student_data) == 300


@pytest.mark.parametrize(
    ("key", "values", "words"),
    [
        ("methods.vid.wieght", [1, 2], "methods.vid.wieght"),
        ("recipe.lr", [0.1], "at least two values"),
        ("recipe.lr", [0.1, -1], r"recipe\.lr"),
    ],
)
def test_what_cannot_be_swept_is_refused(key: str, values: list[float], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        run_sweep(load_config("digits-rid", QUICK), tmp_path / "out", key, values)
    assert not (tmp_path / "out").exists()


def test_prospects_tell_a_teacher_that_knows_from_one_that_does_not(tmp_path: Path) -> None:
    config = load_config("digits-rid", [*QUICK, "teacher.recipe.epochs=8", "audit.quantize='pca=2,kmeans=3'"])
    found = run_prospects(config, tmp_path, teachers=["trained", "untrained"])
    rows = found.rows()
    by_pair = {(row["teacher"], row["pair"][0]): row for row in rows}
    assert set(by_pair) == {(name, stage) for name in ("trained-t0", "untrained-t0") for stage in ("stage2", "stage3")}
    trained, untrained = by_pair["trained-t0", "stage3"], by_pair["untrained-t0", "stage3"]
    assert trained["teacher_accuracy"] > 0.8 > untrained["teacher_accuracy"]
    assert trained["mi_t"] > untrained["mi_t"]
    assert trained["verdict"] == "something to give"
    assert trained["mi_s"] == untrained["mi_s"]
    assert "something to give" in to_text(found, width=200)
    assert json.loads((tmp_path / "prospect.json").read_text()) == rows


def test_an_untrained_teacher_is_normalised_and_a_raw_one_is_not(tmp_path: Path) -> None:
    config = load_config("digits-rid", [*QUICK, "teacher={model: resnet_cifar, options: {depth: 20}}", "taps=[]"])
    bench = Workbench(config, tmp_path)
    from pidkd.distill.experiments.cases import Case

    spreads = {}
    for name in ("untrained", "untrained-raw"):
        network, _ = bench.teachers.get(Case("none", name, 0, 0), lambda fraction, now: None)
        x = torch.from_numpy(bench.test.images[:200].copy()).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            spreads[name] = network.eval()((x - bench.test.mean[0]) / bench.test.std[0]).std().item()
    assert 0.1 < spreads["untrained"] < 3
    assert spreads["untrained-raw"] != pytest.approx(spreads["untrained"], rel=0.5)


def test_a_gate_is_a_choice_of_its_own() -> None:
    config = load_config("digits-rid", ["gate=information"])
    assert config.monitor is not None
    assert (config.monitor.gate, config.monitor.every) == ("information", 4)
    assert load_config("digits-rid", ["gate=unique", "monitor.every=7"]).monitor.every == 7
    with pytest.raises(InputError, match=r"gate: expected that of monitor\.gate, unique, or null, got information"):
        load_config("digits-rid", ["gate=information", "monitor.gate=unique"])
