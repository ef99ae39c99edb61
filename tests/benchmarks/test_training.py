import pytest

pytest.importorskip("torch")

from pidkd.benchmarks.training import noise, overhead, plain_rid_epoch, rid_epochs


@pytest.mark.slow
def test_both_measurements_run():
    bare, engine = overhead(batch_size=4, steps=2, repeats=1)
    assert min(bare, engine) > 0
    data = noise(8)
    assert rid_epochs(data, 4, "cpu", compiled=False).keys() == {"filters", "student"}
    plain_rid_epoch(data, 4, "cpu")()
