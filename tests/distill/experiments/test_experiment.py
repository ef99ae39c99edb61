"""Experiments: cases, finished runs that are skipped, means over seeds, what goes wrong before anything is trained."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pidkd
from pidkd.display.terminal import to_text
from pidkd.distill.experiments.config import Config
from pidkd.distill.experiments.loading import load_config
from pidkd.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("yaml")

from pidkd.distill.experiments.cases import cases_of  # noqa: E402
from pidkd.distill.experiments.experiment import Experiment, preview, run_experiment  # noqa: E402
from pidkd.distill.experiments.making import make_network, read_data  # noqa: E402
from pidkd.distill.experiments.pairing import paired_differences  # noqa: E402
from pidkd.distill.experiments.workbench import Workbench  # noqa: E402

QUICK = ["recipe.epochs=4", "teacher.recipe.epochs=1", "methods.rid={warm_up: 0, q: 2, r: 0.5}", "audit.layers=none"]
AUDITED = [*QUICK, "audit={every: 2, shuffles: 0, quantize: 'pca=1,kmeans=2'}"]


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config("digits-rid", AUDITED)


@pytest.fixture(scope="module")
def experiment(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    out = tmp_path_factory.mktemp("experiment") / "out"
    return run_experiment(config, out, methods=["none", "rid"], teachers=["trained", "untrained"], seeds=[0, 1])


def test_every_method_meets_every_teacher_and_seed(experiment: Experiment) -> None:
    cases = {(row["method"], row["teacher"], row["seed"]) for row in experiment.rows}
    assert len(experiment.rows) == len(cases) == 8


def test_a_method_without_a_teacher_is_trained_once_and_audited_against_each(experiment: Experiment) -> None:
    runs = sorted(p.name for p in (experiment.folder / "runs").iterdir())
    rid = [f"rid-{teacher}-t0-s{seed}" for teacher in ("trained", "untrained") for seed in (0, 1)]
    assert runs == ["none-s0", "none-s1", *rid]
    alone = {row["teacher"]: row for row in experiment.rows if (row["method"], row["seed"]) == ("none", 0)}
    assert alone["trained"]["accuracy"] == alone["untrained"]["accuracy"]
    assert alone["trained"]["mi_t"] != alone["untrained"]["mi_t"]


def test_the_raw_untrained_teacher_is_read_from_no_file(tmp_path: Path) -> None:
    config = load_config("digits-rid", [*QUICK, "recipe.epochs=1"])
    run_experiment(config, tmp_path / "out", methods=["none"], teachers=["untrained-raw"])
    record = json.loads((tmp_path / "out/results/none-untrained-raw-t0-s0/result.json").read_text())
    assert record["made_from"]["weights of the teacher"] is None


def test_seeds_are_of_the_student_alone(experiment: Experiment) -> None:
    assert [p.name for p in (experiment.folder / "teachers").iterdir()] == ["trained-t0"]
    assert len({row["teacher_accuracy"] for row in experiment.rows if row["teacher"] == "trained"}) == 1
    assert len({row["loss"] for row in experiment.rows if row["method"] == "rid"}) == 4


def test_means_and_deviations_are_those_of_the_rows(experiment: Experiment) -> None:
    entry = next(e for e in experiment.summary() if (e["method"], e["teacher"]) == ("rid", "untrained"))
    values = [r["accuracy"] for r in experiment.rows if (r["method"], r["teacher"]) == ("rid", "untrained")]
    assert entry["n"] == 2
    assert entry["accuracy"] == pytest.approx(statistics.mean(values))
    assert entry["accuracy_sd"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)


def test_differences_are_paired_by_seed(experiment: Experiment) -> None:
    accuracy = {(r["method"], r["teacher"], r["seed"]): r["accuracy"] for r in experiment.rows}
    entries = experiment.differences()
    assert [(e["method"], e["teacher"], e["n"]) for e in entries] == [("rid", "trained", 2), ("rid", "untrained", 2)]
    for entry in entries:
        gains = [accuracy["rid", entry["teacher"], seed] - accuracy["none", entry["teacher"], seed] for seed in (0, 1)]
        assert entry["accuracy"] == pytest.approx(statistics.mean(gains))
        assert entry["accuracy_se"] == pytest.approx(statistics.stdev(gains) / 2**0.5)
        assert entry["redundant"] + entry["unique_s"] == pytest.approx(entry["mi_s"], abs=1e-9)
        assert entry["above"] == sum(gain > 0 for gain in gains)
    assert "Differences to none, paired by seed" in to_text(experiment)


def test_the_sign_test_leaves_ties_out() -> None:
    def row(method: str, seed: int, accuracy: float) -> dict[str, Any]:
        return {"method": method, "teacher": "a", "teacher_seed": 0, "seed": seed, "accuracy": accuracy}

    rows = [row("none", seed, 0.5) for seed in range(7)]
    rows += [row("kd", seed, accuracy) for seed, accuracy in enumerate((0.6, 0.6, 0.6, 0.6, 0.6, 0.5, 0.5))]
    [entry] = paired_differences([*rows, row("kd", 9, 0.9)])  # a seed without its baseline is left out
    assert (entry["n"], entry["above"], entry["p"]) == (7, 5, pytest.approx(2 / 2**5))


def test_atoms_of_a_row_are_those_of_its_report_and_hold_the_identities(experiment: Experiment) -> None:
    for row in experiment.rows:
        name = f"{row['method']}-{row['teacher']}-t0-s{row['seed']}"
        report = pidkd.AuditReport.load(experiment.folder / "results" / name / "audit.json")
        assert report.results["stage3", "stage3"].redundant == row["redundant"]
        assert row["redundant"] + row["unique_t"] == pytest.approx(row["mi_t"], abs=1e-9)
        assert row["redundant"] + row["unique_s"] == pytest.approx(row["mi_s"], abs=1e-9)
        assert [stage.checkpoint for stage in report.pairs[0].stages] == ["epoch 0", "epoch 2", None]


def test_trajectories_of_one_seed_begin_at_the_same_student(experiment: Experiment) -> None:
    first = {}
    for name in ("none-trained-t0-s0", "rid-trained-t0-s0"):
        report = pidkd.AuditReport.load(experiment.folder / "results" / name / "audit.json")
        first[name] = report.pairs[0].stages[0].result.atoms
    assert first["none-trained-t0-s0"] == first["rid-trained-t0-s0"]


def test_configuration_version_and_data_are_on_record(experiment: Experiment, config: Config) -> None:
    assert load_config(experiment.folder / "config.yaml") == config
    record = json.loads((experiment.folder / "runs" / "rid-trained-t0-s1" / "run.json").read_text())
    held = Config.from_dict(record["note"]["config"])
    assert (held.method, held.seed, held.teacher.weights) == ("rid", 1, "trained")
    assert "git" in record["note"]
    assert len(record["settings"]["data"]) == 64
    assert record["versions"]["pidkd"] == pidkd.__version__


def test_tables_show_every_case_and_the_means(experiment: Experiment) -> None:
    text = to_text(experiment)
    for row in experiment.rows:
        assert f"{row['method']}-{row['teacher']}-t0-s{row['seed']}" in text
    assert "±" in text
    written = json.loads((experiment.folder / "results.json").read_text())
    assert written["cases"] == experiment.rows
    assert len((experiment.folder / "results.csv").read_text().splitlines()) == 9


def test_finished_runs_are_skipped_and_new_seeds_added(experiment: Experiment, config: Config) -> None:
    kept = {p: p.stat().st_mtime_ns for p in experiment.folder.glob("r*/*/*") if p.is_file()}
    longer = run_experiment(
        config, experiment.folder, methods=["none"], teachers=["trained"], seeds=[0, 1, 2], resume=True
    )
    assert [row["seed"] for row in longer.rows] == [0, 1, 2]
    assert longer.rows[:2] == [r for r in experiment.rows if (r["method"], r["teacher"]) == ("none", "trained")]
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


def test_another_configuration_is_not_mixed_in(experiment: Experiment) -> None:
    other = load_config("digits-rid", [*AUDITED, "recipe.lr=0.01"])
    with pytest.raises(InputError, match=r"recipe.lr 0.01 instead of 0.05; take another folder"):
        run_experiment(other, experiment.folder, methods=["rid"], resume=True)
    with pytest.raises(InputError, match=r"config.yaml: .* recipe.lr 0.01 instead of 0.05"):
        run_experiment(other, experiment.folder, methods=["vid"], teachers=["untrained"], resume=True)
    assert load_config(experiment.folder / "config.yaml").recipe.lr == 0.05
    with pytest.raises(InputError, match="a new folder, got one with an experiment"):
        run_experiment(other, experiment.folder)


@pytest.mark.parametrize(
    ("change", "named", "finished"),
    [
        ("training images", "training data", True),
        ("training labels", "data", False),
        ("test images", "test data", True),
        ("teacher", "weights of the teacher", True),
        ("teacher", "teacher", False),
    ],
)
@pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")
def test_what_changed_under_the_same_name_is_not_mixed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, named: str, finished: bool
) -> None:
    rng = np.random.default_rng(0)
    parts = ("x_train", (40, 8, 8)), ("y_train", 40), ("x_test", (20, 8, 8)), ("y_test", 20)
    arrays = {name: rng.integers(0, 256 if "x" in name else 2, size, dtype=np.uint8) for name, size in parts}
    np.savez(tmp_path / "data.npz", **arrays)
    small = [*QUICK, "recipe.epochs=2", "data={name: npz, options: {}}", f"data.path={tmp_path / 'data.npz'}"]
    config = load_config("digits-rid", [*small, f"teacher.weights={tmp_path / 'teacher.pt'}"])

    weights = make_network(config, "teacher", read_data(config)[1]).state_dict()
    torch.save(weights, tmp_path / "teacher.pt")
    out: dict[str, Any] = {"out": tmp_path / "out", "methods": ["rid"]}
    if finished:
        run_experiment(config, **out)
    else:
        with monkeypatch.context() as patch:
            patch.setattr(Workbench, "_audit", interrupted)
            with pytest.raises(KeyboardInterrupt):
                run_experiment(config, **out)
    if change == "teacher":
        next(iter(weights.values()))[0] *= -1
        torch.save(weights, tmp_path / "teacher.pt")
    else:
        where = {"images": "x", "labels": "y"}[change.split()[1]]
        array = arrays[f"{where}_{'train' if 'training' in change else 'test'}"]
        array[0] = 1 - array[0] if where == "y" else 255 - array[0]
        np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(InputError, match=named) as caught:
        run_experiment(config, **out, resume=True)
    assert "\n" not in str(caught.value)


def interrupted(*arguments: Any) -> None:
    raise KeyboardInterrupt


def test_a_stopped_experiment_goes_on_to_the_same_end(tmp_path: Path) -> None:
    config = load_config("digits-rid", QUICK)

    class StoppedError(Exception):
        pass

    def stop(done: float, now: str) -> None:
        if "rid" in now and done > 0.7:
            raise StoppedError

    options: dict[str, Any] = {"methods": ["none", "rid"], "teachers": ["untrained"]}
    whole = run_experiment(config, tmp_path / "whole", **options)
    with pytest.raises(StoppedError):
        run_experiment(config, tmp_path / "stopped", progress=stop, **options)
    again = run_experiment(config, tmp_path / "stopped", resume=True, **options)
    for a, b in zip(whole.rows, again.rows, strict=True):
        assert {k: v for k, v in a.items() if k != "cpu_seconds"} == {k: v for k, v in b.items() if k != "cpu_seconds"}


def test_a_student_begins_as_another_where_the_configuration_says_so(tmp_path: Path) -> None:
    started = load_config("digits-rid", [*QUICK, "starts={ted: none}", "methods.ted.filters=0.5"])
    run = run_experiment(started, tmp_path / "out", methods=["ted"])
    assert [row["method"] for row in run.rows] == ["ted"]
    log = [json.loads(line) for line in (tmp_path / "out/runs/ted-trained-t0-s0/log.jsonl").read_text().splitlines()]
    last = json.loads((tmp_path / "out/runs/none-s0/log.jsonl").read_text().splitlines()[-1])
    # Its first stage leaves the student as it was.
    assert log[0]["phase"] == "filters"
    assert log[0]["valid_loss"] == last["valid_loss"]


@pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")
def test_weights_of_a_file_and_a_corrupted_teacher(experiment: Experiment, tmp_path: Path) -> None:
    file = experiment.folder / "teachers" / "trained-t0" / "student.pt"
    base = [*QUICK, f"teacher.weights={file}"]
    whole = run_experiment(load_config("digits-rid", base), tmp_path / "whole")
    assert whole.rows[0]["teacher_accuracy"] == next(
        row["teacher_accuracy"] for row in experiment.rows if row["teacher"] == "trained"
    )
    noisy = load_config("digits-rid", [*base, "teacher.corrupted=1", "teacher.noise=100"])
    first, again = (run_experiment(noisy, tmp_path / name).rows[0] for name in ("noisy", "again"))
    assert first["teacher_accuracy"] < 0.5
    assert {**first, "cpu_seconds": 0} == {**again, "cpu_seconds": 0}


def test_a_monitor_looks_at_what_no_method_is_trained_on(tmp_path: Path) -> None:
    monitored = "monitor={every: 2, held_out: 0.5, gate: information}"
    config = load_config("digits-rid", [*AUDITED, "audit.every=null", monitored, "teacher.weights=untrained"])
    run_experiment(config, tmp_path, methods=["none", "rid"])
    log, alone = (
        [json.loads(line) for line in (tmp_path / "runs" / name / "log.jsonl").read_text().splitlines()]
        for name in ("rid-untrained-t0-s0", "none-s0")
    )
    assert [bool(row["monitor"]) for row in log] == [False, True, False, True]
    assert log[1]["monitor"]["gate"] in (0, 1)
    # Half of 300 digits are held out, of either method.
    assert log[-1]["steps"] == alone[-1]["steps"] == 4 * (150 // 32)
    report = pidkd.AuditReport.load(tmp_path / "runs" / "rid-untrained-t0-s0" / "monitor" / "epoch-00004.json")
    assert report.n_samples == 150


def test_label_noise_is_the_students_alone(tmp_path: Path) -> None:
    clean = load_config("digits-rid", [*QUICK, "data.samples_per_class=100"])
    noisy = load_config("digits-rid", [*QUICK, "data.samples_per_class=100", "data.label_noise=1"])
    rows = [run_experiment(c, tmp_path / str(i), methods=["none"]).rows[0] for i, c in enumerate((clean, noisy))]
    assert rows[0]["teacher_accuracy"] == rows[1]["teacher_accuracy"]
    # No label is right, so that chance is less than a tenth.
    assert rows[1]["accuracy"] < 0.1 < rows[0]["accuracy"]


@pytest.mark.parametrize(
    ("overrides", "options", "words"),
    [
        (["taps=[[stage3, stag3]]"], {}, "taps of the student: .* 'stag3'"),
        (["methods.vid.wieght=1"], {}, "methods.vid.wieght: .* did you mean 'weight'"),
        (["recipe.part_lr={f: 1}"], {}, r"^recipe.part_lr: expected a part of the loss of 'rid'"),
        (["recipe.batch_size=512"], {}, r"^recipe.batch_size: expected at most as many as there are samples"),
        (["teacher.recipe.batch_size=2048"], {}, r"^teacher.recipe.batch_size: expected at most as many"),
        (["teacher.n_classes=7"], {}, r"^teacher.model: expected 10 classes, as digits has, got 7"),
        (["teacher.weights=absent.pt"], {}, r"teacher.weights: expected trained, untrained, untrained-raw, or a file"),
        (["audit.quantize=pca"], {}, "pca"),
        (["data.samples_per_class=10000"], {}, "samples_per_class"),
        (["student.options.widths=[0]"], {}, "widths: expected a list, each a whole number"),
        (
            ["methods.kd.temperature=0"],
            {"methods": ["none", "kd"]},
            r"methods.kd.temperature: expected a number",
        ),
        ([], {"methods": ["none", "kdd"]}, "did you mean 'kd'"),
        (["taps=[]"], {}, "at least one layer pair"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(
    overrides: list[str], options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        run_experiment(load_config("digits-rid", [*QUICK, *overrides]), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=words):
        preview(load_config("digits-rid", [*QUICK, *overrides]), lambda run, report: None, **options)


def test_files_of_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for name, content in {"list.pt": [1, 2], "other.pt": {"a": torch.zeros(1)}}.items():
        torch.save(content, tmp_path / name)
        config = load_config("digits-rid", [*QUICK, f"teacher.weights={tmp_path / name}"])
        with pytest.raises(InputError, match=name):
            run_experiment(config, tmp_path / "out", resume=True)
    (tmp_path / "other.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"other.pt: "):
        run_experiment(config, tmp_path / "out", resume=True)


def test_a_preview_shows_every_method_and_writes_nothing(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown: dict[str, Any] = {}
    preview(config, shown.__setitem__, methods=["none", "rid"])
    assert list(shown) == ["none-s0", "rid-trained-t0-s0"]
    assert shown["rid-trained-t0-s0"].schedule == ("filters", "student", "filters", "student")
    assert not list(tmp_path.iterdir())


def test_a_preview_judges_a_teacher_only_where_it_is_what_it_will_be(config: Config, experiment: Experiment) -> None:
    shown: dict[str, Any] = {}
    file = str(experiment.folder / "teachers" / "trained-t0" / "student.pt")
    preview(config, shown.__setitem__, methods=["rid"], teachers=["trained"])
    of_made = shown.pop("rid-trained-t0-s0")
    preview(config, shown.__setitem__, methods=["rid"], teachers=[file])
    [of_file] = shown.values()
    assert of_file.teacher["accuracy"] > 0.8
    assert of_file.balance["ratio"] > 0
    assert not of_made.teacher
    assert not of_made.balance
    assert not any("near chance" in note for note in of_made.notes)


def test_chosen_values_are_shown_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(
        "digits-rid",
        ["methods.rid.weight=20", "chosen={methods.rid.weight: not printed, methods.vid.weight: not printed}"],
    )
    shown: dict[str, Any] = {}
    preview(config, shown.__setitem__)
    [report] = shown.values()
    assert "chosen: methods.rid.weight 20; not printed" in report.notes
    assert not any("vid" in note for note in report.notes)


def test_cases_are_in_the_order_asked_for(config: Config) -> None:
    names = [case.name for case in cases_of(config, seeds=[3, 1], methods=["vid", "kd"])]
    assert names == ["vid-trained-t0-s3", "vid-trained-t0-s1", "kd-trained-t0-s3", "kd-trained-t0-s1"]
