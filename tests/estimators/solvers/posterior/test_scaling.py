"""Matrix scaling of posteriors: what a permutation of classes hides, the gradient, and one class at a time."""

import numpy as np
import pytest

from pidkd.estimators.solvers.posterior import scaling


def example(n=400, k=4, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    logits = 3.0 * np.eye(k)[(y + 1) % k] + rng.normal(size=(n, k))  # each class goes by another's name
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logs, y, np.arange(n) // k % 4


def information(logs, y):
    k = logs.shape[1]
    return np.log(k) + logs[np.arange(len(y)), y].mean()


def test_names_of_classes_are_found():
    logs, y, fold = example()
    here, there = fold < 3, fold == 3
    within, outside = scaling.scaled(logs[here], y[here], fold[here], logs[there])
    renamed = np.roll(logs, -1, axis=1)
    for found, rows in ((within, here), (outside, there)):
        assert np.exp(found).sum(axis=1) == pytest.approx(1)
        assert information(found, y[rows]) > information(renamed[rows], y[rows]) - 0.05
        assert information(logs[rows], y[rows]) < 0


def test_what_says_nothing_says_nothing():
    _, y, fold = example()
    nothing = np.full((400, 4), -np.log(4))
    within, outside = scaling.scaled(nothing, y, fold, nothing[:5])
    assert within == pytest.approx(nothing, abs=1e-2)
    assert outside == pytest.approx(nothing[:5], abs=1e-2)


def test_no_row_is_scaled_by_its_own_label():
    logs, y, fold = example()
    other = np.where(fold == 1, (y + 2) % 4, y)
    rows = fold == 1
    assert np.array_equal(
        scaling.scaled(logs, y, fold, logs[:1])[0][rows], scaling.scaled(logs, other, fold, logs[:1])[0][rows]
    )


def test_many_classes_are_scaled_each_by_itself(monkeypatch):
    logs, y, fold = example()
    monkeypatch.setattr(scaling, "ENTRIES", 0)
    within, _ = scaling.scaled(np.roll(logs, -1, axis=1), y, fold, logs[:1])
    assert information(within, y) > information(np.roll(logs, -1, axis=1), y) - 0.05
    assert scaling._fitted(logs, y, np.ones(4)).shape == (2, 4)
