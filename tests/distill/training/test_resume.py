"""A run that ends before its time goes on as if it had not: the same weights and the same log, bit for bit."""

import os
import random
import signal

import pytest

torch = pytest.importorskip("torch")

import small  # noqa: E402
from small import RESUMED as RECIPE  # noqa: E402
from small import data, equal, run_and_die, signalling, started, state  # noqa: E402
from small import run_with_state as run  # noqa: E402
from torch.utils.data import DataLoader, Dataset  # noqa: E402

from pidkd.distill import Recipe, get_method  # noqa: E402
from pidkd.distill.training.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from pidkd.errors import CheckpointWarning, InputError  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")
"""Runs here are some steps long, and learn nothing."""


class Noisy(Dataset):
    """Augments with torch's and Python's generators, as data sets of others do."""

    def __init__(self):
        self.x, self.y = data()

    def __len__(self):
        return len(self.y)

    def __getitem__(self, row):
        return self.x[row] + 0.1 * torch.randn(1, 8, 8) + random.random(), self.y[row]


def check_same(folder, reference):
    """By the last checkpoint, which holds all that training changes, and by the log."""
    assert (folder / "log.jsonl").read_bytes() == (reference / "log.jsonl").read_bytes()
    last, expected = (torch.load(path / "last.pt", weights_only=True) for path in (folder, reference))
    assert equal(last["student"], expected["student"])
    assert equal(last["loss"], expected["loss"])
    for a, b in zip(last["optimizers"], expected["optimizers"], strict=True):
        for k, held in a["state"].items():
            assert all(torch.equal(value, b["state"][k][name]) for name, value in held.items())
    assert last["history"] == expected["history"]
    assert equal(last["best"].pop("student"), expected["best"].pop("student"))
    assert last["best"] == expected["best"]


@pytest.mark.parametrize(
    "given",
    [data, Noisy, lambda: DataLoader(Noisy(), 16, shuffle=True, generator=torch.Generator())],
    ids=["arrays", "dataset", "loader"],
)
def test_a_run_that_is_stopped_within_epochs_goes_on_to_the_bit(tmp_path, given):
    recipe = RECIPE if given is not data else Recipe(**RECIPE.to_dict() | {"crop": 1, "flip": True})
    if not isinstance(given(), tuple | Noisy):
        recipe = Recipe(**RECIPE.to_dict() | {"held_out": 0.0})
    options = {"recipe": recipe}
    run(tmp_path / "whole", given(), **options)
    for number, at, left in [(signal.SIGTERM, 3, SystemExit), (signal.SIGINT, 7, KeyboardInterrupt)]:
        with pytest.raises(left):
            run(tmp_path / "parts", given(), progress=signalling(number, at), **options)
    if recipe.held_out:
        assert torch.load(tmp_path / "parts" / "last.pt", weights_only=True)["steps_done"] > 0
    run(tmp_path / "parts", given(), **options)
    if recipe.held_out:
        check_same(tmp_path / "parts", tmp_path / "whole")
    else:
        logs = [(tmp_path / name / "log.jsonl").read_bytes() for name in ("parts", "whole")]
        assert logs[0] == logs[1]


def test_a_run_that_is_stopped_while_its_last_epoch_is_evaluated_has_it_and_stops(tmp_path):
    run(tmp_path / "whole")

    def stop(running):
        if running.epoch == RECIPE.epochs - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        run(tmp_path / "parts", after_epoch=stop)
    last = torch.load(tmp_path / "parts" / "last.pt", weights_only=True)
    assert (last["epoch"], last["steps_done"]) == (RECIPE.epochs, 0)
    assert not (tmp_path / "parts" / "student.pt").exists()
    run(tmp_path / "parts")
    student, expected = (torch.load(tmp_path / name / "student.pt", weights_only=True) for name in ("parts", "whole"))
    assert equal(student, expected)


@pytest.mark.parametrize("moments", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_at_random_moments_goes_on_to_the_bit(tmp_path, moments):
    run(tmp_path / "whole")
    rng = random.Random(moments)
    for number in range(moments):
        folder = tmp_path / f"killed{number}"
        process = started(run_and_die, folder, rng.randint(1, 20), rng.uniform(0, 0.04))
        process.join()
        assert process.exitcode == -signal.SIGKILL
        run(folder)
        check_same(folder, tmp_path / "whole")


def test_a_finished_run_is_not_done_again(tmp_path):
    done = run(tmp_path)
    again = run(tmp_path, progress=signalling(signal.SIGTERM, 1))
    assert again.history == done.history
    assert equal(state(again.student), state(done.student))
    assert equal(state(again.loss), state(done.loss))


def test_a_truncated_checkpoint_is_refused_and_the_previous_one_used(tmp_path):
    run(tmp_path / "whole")
    folder = tmp_path / "cut"
    with pytest.raises(SystemExit):
        run(folder, progress=signalling(signal.SIGTERM, 11))
    last = folder / "last.pt"
    last.write_bytes(last.read_bytes()[:-1000])
    with pytest.warns(
        CheckpointWarning, match=r"last\.pt: expected a whole checkpoint, got a truncated .* previous\.pt"
    ):
        run(folder)
    check_same(folder, tmp_path / "whole")


def test_a_checkpoint_with_another_byte_is_refused(tmp_path):
    save_checkpoint(tmp_path, {"weights": torch.arange(1000.0)})
    path = tmp_path / "last.pt"
    content = bytearray(path.read_bytes())
    content[content.index(torch.arange(1000.0).numpy().tobytes()) + 999] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"last\.pt: expected a whole checkpoint, got other bytes than were written"):
        load_checkpoint(tmp_path)


def test_there_is_nothing_to_go_on_from_in_an_empty_folder(tmp_path):
    assert load_checkpoint(tmp_path) is None


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    (tmp_path / ".pidkd-123.tmp").write_bytes(b"half")
    assert load_checkpoint(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_full_disc_is_said_and_the_last_checkpoint_stands(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with pytest.raises(SystemExit):
        run(tmp_path, progress=signalling(signal.SIGTERM, 6))
    kept = (tmp_path / "last.pt").read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        InputError, match=r"last\.pt: expected a place that can be written to, got the error 'No space left"
    ):
        run(tmp_path)
    assert (tmp_path / "last.pt").read_bytes() == kept
    assert not list(tmp_path.glob(".*"))


def test_a_folder_with_a_run_is_not_used_for_another(tmp_path):
    with pytest.raises(SystemExit):
        run(tmp_path, progress=signalling(signal.SIGTERM, 1))
    with pytest.raises(InputError, match=r"train\(out\): expected a new folder, got .*, in which a run is; go on with"):
        run(tmp_path, resume=False)
    for other, message in [
        ({"seed": 1}, "seed 1 instead of 0"),
        ({"method": get_method("rid")(**small.CYCLES, weight=2.0)}, r"method.weight 2.0 instead of 10.0"),
        ({"recipe": Recipe(**RECIPE.to_dict() | {"lr": 0.5})}, r"recipe.lr 0.5 instead of 0.02"),
        ({"given": data(96, seed=7)}, "data '.*' instead of '.*'"),
    ]:
        with pytest.raises(
            InputError, match=rf"train\(resume\): expected the settings of the run in .*, got {message}"
        ):
            run(tmp_path, **other)
