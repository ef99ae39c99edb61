"""What corrections leave of the bias of Gaussian atoms."""

import numpy as np
import pytest

from pidkd import decompose
from pidkd.benchmarks.problems.gaussian_samples import KINDS, PROBLEMS, channel, samples


def error(rule: str, kind: str, d_y: int, d: int, n_systems: int) -> float:
    """Mean sum over the atoms of the absolute error."""
    off = []
    for seed, sample in enumerate(samples(kind, d_y, d, n_systems)):
        truth = decompose(channel(kind, d_y, d, seed)).atoms
        found = decompose(sample, debias=rule, n_draws=50).atoms
        off.append(sum(abs(found[name] - truth[name]) for name in truth))
    return float(np.mean(off))


@pytest.mark.parametrize("kind", ["redundant", "unique", "null"])
def test_correction_helps_where_there_is_much_bias(kind: str) -> None:
    assert error("matching", kind, 10, 10, 4) < 0.7 * error("none", kind, 10, 10, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "d_y", "d"), [("mixed", 5, 10), ("mixed", 5, 50), ("redundant", 5, 50), ("unique", 5, 50), ("null", 5, 50)]
)
def test_correction_never_hurts(kind: str, d_y: int, d: int) -> None:
    assert error("matching", kind, d_y, d, 10) < error("none", kind, d_y, d, 10)


@pytest.mark.parametrize(("kind", "zeros"), [("redundant", "us"), ("unique", "rs"), ("null", "rus")])
def test_the_kinds_are_what_they_say(kind: str, zeros: str) -> None:
    atoms = decompose(channel(kind, 3, 4, 0)).atoms
    first = {"r": "redundant", "u": "unique_t", "s": "unique_s"}
    for letter in zeros:
        assert atoms[first[letter]] == pytest.approx(0.0, abs=1e-9)
    assert kind in KINDS


def test_the_truth_is_that_of_what_was_sampled() -> None:
    tiny = PROBLEMS[0]
    data = tiny.make()
    assert tiny.truth is not None
    (truth, *_) = tiny.truth(data)
    assert truth["unique_t"] == pytest.approx(0.0, abs=1e-9)
    assert data[0].n_samples == 200
