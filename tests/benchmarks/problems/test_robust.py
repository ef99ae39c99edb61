import numpy as np
import pytest

from pidkd.benchmarks.problems.robust import NASTY, nasty_set, random_set


@pytest.mark.parametrize("draw", [random_set, nasty_set])
def test_a_member_depends_on_its_number_and_the_seed_only(draw) -> None:
    few, many = list(draw(12, seed=3)), list(draw(25, seed=3))
    assert all((a.p == b.p).all() for a, b in zip(few, many[:12], strict=True))
    others = list(draw(12, seed=4))
    assert any(a.shape != b.shape or (a.p != b.p).any() for a, b in zip(few, others, strict=True))


@pytest.mark.parametrize("draw", [random_set, nasty_set])
def test_sizes_cover_the_range(draw) -> None:
    shapes = np.array([pmf.shape for pmf in draw(400)])
    assert shapes.min(axis=0).tolist() == [2, 2, 2]
    assert shapes.max(axis=0).tolist() == [5, 11, 11]


def test_every_second_random_table_is_a_histogram() -> None:
    samples = [pmf.n_samples for pmf in random_set(200)]
    assert samples[::2] == [None] * 100
    counts = [n for n in samples[1::2] if n is not None]
    assert len(counts) == 100
    assert 30 <= min(counts) < 60
    assert 1500 < max(counts) <= 3000


def test_the_nasty_kinds_are_what_they_say() -> None:
    drawn = list(nasty_set(500))
    kinds = {name: drawn[start :: len(NASTY)] for start, name in enumerate(NASTY)}
    decades = [np.ptp(np.log10(pmf.p[pmf.p > 0])) for pmf in kinds["log-normal"]]
    assert np.median(decades) > 15
    assert {pmf.n_samples for pmf in kinds["tiny counts"]} <= set(range(3, 30))
    for pmf in kinds["near-deterministic"]:
        assert ((pmf.p > 1e-9).sum(axis=0) <= 1).all()
        assert (pmf.p > 0).all()
    closest = []
    for pmf in kinds["near-equal posteriors"]:
        joint = pmf.p.sum(axis=2)
        posteriors = joint / joint.sum(axis=0)
        differences = np.abs(posteriors[:, :, None] - posteriors[:, None, :]).max(axis=0)
        closest += differences[np.triu_indices(len(differences), 1)].tolist()
    assert np.mean([0 < difference < 1e-7 for difference in closest]) > 0.3
    assert np.median([np.ptp(np.log10(pmf.p[pmf.p > 0])) for pmf in kinds["many decades"]]) > 12
