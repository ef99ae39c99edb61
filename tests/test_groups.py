"""Rows that belong together: repeats are found, stay in one fold, and count once."""

from typing import Any

import numpy as np
import pytest

import pidkd
from pidkd import Activations, Bootstrap, Codes, Jackknife, Permutation, Posteriors
from pidkd.errors import InputError, SmallSampleWarning
from pidkd.estimators.solvers.critic.training import splits
from pidkd.estimators.solvers.posterior.folds import split
from pidkd.groups import as_groups, half_width, joined, one_of_each, repeats, standard_error
from pidkd.uncertainty.sample import Rows

N = 200
RNG = np.random.default_rng(0)
WIDE = RNG.normal(size=(N, 5))
FOUR = np.repeat(np.arange(N), 4)
MIXED = RNG.permutation(4 * N)

REPEATED = {
    "each row four times": WIDE[FOUR],
    "in random order": WIDE[FOUR][MIXED],
    "single precision": WIDE.astype(np.float32)[FOUR],
    "half precision": WIDE.astype(np.float16)[FOUR],
    "rectified": np.maximum(RNG.normal(size=(N, 24)), 0)[FOUR],
    "unequally often": WIDE[np.repeat(np.arange(N), 1 + np.arange(N) % 5)],
    "some of many": np.concatenate([WIDE, WIDE[:20]]),
    "one column, each equally often": WIDE[FOUR, 0],
}
CHANCE = {
    "no two equal": WIDE,
    "one column, rounded": np.round(RNG.normal(size=2000), 1),
    "two columns, rounded": np.round(RNG.normal(size=(2000, 2)), 1),
    "one-hot": np.eye(7)[RNG.integers(7, size=2000)],
    "counts": RNG.poisson(1.0, size=(2000, 3)).astype(float),
    "silent units": np.where(RNG.random((2000, 1)) < 0.3, 0.0, np.maximum(RNG.normal(size=(2000, 4)), 0)),
    "constant": np.zeros((50, 3)),
    "all silent at once": np.where(RNG.random((2000, 1)) < 0.4, 0.0, RNG.normal(size=(2000, 4))),
    "padding": np.where(RNG.random((2000, 1)) < 0.1, WIDE[:1], RNG.normal(size=(2000, 5))),
    "twenty stimuli": RNG.normal(size=(20, 4))[RNG.integers(20, size=1000)],
}


@pytest.mark.parametrize("name", REPEATED)
def test_exact_repeats_are_found(name: str) -> None:
    values = REPEATED[name]
    groups = repeats(values)
    assert groups is not None
    rows = values.reshape(len(values), -1)
    known = np.unique(rows, axis=0, return_inverse=True)[1]
    together = np.zeros(len(rows), dtype=bool)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        assert len(set(known[members].tolist())) == 1
        together[members] = len(members) > 1
    repeated = np.bincount(known)[known] > 1
    assert together[repeated].all()
    assert not together[~repeated].any()


@pytest.mark.parametrize("name", CHANCE)
def test_rows_that_are_equal_by_chance_are_no_repeats(name: str) -> None:
    groups = repeats(CHANCE[name])
    assert groups is None or np.bincount(groups).max() <= 4  # of rounded values, some pair far out


def test_repeats_are_of_all_arrays_together() -> None:
    t, s = WIDE[FOUR], RNG.normal(size=(4 * N, 2))
    assert repeats(t, s) is None
    groups = repeats(t, t[:, :2])
    assert groups is not None
    assert np.array_equal(groups, FOUR)


def test_groups_are_joined_through_common_rows() -> None:
    one, other = np.array([0, 0, 1, 1, 2, 3]), np.array([0, 1, 1, 2, 3, 3])
    both = joined(one, other)
    assert both is not None
    assert both.tolist() == [0, 0, 0, 0, 1, 1]
    assert joined(None, one) is one
    assert joined(one, None) is one


