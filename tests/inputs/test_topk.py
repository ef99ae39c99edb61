"""Posteriors by their most probable classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pidkd
from pidkd.errors import InputError
from pidkd.inputs.topk import LEAST, Top, confused_classes
from pidkd.inputs.topk_pool import IMPOSSIBLE, Pool
from pidkd.result import NATS_PER


def dense(n: int, n_classes: int, seed: int, sharpness: tuple[float, float]) -> tuple[Any, Any, Any]:
    """Labels, and posteriors of two sources that saw them through noise."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(n) % n_classes  # the dense answer needs five of each
    logits = []
    for scale in sharpness:
        z = rng.normal(size=(n, n_classes))
        z[np.arange(n), y] += scale
        z *= scale
        logits.append(z - np.log(np.exp(z - z.max(1, keepdims=True)).sum(1, keepdims=True)) - z.max(1, keepdims=True))
    return y, logits[0], logits[1]


def top(logs: Any, k: int) -> tuple[Any, Any]:
    index = np.argpartition(-logs, k - 1, axis=1)[:, :k]
    return index, np.take_along_axis(logs, index, axis=1)


def compared(n: int, n_classes: int, k: int, **params: Any) -> None:
    """What the tail hides of a source bounds how much less its information is, in expectation; atoms by both."""
    y, t, s = dense(n, n_classes, 0, (3.0, 2.0))
    estimator = pidkd.get_estimator("posterior")(scaling="temperature", max_classes=100)
    whole = pidkd.decompose(pidkd.Posteriors.from_logits(y, t, s), estimator=estimator, units="nats")
    data = pidkd.Posteriors.from_topk(y, top(t, k), top(s, k), n_classes=n_classes, **params)
    result = pidkd.decompose(data, estimator=estimator, units="nats")
    assert data.tail is not None
    of_t, of_s = data.tail.mean(axis=0)
    noise = 0.02
    assert -noise < whole.mi_t - result.mi_t < of_t + noise
    assert -noise < whole.mi_s - result.mi_s < of_s + noise
    assert -noise < whole.mi - result.mi < of_t + of_s + noise
    for atom in ("redundant", "unique_t", "unique_s", "synergistic"):
        assert abs(whole.atoms[atom] - result.atoms[atom]) < of_t + of_s + 2 * noise


def test_it_is_the_dense_answer_within_what_the_tail_may_hide() -> None:
    compared(1000, 12, 6)


@pytest.mark.slow
def test_it_is_the_dense_answer_of_a_thousand_classes() -> None:
    compared(8000, 1000, 50)


def test_all_classes_listed_is_the_dense_answer() -> None:
    y, t, s = dense(600, 12, 1, (3.0, 2.0))
    rng = np.random.default_rng(0)
    shuffled = [rng.permuted(np.tile(np.arange(12), (600, 1)), axis=1) for _ in range(2)]
    given_t, given_s = ((i, np.take_along_axis(z, i, axis=1)) for i, z in zip(shuffled, (t, s), strict=True))
    data = pidkd.Posteriors.from_topk(y, given_t, given_s, n_classes=12)
    whole = pidkd.Posteriors.from_logits(y, t, s)
    np.testing.assert_allclose(data.p_t, whole.p_t, atol=1e-12)
    np.testing.assert_allclose(data.p_s, whole.p_s, atol=1e-12)
    assert data.within is None
    assert data.tail is not None
    assert not data.tail.any()


