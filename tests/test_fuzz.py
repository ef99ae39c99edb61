"""A short run of ``make fuzz``: no case ends in a fault."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "fuzz" / "run.py"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="cases are forked")
@pytest.mark.parametrize(("area", "cases"), [("files", 150), ("arguments", 150), ("tables", 100)])
def test_no_case_is_a_fault(area, cases):
    for module in ("torch", "h5py", "zarr", "safetensors", "yaml"):
        pytest.importorskip(module)
    command = [sys.executable, str(RUN), "--area", area, "--cases", str(cases), "--seed", "7"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