def test_copies_do_not_change_the_standard_error() -> None:
    values = RNG.normal(size=300)
    alone = standard_error(values) * np.sqrt(300 / 299)
    assert standard_error(np.tile(values, 5), np.tile(np.arange(300), 5)) == pytest.approx(alone, rel=1e-12)
    assert half_width(0.95) == pytest.approx(1.959964, abs=1e-6)
    assert half_width(0.95, np.arange(5)) == pytest.approx(2.776445, abs=1e-6)


def test_one_row_of_each_group() -> None:
    rows = one_of_each(FOUR[MIXED], np.random.default_rng(1))
    assert np.array_equal(FOUR[MIXED][rows], np.arange(N))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.zeros(N, int), "expected at least two groups, got one only"),
        (np.arange(N - 1), f"expected one group for each of {N} rows, got {N - 1}"),
        (np.arange(N) / 2, "expected labels"),
    ],
)
def test_groups_that_are_none(groups: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_groups("decompose(..., groups)", groups, N)


@pytest.mark.parametrize("n_classes", [2, 7])
def test_folds_keep_groups_together_and_have_every_class(n_classes: int) -> None:
    groups = RNG.integers(300, size=2000)
    groups = np.unique(groups, return_inverse=True)[1]
    by_group = RNG.integers(n_classes, size=len(np.unique(groups)))
    for y in (by_group[groups], RNG.integers(n_classes, size=2000)):  # one class a group, and several
        fold = split(y, 5, 0, groups, "decompose(y, t, s)")
        assert all(len(set(fold[groups == group])) == 1 for group in range(300) if (groups == group).any())
        assert {tuple(np.unique(y[fold == f])) for f in range(5)} == {tuple(range(n_classes))}
        assert np.bincount(fold).max() < 1.5 * np.bincount(fold).min()


def test_a_class_in_too_few_groups_is_named() -> None:
    y = np.r_[np.zeros(100, int), np.ones(100, int)]
    groups = np.r_[np.arange(100), 100 + np.arange(100) // 50]
    with pytest.raises(InputError, match="at least n_folds=5 groups of each label, got 2 of 1"):
        split(y, 5, 0, groups, "decompose(y, t, s)")


def test_splits_of_critics_keep_groups_together() -> None:
    for part in splits(4 * N, 5, np.random.default_rng(0), "here", FOUR):
        train, valid, test = (set(FOUR[rows]) for rows in (part.train, part.valid, part.test))
        assert train.isdisjoint(valid | test)
        assert valid.isdisjoint(test)
        assert len(part.train) + len(part.valid) + len(part.test) == 4 * N


SAMPLES = {
    "codes": Codes(*RNG.integers(3, size=(3, 4 * N)), groups=FOUR[MIXED]),
    "activations": Activations(RNG.integers(3, size=4 * N), *RNG.normal(size=(2, 4 * N, 2)), groups=FOUR[MIXED]),
    "posteriors": Posteriors(RNG.integers(3, size=4 * N), *RNG.dirichlet(np.ones(3), size=(2, 4 * N)), groups=FOUR),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_groups_are_drawn_halved_and_left_out_as_a_whole(name: str) -> None:
    data: Any = SAMPLES[name]
    sample, rng = Rows(data), np.random.default_rng(0)
    column = "t" if hasattr(data, "t") else "p_t"
    assert sample.n == N
    assert len(sample.multiplicity()) == N
    assert len(getattr(sample.drawn(rng), column)) == 4 * N
    drawn = sample.drawn(rng)
    assert np.array_equal(np.bincount(drawn.groups), [4] * N)  # type: ignore[union-attr, arg-type]
    halves = sample.quartered(rng)
    assert [len(getattr(part, column)) for part in halves] == [2 * N, 2 * N, N, N, N, N]
    assert [len(getattr(part, column)) for part in sample.left_out()] == [4 * (N - 1)] * N


def test_shuffled_labels_move_with_their_group() -> None:
    by_group = RNG.integers(3, size=N)
    data = Codes(by_group[FOUR], *RNG.integers(3, size=(2, 4 * N)), groups=FOUR)
    for of in ("y", "t"):
        moved = Rows(data).shuffled(of, np.random.default_rng(0))
        assert isinstance(moved, Codes)
        assert np.array_equal(np.sort(getattr(moved, of)), np.sort(getattr(data, of)))
    shuffled = Rows(data).shuffled("y", np.random.default_rng(0))
    assert isinstance(shuffled, Codes)
    assert all(len(set(shuffled.y[group == FOUR])) == 1 for group in range(N))
    assert (shuffled.y != data.y).any()
    assert shuffled.groups is not None  # copies of T stay where they were, and in one fold
    assert np.array_equal(shuffled.groups, FOUR)
    within = Codes(RNG.integers(3, size=4 * N), data.t, data.s, groups=FOUR)
    with pytest.raises(InputError, match=r"Permutation\(of='t'\): expected one class in each group"):
        pidkd.decompose(within, uncertainty=Permutation(n=19, of="t"))


def noise(seed: int, jitter: float) -> dict[str, Any]:
    """Pure noise with each row four times, but for a jitter."""
    rng = np.random.default_rng(seed)
    n, d = 150, 16
    group = np.repeat(np.arange(n), 4)
    y = rng.integers(2, size=n)[group]
    t, s = rng.normal(size=(2, n, d))[:, group] + jitter * rng.normal(size=(2, 4 * n, d))
    return {"y": y, "t": t, "s": s, "group": group}


@pytest.mark.slow
def test_exact_repeats_of_noise_say_nothing() -> None:
    data = noise(0, 0.0)
    with pytest.warns(SmallSampleWarning, match="450 of 600 samples repeat others exactly"):
        result = pidkd.decompose(data["y"], data["t"], data["s"])
    assert "repeat others exactly" in result.warnings[0]
    assert result.interval is not None
    low, high = result.interval["mi_t"]
    assert low <= 0 <= high


@pytest.mark.slow
def test_noisy_copies_say_nothing_once_they_are_groups() -> None:
    data = noise(0, 0.01)
    blind = pidkd.decompose(data["y"], data["t"], data["s"])
    result = pidkd.decompose(data["y"], data["t"], data["s"], groups=data["group"])
    assert blind.interval is not None
    assert result.interval is not None
    assert blind.interval["mi_t"][0] > 0.1  # what the copies in other folds tell
    low, high = result.interval["mi_t"]
    assert low <= 0 <= high


@pytest.mark.parametrize("name", ["classifier", "ksg", "gaussian"])
def test_mutual_information_of_repeated_noise_is_none(name: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300, 2))[:, np.repeat(np.arange(300), 4)]
    params = {"variant": "mixture"} if name == "ksg" else {}
    if name == "classifier":
        y = y[:, 0] > 0
    with pytest.warns(SmallSampleWarning, match="900 of 1200 samples repeat others exactly"):
        result = pidkd.mutual_information(x, y, estimator=name, **params)
    assert result.se is not None
    assert result.value < 3 * result.se
    jittered = x + 1e-3 * rng.normal(size=x.shape)
    grouped = pidkd.mutual_information(jittered, y, estimator=name, groups=np.repeat(np.arange(300), 4), **params)
    assert grouped.se is not None
    assert grouped.value < 3 * grouped.se


@pytest.mark.parametrize("name", ["classifier", "ksg"])
def test_a_layer_that_is_silent_for_one_class_tells_it(name: str) -> None:
    silent = RNG.random(2000) < 0.5
    x = np.where(silent[:, None], 0.0, RNG.normal(size=(2000, 3)))
    x = np.concatenate([x, (x**2).sum(axis=1, keepdims=True)], axis=1)
    params = {"variant": "mixture"} if name == "ksg" else {}
    assert pidkd.mutual_information(x, silent, estimator=name, **params).value > 0.6


@pytest.mark.slow
def test_clustered_intervals_cover() -> None:
    """Of a mean, of counted information, and of the posterior's: 90 to 98 of a hundred contain the truth."""
    hits = np.zeros(3)
    n_groups, size, times = 100, 4, 200
    group = np.repeat(np.arange(n_groups), size)
    for seed in range(times):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=n_groups)[group] + 0.5 * rng.normal(size=len(group))
        hits[0] += abs(values.mean()) < half_width(0.95, group) * standard_error(values, group)
        # Copies of a bit through a channel that errs once for all of them: 1 - h(.2) bits, bias .007.
        x = rng.integers(2, size=n_groups)[group]
        y = (x ^ (rng.random(n_groups) < 0.2)[group]) ^ (rng.random(len(group)) < 0.0)
        found = pidkd.mutual_information(x, y, groups=group)
        assert found.se is not None
        truth = 1 + 0.2 * np.log2(0.2) + 0.8 * np.log2(0.8)
        hits[1] += abs(found.value - truth) < half_width(0.95, group) * found.se
        logit = 2 * rng.normal(size=n_groups)
        p = 1 / (1 + np.exp(-logit))
        labels = (rng.random(n_groups) < p).astype(int)[group]
        p_t = np.stack([1 - p, p], axis=1)[group]
        p_t = p_t + 1e-4 * rng.random(p_t.shape)
        result = pidkd.decompose(
            Posteriors(labels, p_t / p_t.sum(1, keepdims=True), np.full(p_t.shape, 0.5), groups=group)
        )
        assert result.interval is not None
        hits[2] += result.interval["mi_t"][0] < LOGISTIC < result.interval["mi_t"][1]
    assert ((hits / times >= 0.9) & (hits / times <= 0.98)).all(), hits / times


def _logistic() -> float:
    """I(Y;T) in bits of a label with log odds 2z, z standard normal."""
    z = np.linspace(-8, 8, 20001)
    weight = np.exp(-(z**2) / 2)
    p = np.clip(1 / (1 + np.exp(-2 * z)), 1e-15, 1 - 1e-15)
    h = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return float(1 - (weight * h).sum() / weight.sum())


LOGISTIC = _logistic()


@pytest.mark.parametrize("method", [Bootstrap(n=100), Jackknife()])
def test_resampled_errors_are_those_of_the_groups(method: Any) -> None:
    rng = np.random.default_rng(0)
    y, t, s = rng.integers(2, size=(3, N))
    t = np.where(rng.random(N) < 0.3, t, y)
    alone = pidkd.decompose(y, t, s, uncertainty=method)
    copies = pidkd.decompose(y[FOUR], t[FOUR], s[FOUR], groups=FOUR, uncertainty=method)
    blind = pidkd.decompose(y[FOUR], t[FOUR], s[FOUR], uncertainty=method)
    assert alone.se is not None
    assert copies.se is not None
    assert blind.se is not None
    assert copies.se["mi_t"] == pytest.approx(alone.se["mi_t"], rel=0.25)
    assert blind.se["mi_t"] < 0.7 * copies.se["mi_t"]


def test_few_groups_are_few_samples() -> None:
    y, t, s = (RNG.integers(4, size=40)[np.repeat(np.arange(40), 100)] for _ in range(3))
    with pytest.warns(SmallSampleWarning, match="40 groups for 4 classes and .* groups would do"):
        pidkd.decompose(y, t, s, groups=np.repeat(np.arange(40), 100))


@pytest.mark.parametrize("data", [pidkd.Pmf(np.full((2, 2, 2), 1 / 8)), pidkd.Gaussian(np.eye(3), (1, 1, 1))])
def test_groups_are_of_samples(data: Any) -> None:
    with pytest.raises(InputError, match=r"decompose\(..., groups\): expected samples, one row each"):
        pidkd.decompose(data, groups=np.arange(4))
