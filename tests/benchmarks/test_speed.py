import pytest

from pidkd.benchmarks import speed


def test_every_figure_is_printed_on_a_small_scale():
    lines = list(speed.lines(scale=1e-3))
    assert len(lines) == len(speed.ONE_CORE) + len(speed.BATCHES)
    assert all(line.endswith(("ms", "s on one core")) for line in lines)


@pytest.mark.gpu
def test_ratios_on_an_accelerator():
    assert all("times faster" in line for line in speed.lines("cuda", scale=1e-2))
