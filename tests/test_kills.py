"""A short run of ``tests/kills/run.py``: runs that are killed go on to the same bits, and leave nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "kills" / "run.py"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found by /proc")
@pytest.mark.parametrize("command", ["audit", "capture", "bench"])
def test_what_was_killed_goes_on(command):
    pytest.importorskip("torch")
    words = [sys.executable, str(RUN), "--command", command, "--trials", "2", "--pairs", "1", "--seed", "7"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
