"""Means and covariances of pieces are those of the whole."""

import numpy as np
import pytest

from pidkd import Moments, decompose
from pidkd.errors import InputError


def blocks(n=1000, offset=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return offset + rng.normal(size=n), offset + rng.normal(size=(n, 3)), rng.normal(size=(n, 2)) * [1, 1e3]


def whole(parts):
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_pieces_and_shards_give_the_covariance_of_the_whole(offset):
    parts = blocks(offset=offset)
    shards = [Moments() for _ in range(3)]
    for i, rows in enumerate(np.array_split(np.arange(1000), 17)):
        shards[i % 3].update(*(part[rows] for part in parts))
    merged = shards[0].merge(shards[1]).merge(shards[2]).merge(Moments())
    cov = np.cov(whole(parts).T)
    scale = np.sqrt(np.diag(cov))
    assert np.abs((merged.cov - cov) / scale / scale[:, None]).max() < (1e-13 if offset == 0 else 1e-9)
    assert merged.mean == pytest.approx(whole(parts).mean(axis=0), rel=1e-12, abs=1e-12)
    assert merged.n_samples == 1000
    assert merged.finish().dims == (1, 3, 2)
    assert merged.finish().n_samples == 1000


def test_single_precision_is_accumulated_in_double():
    y, t, s = (part.astype(np.float32) for part in blocks(20_000))
    moments = Moments()
    moments.update(y, t, s)
    assert moments.cov == pytest.approx(np.cov(whole((y, t, s)).astype(np.float64).T), rel=1e-10, abs=1e-7)


def test_bad_pieces_are_refused():
    moments = Moments()
    with pytest.raises(InputError, match=r"Moments.cov: expected at least 2 samples, got 0"):
        moments.cov  # noqa: B018
    moments.update(*blocks(10))
    with pytest.raises(InputError, match=r"blocks with \(1, 3, 2\) columns, as before, got \(1, 2, 3\)"):
        moments.update(*[blocks(10)[i] for i in (0, 2, 1)])
    with pytest.raises(InputError, match="equal lengths, got 10, 10, 9"):
        moments.update(*blocks(10)[:2], blocks(9)[2])
    y, t, s = blocks(10)
    t[4, 0] = np.nan
    with pytest.raises(InputError, match=r"Moments.update\(t\): expected finite values, got NaN or infinity in row 4"):
        moments.update(y, t, s)
    pair = Moments()
    pair.update(y, s)
    with pytest.raises(InputError, match=r"Moments.merge\(other\)"):
        moments.merge(pair)
    with pytest.raises(InputError, match="three blocks"):
        pair.finish()
    few = Moments()
    few.update(*blocks(6))
    with pytest.raises(InputError, match=r"Gaussian\(n_samples\): expected None, or a whole number > 6"):
        few.finish()


def test_collinear_and_constant_columns_are_dropped_where_asked():
    y, t, s = blocks(2000)
    y = y + t[:, 0]
    wide = np.concatenate([t, t[:, :1] - 2 * t[:, 1:2], np.full((2000, 1), 3.7)], axis=1)
    plain, with_more = Moments(), Moments()
    plain.update(y, t, s)
    with_more.update(y, wide, s)
    with pytest.raises(InputError):
        with_more.finish()
    found = with_more.finish(drop_collinear=True)
    assert (found.dims, found.n_samples) == ((1, 3, 2), 2000)
    atoms, known = (decompose(each, debias="none").atoms for each in (found, plain.finish()))
    assert atoms == pytest.approx(known, abs=1e-9)


def test_a_constant_block_is_named():
    moments = Moments()
    moments.update(*blocks(50)[:2], np.full(50, 0.1))
    with pytest.raises(InputError, match=r"Moments.finish\(s\): expected columns that vary"):
        moments.finish(drop_collinear=True)
