"""The commands of distillation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pidkd
from pidkd.cli.commands.demo import demonstrate_distillation
from pidkd.cli.main import main

pytest.importorskip("torch")
pytest.importorskip("yaml")

QUICK = [
    *("recipe.epochs=4", "teacher.recipe.epochs=1", "methods.rid={warm_up: 0, q: 2, r: 0.5}"),
    "audit={every: null, shuffles: 0, quantize: 'pca=1,kmeans=2'}",
]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.mark.parametrize("command", ["train", "capture"])
def test_every_command_explains_itself(run: Run, command: str) -> None:
    status, out, _ = run(command, "--help")
    assert status == 0
    assert f"Usage: pidkd {command}" in out


def test_a_dry_run_shows_phases_rates_and_chosen_values_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    status, out, err = run(
        "train", "digits-rid", "chosen={recipe.lr: a usual one}", "--methods", "none,rid", "--dry-run"
    )
    assert (status, out) == (0, "")
    for word in ("none-s0", "rid-trained-t0-s0", "warm_up", "filters", "sigma", "stage3", "chosen: recipe.lr 0.05"):
        assert word in err
    assert not list(tmp_path.iterdir())


def test_train_capture_and_audit_go_hand_in_hand(run: Run) -> None:
    status, out, err = run("train", "digits-rid", *QUICK, "--seeds", "0,1", "-o", "out", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert [case["seed"] for case in found["cases"]] == [0, 1]
    assert found["summary"][0]["n"] == 2
    for network, weights in {"teacher": "teachers/trained-t0", "student": "runs/rid-trained-t0-s1"}.items():
        arguments = ["--network", network, "--weights", f"out/{weights}/student.pt", "-o", network, "--tap", "stage3"]
        assert run("capture", "out/config.yaml", *arguments, "--shard-size", "300")[0] == 0
    options = ["--quantize", "pca=1,kmeans=2", "--shuffles", "0", "--json"]
    status, out, err = run("audit", "--labels", "teacher", "--teacher", "teacher", "--student", "student", *options)
    assert status == 0, err
    [pair] = pidkd.AuditReport.from_dict(json.loads(out)).pairs
    expected = found["cases"][1]
    assert pair.result.redundant == pytest.approx(expected["redundant"], abs=1e-9)
    assert pair.result.unique_t == pytest.approx(expected["unique_t"], abs=1e-9)
    # Nothing is done again, and nothing is overwritten.
    assert run("train", "digits-rid", *QUICK, "--seeds", "0,1", "-o", "out", "--resume")[0] == 0
    status, _, err = run("train", "digits-rid", *QUICK, "-o", "out")
    assert status == 2
    assert "out: expected a new folder" in err


def test_a_corrupted_teacher_is_captured_corrupted_alike_each_time(run: Run) -> None:
    held = []
    for name, overrides in {
        "clean": [],
        "noisy": ["teacher.corrupted=0.5"],
        "again": ["teacher.corrupted=0.5"],
    }.items():
        assert run("capture", "digits-rid", *overrides, "--network", "teacher", "-o", name)[0] == 0
        with np.load(Path(name) / "shard-00000.npz") as shard:
            held.append(shard["stage2"])
    clean, noisy, again = held
    same = (clean == noisy).all(axis=(0, 1, 3))
    assert same.tolist() == [True, True, False, False]
    assert np.array_equal(noisy, again)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["train", "digit-rid", "-o", "x"],
            "pidkd train: CONFIG: expected a file in .yaml, or a preset, one of cifar10-rid-paper, ",
        ),
        (["train", "digits-rid"], "--out: expected a folder for the results, or --dry-run, got neither"),
        (["train", "digits-rid", "lr", "-o", "x"], "KEY=VALUE: expected key=value, got 'lr'"),
        (["train", "digits-rid", "lr=1", "-o", "x"], "lr: expected a key, one of audit, chosen, data"),
        (["train", "digits-rid", "device=gpu", "-o", "x"], "device: expected one of 'cpu', 'cuda', 'auto', got 'gpu'"),
        (["train", "digits-rid", "--seeds", "a", "-o", "x"], "--seeds: expected whole numbers, such as 0,1,2, got 'a'"),
        (
            ["train", "digits-rid", "--seeds", "a", "--dry-run"],
            "--seeds: expected whole numbers, such as 0,1,2, got 'a'",
        ),
        (
            ["train", "digits-rid", "--teachers", "absent.pt", "--dry-run"],
            "teacher.weights: expected trained, untrained",
        ),
        (["train", "digits-rid", "--methods", "rdi", "-o", "x"], "did you mean 'rid'"),
        (
            ["train", "digits-rid", "--processes", "2", "-o", "x"],
            "--processes: expected 2 processes, as asked for, got 1",
        ),
        (["train", "fmnist-rid", "-o", "x"], "data.path: expected the folder with train-images-idx3-ubyte.gz"),
        (["train", "cifar10-rid-paper", "data.path=absent", "-o", "x"], "absent: expected cifar-10-python.tar.gz"),
        (["capture", "digits-rid", "--tap", "stage9", "-o", "x"], "'stage9'"),
        (["capture", "digits-rid", "--tap", "labels", "-o", "x"], "--tap: expected names other than labels"),
        (
            ["capture", "digits-rid", "--weights", "absent.pt", "-o", "x"],
            "--weights: expected a file with a state dict",
        ),
    ],
)
def test_bad_input_is_one_line(run: Run, arguments: list[str], words: str) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert not Path("x").exists()


def test_without_torch_they_say_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for command in ("train", "capture"):
        status, _, err = run(command, "digits-rid", "-o", "x")
        assert status == 2
        assert "pip install -e '.[train]'" in err


def test_the_demo_says_what_it_left_out_without_torch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert demonstrate_distillation(tmp_path / "training", False, 0) is None
    said = capsys.readouterr().err
    assert said.startswith("left out: students that learn from teachers: expected the package 'torch'")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_several_processes_stay_together_from_run_to_run(tmp_path: Path) -> None:
    """They train, write and audit as one."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--no-python"]
    command = [str(Path(sys.executable).with_name("pidkd")), "train", "digits-rid", *QUICK]
    options = ["--methods", "none,rid", "--processes", "2", "-o", str(tmp_path / "out")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, *command, *options], check=True, timeout=300, env=environment)
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [case["method"] for case in found["cases"]] == ["none", "rid"]
    assert all(case["redundant"] is not None for case in found["cases"])
