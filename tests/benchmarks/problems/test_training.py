"""Steps and epochs are timed, each loop doing the same work."""

import pytest

pytest.importorskip("torch")

from pidkd.benchmarks.problems.training import REPEATS, Work, measure

EPOCHS = [Work("student", 8, 4), Work("filters", 8, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["plain", "engine"])
@pytest.mark.parametrize("work", EPOCHS, ids=lambda work: work.what)
def test_an_epoch_of_either_phase(loop: str, work: Work) -> None:
    found = measure(loop, [work], "cpu")
    assert found["repeats"] == REPEATS[work.what]
    assert found["wall"] > 0


@pytest.mark.gpu
@pytest.mark.parametrize("loop", ["plain", "engine"])
@pytest.mark.parametrize("work", [Work("step", 84, 4), *EPOCHS], ids=lambda work: work.what)
def test_on_an_accelerator(loop: str, work: Work) -> None:
    assert measure(loop, [work], "cuda")["repeats"] == REPEATS[work.what]
