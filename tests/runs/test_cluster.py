import importlib.util
import json
import logging

import numpy as np
import pytest

from pidkd.benchmarks.run import run_benchmark
from pidkd.cli.main import main
from pidkd.errors import InputError
from pidkd.runs import cluster

pytestmark = pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="needs dask.distributed")


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1:1", "tcp://nowhere.invalid:8786", "x://y", ""])
def test_where_no_scheduler_answers_that_is_said(address, monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS", 0.3)
    expected = "bench --cluster: expected the address of a dask scheduler"
    with pytest.raises(InputError, match=expected) as caught, cluster.on_cluster("bench --cluster", address):
        pass
    assert "\n" not in str(caught.value)
    assert not logging.getLogger("distributed.client").isEnabledFor(logging.CRITICAL)  # it has a level of its own


def test_without_an_address_nothing_changes():
    with cluster.on_cluster("bench --cluster", None) as client:
        assert client is None


def test_other_exceptions_are_no_loss():
    assert cluster.lost("audit", ValueError("x"), 0, 1, "") is None


@pytest.fixture(scope="module")
def workers():
    from distributed import LocalCluster

    # No nanny: nobody starts again what a test ends.
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(n_workers=2, **options) as local:
        yield local


@pytest.mark.slow
def test_a_benchmark_on_a_cluster_has_the_rows_of_one_here(workers, monkeypatch):
    def rows():
        record = run_benchmark("gates", estimators=["broja", "mmi"], sizes="tiny", repeats=1, **options)
        return [(row.key, row.status, row.error, row.gap, row.certified) for row in record.rows]

    options = {}
    here = rows()
    options["cluster"] = workers.scheduler_address
    assert rows() == here
    monkeypatch.setattr("pidkd.benchmarks.process.workers_see", lambda folder: False)  # problems are sent
    assert rows() == here


@pytest.mark.slow
def test_an_audit_by_the_command_line_on_a_cluster(workers, tmp_path, capsys):
    y = np.arange(60) % 3
    for name in "lts":
        np.save(tmp_path / f"{name}.npy", y if name != "s" else y // 2)
    files = [f"--{option}={tmp_path / option[0]}.npy" for option in ("labels", "teacher", "student")]
    assert main(["audit", *files, "--json", "--shuffles=0", f"--cluster={workers.scheduler_address}"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"][0]["result"]["unique_t"] == pytest.approx(0.5, abs=0.5)


@pytest.mark.slow
def test_workers_with_other_packages_are_refused(workers, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.1")  # here, and not in the workers
    with pytest.raises(InputError, match="workers with the packages of this machine, got pidkd"):
        run_benchmark("gates", estimators=["mmi"], sizes="tiny", repeats=1, cluster=workers.scheduler_address)
