"""Two processes against one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import small  # noqa: E402
from small import data, equal, in_two_processes, run_on_vectors  # noqa: E402

from pidkd.distill import Recipe, list_methods  # noqa: E402
from pidkd.distill.training.opening import open_batches  # noqa: E402
from pidkd.distill.training.runtime import Runtime  # noqa: E402
from pidkd.errors import InputError  # noqa: E402
from pidkd.runs.output import holding  # noqa: E402


def check_same(folder, reference):
    last, expected = (torch.load(path / "last.pt", weights_only=True) for path in (folder, reference))
    for part in ("student", "loss"):
        for name, value in last[part].items():
            torch.testing.assert_close(value, expected[part][name], rtol=1e-6, atol=1e-7)
    for a, b in zip(last["history"], expected["history"], strict=True):
        assert a["lr"] == b["lr"]
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
        assert a["valid_accuracy"] == b["valid_accuracy"]
        assert a["valid_loss"] == pytest.approx(b["valid_loss"], rel=1e-6)


@pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")
def test_two_processes_train_what_one_does_and_agree(tmp_path):
    run_on_vectors(tmp_path / "one")
    assert in_two_processes(small.keep_own, tmp_path / "two") == [0, 0]
    check_same(tmp_path / "two", tmp_path / "one")
    first, second = (torch.load(tmp_path / f"two.{rank}", weights_only=True) for rank in (0, 1))
    assert equal(first, second)


@pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")
@pytest.mark.parametrize("method", ["vid", pytest.param("rid", marks=pytest.mark.slow)])
def test_each_token_counts_alike_in_two_processes(tmp_path, method):
    small.run_on_texts(tmp_path / "one", method)
    assert in_two_processes(small.run_on_texts, tmp_path / "two", method) == [0, 0]
    check_same(tmp_path / "two", tmp_path / "one")


def test_two_processes_stop_at_the_same_step_and_go_on_to_the_bit(tmp_path):
    assert in_two_processes(run_on_vectors, tmp_path / "whole") == [0, 0]
    stopped = in_two_processes(run_on_vectors, tmp_path / "parts", False, 2, 8)
    assert stopped == [128 + signal.SIGTERM] * 2
    assert torch.load(tmp_path / "parts" / "last.pt", weights_only=True)["steps_done"] == 2
    assert in_two_processes(run_on_vectors, tmp_path / "parts", True) == [0, 0]
    logs = [(tmp_path / name / "log.jsonl").read_bytes() for name in ("parts", "whole")]
    assert logs[0] == logs[1]


def test_two_processes_hold_what_was_saved_batch_statistics_included(tmp_path):
    assert in_two_processes(small.keep_with_buffers, tmp_path / "run") == [0, 0]
    first, second = (torch.load(tmp_path / f"run.{rank}", weights_only=True) for rank in (0, 1))
    assert equal(first, second)
    assert equal(first, torch.load(tmp_path / "run" / "last.pt", weights_only=True)["student"])


def test_a_folder_that_the_main_process_is_refused_is_refused_to_all(tmp_path):
    with holding(tmp_path / "run"):
        assert in_two_processes(small.be_refused, tmp_path / "run") == [2, 2]
    said = [(tmp_path / f"run.{rank}").read_text() for rank in (0, 1)]
    assert said[0] == said[1]
    assert f"held by process {os.getpid()}" in said[0]


def test_a_lost_process_ends_the_others_with_one_line(tmp_path):
    assert in_two_processes(small.lose_a_rank, tmp_path / "run") == [1, -signal.SIGKILL]
    message = (tmp_path / "run.txt").read_text()
    assert message.startswith("train: expected 2 processes, got one that is gone")
    assert "--resume" in message
    assert "\n" not in message
    assert in_two_processes(small.run_with_state, tmp_path / "run") == [0, 0]


@pytest.mark.parametrize("name", list_methods())
def test_every_method_runs_in_two_processes(name):
    assert in_two_processes(small.run_method, name) == [0, 0]


@pytest.mark.parametrize("given", ["dataset", "loader"])
def test_two_processes_see_each_sample_of_a_shuffled_epoch_once(tmp_path, given):
    assert in_two_processes(small.keep_seen, tmp_path / "seen", given) == [0, 0]
    shares = [json.loads((tmp_path / f"seen.{rank}").read_text()) for rank in (0, 1)]
    epochs = [[row for share in shares for batch in share[start : start + 4] for row in batch] for start in (0, 4)]
    assert all(sorted(epoch) == list(range(32)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_another_number_of_processes_than_asked_for_is_refused(monkeypatch):
    with pytest.raises(
        InputError, match=r"train\(processes\): expected 2 processes, as asked for, got 1; start it with"
    ):
        Runtime(processes=2)
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(InputError, match=r"train\(processes\): expected 2 processes, as asked for, got 4"):
        Runtime(processes=2)
    assert Runtime(processes=4).world_size == 4


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match=r"Recipe\(batch_size\): expected a multiple of 3, the number of processes"):
        open_batches(data(), "train(train_data)", Recipe(batch_size=16), 0, Runtime().place)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")
def test_cap_gate_and_cached_teacher_in_two_processes_that_are_killed_and_go_on(tmp_path):
    whole = small.run_gated(tmp_path / "one")
    gates = [row["monitor"]["gate"] for row in whole.history]
    assert len(set(gates)) > 1
    assert min(row["balance"]["factor"] for row in whole.history) < 0.1
    assert in_two_processes(small.run_gated, tmp_path / "two") == [0, 0]
    check_same(tmp_path / "two", tmp_path / "one")
    killed = in_two_processes(small.run_gated, tmp_path / "parts", False, signal.SIGKILL, 15)
    assert -signal.SIGKILL in killed  # the other one may have noticed first that it is alone
    assert 0 not in killed
    assert in_two_processes(small.run_gated, tmp_path / "parts", True) == [0, 0]
    logs = [(tmp_path / name / "log.jsonl").read_bytes() for name in ("parts", "two")]
    assert logs[0] == logs[1]


SCRIPT = """
import sys
from pathlib import Path
from small import run_on_vectors
run_on_vectors(Path(sys.argv[1]), processes=2)
"""


@pytest.mark.slow
def test_under_torchrun(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    run_on_vectors(tmp_path / "one")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [*launch, str(tmp_path / "script.py"), str(tmp_path / "two")]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    check_same(tmp_path / "two", tmp_path / "one")


@pytest.mark.gpu
def test_batch_statistics_over_all_devices():
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    assert in_two_processes(small.run_synchronised) == [0, 0]
