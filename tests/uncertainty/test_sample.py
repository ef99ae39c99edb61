"""Samples: what is drawn again has the law of the rows, and a shuffle keeps what it promises to keep."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pidkd import Activations, Codes, Gaussian, Pmf, Posteriors
from pidkd.arrays import FloatArray
from pidkd.errors import InputError
from pidkd.info import too_few_samples
from pidkd.synthetic import histogram, random_pmf
from pidkd.uncertainty.sample import Counts, Rows, Sample, as_sample

COUNTS = arrays(np.int64, (2, 3, 2), elements=st.integers(0, 20)).filter(lambda c: c.sum() >= 8)
RNG = np.random.default_rng(0)
CODES = Codes(*RNG.integers(3, size=(3, 30)))
F = RNG.normal(size=(6, 2))
Y = [0, 0, 1, 1, 1, 0]


def counts(pmf: Pmf) -> FloatArray:
    assert pmf.n_samples is not None
    return np.rint(pmf.p * pmf.n_samples)


def test_tables_are_drawn_as_rows_are() -> None:
    table, rows = Counts(CODES.pmf()), Rows(CODES)
    p, n, times = CODES.pmf().p.ravel(), 30, 2000
    drawn = np.array([counts(table.drawn(np.random.default_rng(i))).ravel() for i in range(times)])
    by_row = np.zeros((times, p.size))
    for i in range(times):
        codes = rows.drawn(np.random.default_rng(i))
        assert isinstance(codes, Codes)
        by_row[i] = np.bincount(codes.y * 9 + codes.t * 3 + codes.s, minlength=27)
    for found in (drawn, by_row):
        assert (found.sum(axis=1) == n).all()
        error = np.sqrt(n * p * (1 - p) / times)
        assert (np.abs(found.mean(axis=0) - n * p) <= 5 * error).all()
        expected = n * (np.diag(p) - np.outer(p, p))
        assert np.abs(np.cov(found.T, bias=True) - expected).max() < 0.3 * expected.max()


@given(COUNTS)
def test_quarters_make_halves_and_halves_make_the_whole(c: FloatArray) -> None:
    first, second, *quarters = (counts(part) for part in Counts(Pmf.from_counts(c)).quartered(np.random.default_rng(0)))
    assert np.array_equal(first + second, c)
    assert np.array_equal(quarters[0] + quarters[1], first)
    assert np.array_equal(quarters[2] + quarters[3], second)
    n = int(c.sum())
    halves = [n // 2, n - n // 2]
    assert [first.sum(), second.sum()] == halves
    assert [q.sum() for q in quarters] == [size for half in halves for size in (half // 2, half - half // 2)]


def test_rows_are_quartered_without_loss() -> None:
    y = np.arange(11)
    parts = Rows(Codes(y, y, y)).quartered(np.random.default_rng(0))
    assert [part.n_samples for part in parts] == [5, 6, 2, 3, 3, 3]
    for group in (parts[:2], parts[2:]):
        assert sorted(np.concatenate([part.y for part in group])) == list(y)


@given(COUNTS)
def test_each_kind_of_sample_is_left_out_once(c: FloatArray) -> None:
    sample = Counts(Pmf.from_counts(c))
    left = [counts(pmf) for pmf in sample.left_out()]
    assert sample.multiplicity().sum() == sample.n == c.sum()
    for rest, weight in zip(left, sample.multiplicity(), strict=True):
        gone = c - rest
        assert gone.sum() == gone.max() == 1
        assert c[gone == 1] == weight


@given(COUNTS)
def test_shuffles_keep_their_margins(c: FloatArray) -> None:
    sample, rng = Counts(Pmf.from_counts(c)), np.random.default_rng(1)
    labels = counts(sample.shuffled("y", rng))
    assert np.array_equal(labels.sum(axis=0), c.sum(axis=0))
    assert np.array_equal(labels.sum(axis=(1, 2)), c.sum(axis=(1, 2)))
    for of in "ts":
        within = counts(sample.shuffled(of, rng))
        assert np.array_equal(within.sum(axis=2), c.sum(axis=2))
        assert np.array_equal(within.sum(axis=1), c.sum(axis=1))


@pytest.mark.parametrize("of", ["y", "t", "s"])
def test_rows_and_tables_are_shuffled_alike(of: str) -> None:
    table, rows = Counts(CODES.pmf()), Rows(CODES)
    times = 1000
    cells = np.zeros((2, times, 3, 3, 3))
    for i in range(times):
        rng = np.random.default_rng(i)
        cells[0, i] = counts(table.shuffled(of, rng))
        codes = rows.shuffled(of, rng)
        assert isinstance(codes, Codes)
        np.add.at(cells[1, i], (codes.y, codes.t, codes.s), 1)
    mean, error = cells.mean(axis=1), cells.std(axis=1) / np.sqrt(times)
    assert (np.abs(mean[0] - mean[1]) <= 5 * np.hypot(*error) + 1e-12).all()
    # By hand: the expectation is a product, over the whole table or within each class.
    c = counts(CODES.pmf())
    if of == "y":
        expected = c.sum(axis=(1, 2))[:, None, None] * c.sum(axis=0) / 30
    else:
        expected = c.sum(axis=2)[:, :, None] * c.sum(axis=1)[:, None, :] / c.sum(axis=(1, 2))[:, None, None]
    assert (np.abs(mean - expected) <= 5 * error + 1e-12).all()


@given(COUNTS)
def test_the_model_is_independent_within_classes(c: FloatArray) -> None:
    p, model = Pmf.from_counts(c).p, Counts(Pmf.from_counts(c)).model().p
    assert model.sum(axis=2) == pytest.approx(p.sum(axis=2))
    assert model.sum(axis=1) == pytest.approx(p.sum(axis=1))
    for table in model[model.sum(axis=(1, 2)) > 0]:
        assert np.linalg.matrix_rank(table, tol=1e-12) == 1


def test_a_source_is_shuffled_beside_everything_else() -> None:
    activations = Activations(Y, F, F + 1)
    for of, kept in (("t", "s"), ("s", "t")):
        shuffled = Rows(activations).shuffled(of, np.random.default_rng(3))
        assert np.array_equal(getattr(shuffled, kept), getattr(activations, kept))
        for label in (0, 1):
            found, given_ = (getattr(x, of)[np.array(Y) == label] for x in (shuffled, activations))
            assert sorted(map(tuple, found)) == sorted(map(tuple, given_))


P = np.full((6, 2), 0.5)


@pytest.mark.parametrize(
    ("data", "of", "message"),
    [
        (Activations(F[:, 0], F, F), "t", "Permutation(of='t'): expected labels, within which to shuffle, got a con"),
        (Posteriors(np.array(Y), P, P, P), "s", "Permutation(of='s'): expected posteriors of each source alone, got p"),
    ],
)
def test_shuffles_that_cannot_be(data: Activations | Posteriors, of: str, message: str) -> None:
    sample: Sample = Rows(data)
    sample.check_shuffle("y")
    with pytest.raises(InputError, match=re.escape(message)):
        sample.check_shuffle(of)


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (Pmf(np.full((2, 2, 2), 1 / 8)), "got an exact table (n_samples None); an exact table has no sampling"),
        (Pmf(np.full((2, 2, 2), 1 / 8), n_samples=9), "got a table that 9 samples cannot give; counts go in by"),
        (Gaussian(np.eye(3), (1, 1, 1)), "got a covariance; bring the samples"),
    ],
)
def test_what_is_no_sample(data: Pmf | Gaussian, got: str) -> None:
    with pytest.raises(InputError, match=re.escape(got)) as caught:
        as_sample(data, data)
    assert caught.value.where == "decompose(..., uncertainty)"


@pytest.mark.parametrize(("n", "mi"), [(50, 1.0), (200, 0.5), (200, 0.01), (1000, 0.001)])
def test_the_number_that_would_do_does(n: int, mi: float) -> None:
    pmf = histogram(random_pmf((4, 3, 3)), n)
    told = too_few_samples(pmf, mi)
    assert told is not None
    found = re.search(r"about (\d+) samples would do", told)
    assert found is not None
    enough = int(found[1])
    assert enough > n
    assert too_few_samples(Pmf(pmf.p, n_samples=enough), mi) is None
    assert too_few_samples(Pmf(pmf.p, n_samples=enough // 2), mi) is not None


def test_what_is_never_too_few() -> None:
    assert too_few_samples(Pmf(np.full((2, 2, 2), 1 / 8)), 0.0) is None
    assert too_few_samples(Activations(Y, F, F), 0.0) is None
    assert too_few_samples(CODES, 0.1) == too_few_samples(CODES.pmf(), 0.1) is not None
