"""Outputs are held by one run at a time, whole or not there, and free of what killed runs left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pidkd.errors import InputError
from pidkd.files.opening import existing
from pidkd.runs.output import (
    PREFIX,
    UNFINISHED,
    check_folder,
    check_output,
    holding,
    remove_leftovers,
    scratch,
    writing,
)

HOLD = """
import sys, time
from pidkd.runs.output import holding, writing
with holding(sys.argv[1], file=sys.argv[2] == "file"), writing(sys.argv[3], force=True) as stream:
    stream.write(b"half")
    stream.flush()
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def living(tmp_path):
    """A process that holds an output and writes a file into it."""
    started = []

    def start(path: Path, file: bool = False) -> subprocess.Popen:
        inside = path.with_name("x") if file else path / "x"
        arguments = [sys.executable, "-c", HOLD, str(path), "file" if file else "folder", str(inside)]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def complaint(call, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def enter(path, file=False):
    with holding(path, file):
        pass


@pytest.mark.parametrize("file", [False, True])
def test_a_second_run_is_told_who_holds_the_place(tmp_path, living, file):
    process = living(tmp_path / "out.jsonl", file)
    message = complaint(enter, tmp_path / "out.jsonl", file)
    assert f"one held by process {process.pid} on " in message


def test_the_place_is_free_after_any_end(tmp_path, living):
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = living(tmp_path / "out")
        process.send_signal(number)
        process.wait()
        assert list((tmp_path / "out").glob(f"{PREFIX}*{UNFINISHED}"))
        enter(tmp_path / "out")
        assert list((tmp_path / "out").iterdir()) == []


def test_what_a_living_run_writes_is_not_swept_away(tmp_path, living):
    living(tmp_path / "out")
    [unfinished] = (tmp_path / "out").glob(f"{PREFIX}*{UNFINISHED}")
    remove_leftovers(tmp_path)
    assert unfinished.exists()


WRITE = """
import sys
from pathlib import Path
from pidkd.runs.output import remove_leftovers, writing
for i in range(60):
    with writing(Path(sys.argv[1], sys.argv[2]), force=True) as stream:
        stream.write(bytes([i]) * 1000)
    remove_leftovers(Path(sys.argv[1]))
"""


def test_runs_side_by_side_do_not_disturb_each_other(tmp_path):
    workers = [subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path), str(i % 2)]) for i in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


def test_a_record_is_readable_by_others(tmp_path):
    with writing(tmp_path / "a") as stream:
        stream.write(b"x")
    (tmp_path / "b").write_bytes(b"x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "file/below", "folder"])
def test_outputs_that_cannot_be(tmp_path, name):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    assert str(tmp_path) in complaint(check_output, tmp_path / name, True)


@pytest.mark.parametrize("use", [check_folder, existing, lambda path: check_output(path, True)])
def test_an_empty_name_is_not_the_present_folder(use, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "expected the name of a file or folder, got an empty one" in complaint(use, "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_devices_and_pipes_are_no_outputs(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/full")):
        assert "got a device or a pipe" in complaint(check_output, path, True)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    assert "expected a folder, or a place for one" in complaint(check_folder, tmp_path / "file")
    check_folder(tmp_path)
    check_folder(tmp_path / "new" / "one")
    assert not (tmp_path / "new").exists()


def test_a_long_name_is_written(tmp_path):
    with writing(tmp_path / ("x" * 255)) as stream:
        stream.write(b"x")
    assert len(list(tmp_path.iterdir())) == 1


def test_scratch_folders_of_killed_runs_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = "import os\nfrom pidkd.runs.output import scratch\nwith scratch('x'):\n    os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    [left] = tmp_path.iterdir()
    old = time.time() - 1000
    os.utime(next(left.glob("*.lock")), (old, old))
    with scratch("y") as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []
