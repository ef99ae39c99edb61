"""Batches on an accelerator beside one core."""

import pytest

from pidkd.benchmarks.run import run_benchmark


@pytest.mark.gpu
def test_an_accelerator_certifies_what_one_core_does() -> None:
    rows = run_benchmark("speed", sizes="tiny", device="cuda", repeats=1).rows
    assert {row.estimator for row in rows} == {"auto", "auto@cuda"}
    for row in rows:
        assert (row.status, row.certified) == ("solved", row.members), row
