"""Trees and all distances find the same neighbours."""

import numpy as np
import pytest

from pidkd.estimators.solvers import neighbours


@pytest.mark.parametrize("k", [1, 4])
def test_both_ways_agree(k, monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 2)), rng.normal(size=(300, 1))
    by_tree = neighbours.neighbour_distances(x, y, k)
    radius = by_tree[0] + 0.1
    counted = neighbours.counts_within(x, radius)
    monkeypatch.setattr(neighbours, "TREE_DIMENSIONS", 0)
    monkeypatch.setattr(neighbours, "DISTANCE_BYTES", 8 * 300 * 7)  # several blocks
    assert np.array_equal(np.stack(neighbours.neighbour_distances(x, y, k)), np.stack(by_tree))
    assert np.array_equal(neighbours.counts_within(x, radius), counted)


def test_below_is_strictly_nearer():
    radius = np.array([0.0, 1.0])
    assert neighbours.below(radius).tolist() == [0.0, np.nextafter(1.0, 0.0)]


def test_a_constant_column_is_zero():
    values = neighbours.standardised(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert values.tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def tied(d: int) -> np.ndarray:
    rng = np.random.default_rng(d)
    return np.where(rng.random((300, d)) < 0.5, np.round(rng.normal(size=(300, d)), 1), rng.integers(2, size=(300, d)))


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_counts_and_distances_among_ties_are_those_of_all_pairs(d):
    x, k = tied(d), 4
    apart = np.abs(x[:, None] - x).max(axis=2)
    others = np.where(np.eye(300, dtype=bool), np.inf, apart)
    radius = np.sort(others, axis=1)[:, k - 1]
    assert np.array_equal(neighbours.neighbour_distances(x, np.zeros((300, 0)), k)[0], radius)
    for reach in (radius, radius * 0, neighbours.below(radius), radius + 0.3):
        assert np.array_equal(neighbours.counts_within(x, reach), (others <= reach[:, None]).sum(axis=1))


@pytest.mark.parametrize("d", [1, 2, 5])
def test_equal_rows_are_one_point(d):
    points = neighbours.Points.of(np.concatenate([tied(d)] * 3))
    assert points.weight.sum() == 900
    assert (points.weight % 3 == 0).all()
    assert np.array_equal(points.rows[points.index], np.concatenate([tied(d)] * 3))


def test_without_ties_a_ball_holds_what_is_strictly_nearer():
    x = np.random.default_rng(0).normal(size=(400, 2))
    radius = np.maximum(*neighbours.neighbour_distances(x[:, :1], x[:, 1:], 3))
    ball = neighbours.Ball.of(x, radius, 3)
    assert (ball.neighbours == 3).all()
    assert np.array_equal(ball.others(x[:, :1]), neighbours.counts_within(x[:, :1], neighbours.below(radius)))
