"""Workers are no more than the tasks, and end with whoever started them."""

import os
import signal
import subprocess
import sys
import time

import joblib
import pytest

from pidkd.errors import InputError, LostWorkersError
from pidkd.runs.pool import advancing, run_spread, workers_see

SPREAD = """
import os, sys, time
from pidkd.runs.pool import run_spread
sys.path.insert(0, sys.argv[1])
import napping
run_spread(napping.nap, [(sys.argv[1],)] * 4, 2, lambda: None)
"""
NAP = """
import os, pathlib, time
def nap(folder):
    pathlib.Path(folder, str(os.getpid())).write_text("")
    time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_results_are_in_the_order_of_the_tasks():
    done = []
    assert run_spread(divmod, [(i, 3) for i in range(7)], 2, advancing(done.append, 7)) == [
        divmod(i, 3) for i in range(7)
    ]
    assert done[-1] == 1.0


def test_no_more_workers_than_tasks():
    assert len(set(run_spread(os.getpid, [(), ()], 5000, lambda: None))) <= 2


@pytest.mark.parametrize("n_jobs", [0, True, 1.5, "two"])
def test_numbers_that_are_none(n_jobs):
    with pytest.raises(InputError, match="a number of processes"):
        run_spread(divmod, [(1, 2)], n_jobs, lambda: None)


def test_a_killed_worker_is_said_in_one_line():
    with pytest.raises(LostWorkersError, match="the same call goes on with what is left") as caught:
        run_spread(os.abort, [(), ()], 2, lambda: None)
    assert "\n" not in str(caught.value)
    joblib.externals.loky.get_reusable_executor().shutdown(kill_workers=True)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_workers_end_with_their_parent(tmp_path, number):
    (tmp_path / "napping.py").write_text(NAP)
    with subprocess.Popen([sys.executable, "-c", SPREAD, str(tmp_path)], stderr=subprocess.DEVNULL) as parent:
        until = time.monotonic() + 60
        while len(workers := [int(p.name) for p in tmp_path.iterdir() if p.name.isdigit()]) < 2:
            assert time.monotonic() < until
            time.sleep(0.1)
        parent.send_signal(number)
        parent.wait(20)
    time.sleep(4)
    assert not any(map(is_alive, workers))


class Cluster:
    """What joblib's backend of dask shows of a cluster whose workers have other disks, or this one."""

    def __init__(self, seen):
        self.seen = seen

    def run(self, function, *arguments):
        return dict.fromkeys("ab", self.seen and function(*arguments))


@pytest.mark.parametrize("seen", [True, False])
def test_workers_of_a_cluster_are_asked_what_they_see(tmp_path, monkeypatch, seen):
    assert workers_see(tmp_path)
    backend = type("Backend", (), {"client": Cluster(seen), "__module__": "joblib._dask"})()
    monkeypatch.setattr("joblib.parallel.get_active_backend", lambda: (backend, 2))
    assert workers_see(tmp_path) == seen
    assert not list(tmp_path.iterdir())
