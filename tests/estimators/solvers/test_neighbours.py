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