@given(st.integers(0, 50))
def test_groups_and_labels_within_them_make_up_the_posterior(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_classes, k = 40, 30, 4
    y, t, _ = dense(n, n_classes, seed, (2.0, 2.0))
    one = Top.of("t", top(t, k), n, n_classes)
    group = rng.integers(5, size=n_classes)
    group[:5] = np.arange(5)
    full = np.repeat((one.tail / (n_classes - k))[:, None], n_classes, axis=1)
    np.put_along_axis(full, one.index, one.p, axis=1)
    np.testing.assert_allclose(one.of_groups(group), full @ np.eye(5)[group], atol=1e-12)
    label, more = one.of_label(y, n_classes)
    np.testing.assert_allclose(label, full[np.arange(n), y], atol=1e-12)
    exact = np.exp(t[np.arange(n), y])
    assert (np.log(exact) <= np.log(label) + more + 1e-9).all()


@given(st.integers(0, 30), st.sampled_from([4, 30]))
def test_the_pool_is_that_of_all_classes(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_classes = 25, 30
    y, *logits = dense(n, n_classes, seed, (2.0, 1.5))
    tops = [Top.of("", top(z, k), n, n_classes) for z in logits]
    full = []
    for one in tops:
        p = np.repeat(np.maximum(one.tail, IMPOSSIBLE)[:, None] / max(n_classes - k, 1), n_classes, axis=1)
        np.put_along_axis(p, one.index, one.p, axis=1)
        full.append(p)
    pool = Pool.of(tops[0], tops[1], n_classes)
    np.testing.assert_allclose(np.exp(pool.prior), (full[0] + full[1]).mean(0) / 2, rtol=1e-7)
    w, group = np.array([0.7, 1.1, -0.8]), np.r_[np.arange(6), rng.integers(6, size=n_classes - 6)]
    q = np.exp(w[0] * np.log(full[0]) + w[1] * np.log(full[1]) + w[2] * pool.prior)
    q /= q.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(pool.of_groups(w, group), q @ np.eye(6)[group], atol=1e-9)
    label = np.exp(w @ pool.of_label(y) - pool.masses(w)[2])
    np.testing.assert_allclose(label, q[np.arange(n), y], rtol=1e-7)
    best = pool.weights(np.arange(n), y)

    def likelihood(v: Any) -> float:
        return float((v @ pool.of_label(y) - pool.masses(v)[2]).mean())

    for step in (*np.eye(3), *-np.eye(3)):
        assert likelihood(np.maximum(best + 0.01 * step, [0, 0, -np.inf])) <= likelihood(best) + 1e-6


def test_both_together_say_what_the_pool_of_all_classes_does() -> None:
    """Groups of five classes each say little of what T and S know together about a single one."""
    y, t, s = dense(1200, 40, 0, (2.0, 2.0))
    whole = pidkd.decompose(pidkd.Posteriors.from_logits(y, t, s), units="nats", scaling="temperature")
    data = pidkd.Posteriors.from_topk(y, top(t, 40), top(s, 40), n_classes=40, n_groups=8)
    grouped = pidkd.decompose(data, units="nats", scaling="temperature")
    assert grouped.mi == pytest.approx(whole.mi, abs=0.05)
    assert grouped.synergistic > 0.2
    assert "top_ts was not given" in grouped.certificate.message


@pytest.mark.filterwarnings("ignore::pidkd.errors.SmallSampleWarning")  # rows may repeat others here
def test_labels_that_occur_once_are_answered() -> None:
    """T knows which of three classes is likely, S only which three they are: S is a garbling of T."""
    rng = np.random.default_rng(0)
    n, n_classes = 2000, 200_000
    index = rng.permutation(n_classes)[: 3 * n].reshape(n, 3)
    p = np.array([0.8, 0.1, 0.05])
    drawn = rng.choice(4, size=n, p=[*p, 0.05])
    y = np.where(drawn < 3, index[np.arange(n), np.minimum(drawn, 2)], rng.integers(n_classes, size=n))
    order = rng.permuted(np.tile(np.arange(3), (n, 1)), axis=1)
    of_t = np.take_along_axis(index, order, axis=1), np.log(p[order])
    of_s = index, np.log(np.full((n, 3), 0.95 / 3))
    data = pidkd.Posteriors.from_topk(y, of_t, of_s, n_classes=n_classes, n_groups=8)
    result = pidkd.decompose(data, units="nats")
    assert "of 2,000 occur once" in result.certificate.message
    truth = float(p @ np.log(p / (0.95 / 3)))
    assert result.unique_t == pytest.approx(truth, abs=0.06)  # three standard errors
    assert result.unique_s == pytest.approx(0.0, abs=0.02)
    assert result.synergistic == pytest.approx(0.0, abs=0.05)


def test_groups_hold_labels_enough_for_folds() -> None:
    rng = np.random.default_rng(0)
    y = np.minimum(rng.geometric(0.02, size=3000), 499)
    _, t, _ = dense(3000, 500, 0, (2.0, 2.0))
    tops = [Top.of("t", top(t, 10), 3000, 500)]
    group = confused_classes(tops, y, 500, 40)
    assert len(np.unique(group)) <= 40
    assert np.bincount(group[y], minlength=group.max() + 1).min() >= LEAST


def test_the_tail_is_stated_in_bits() -> None:
    y, t, s = dense(800, 20, 0, (1.0, 1.0))
    data = pidkd.Posteriors.from_topk(y, top(t, 5), top(s, 5), n_classes=20)
    assert data.tail is not None
    bits = data.tail.mean(axis=0)[0] / NATS_PER["bits"]
    assert f"hides up to {bits:.3g} bits of I(Y;T)" in pidkd.decompose(data).certificate.message


def test_labels_of_groups_are_not_shuffled_without_their_classes() -> None:
    rng = np.random.default_rng(0)
    y = np.minimum(rng.geometric(0.01, size=600), 900)
    index = np.stack([y, (y + 1) % 1000], axis=1)
    pair = index, np.log(np.tile([0.6, 0.3], (600, 1)))
    data = pidkd.Posteriors.from_topk(y, pair, pair, n_classes=1000, n_groups=5)
    assert data.p_t.shape == (600, 5)
    with pytest.raises(InputError, match="posteriors of every class"):
        pidkd.decompose(data, uncertainty=pidkd.Permutation(n=2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": [0, 9, 1]}, r"from_topk\(y\): expected integers from 0 to 4, got 9 in row 1"),
        ({"index": [[0, 1], [2, 2], [3, 4]]}, r"different classes in each row, got one twice in row 1"),
        ({"index": [[0, 1], [2, 5], [3, 4]]}, r"classes from 0 to 4, got 5 in row 1"),
        ({"logs": [[0.0, 0.0], [-1, -1], [-1, -1]]}, r"natural logarithms .* sum 2 in row 0.*log_softmax"),
        ({"logs": [[-1.0, -1.0]]}, r"shape \(3, 2\), as the indices have"),
        ({"index": [[0.5, 1], [2, 1], [3, 4]]}, r"integers of shape \(3, k\)"),
    ],
)
def test_what_is_no_such_pair_is_refused(change: Any, message: str) -> None:
    y = change.get("y", [0, 1, 2])
    index = np.array(change.get("index", [[0, 1], [2, 1], [3, 4]]))
    logs = np.array(change.get("logs", [[-1.0, -1.0], [-1, -1], [-1, -1]]))
    with pytest.raises(InputError, match=message):
        pidkd.Posteriors.from_topk(y, (index, logs), (index, logs), n_classes=5)
    with pytest.raises(InputError, match=r"a pair \(indices, logprobs\)"):
        pidkd.Posteriors.from_topk([0], np.zeros((1, 2)), (index, logs), n_classes=5)  # type: ignore[arg-type]
