import errno

import numpy as np
import pytest

from pidkd.errors import InputError
from pidkd.estimators.solvers.posterior import columns


def test_features_are_standardised_whatever_their_scale():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4)) * [1e-30, 1.0, 1e30, 0.0] + [0.0, 1e6, 0.0, 7.0]
    found = columns.features(x, None, 0)
    assert found.dtype == np.float32
    assert found[:, :3].std(axis=0) == pytest.approx(np.ones(3), abs=1e-3)
    assert (found[:, 3] == 0).all()


def test_wide_layers_keep_their_leading_directions():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(80, 3))
    x = factors @ rng.normal(size=(3, 500)) + 0.01 * rng.normal(size=(80, 500))
    found = columns.features(x, 10, 0)
    assert found.shape == (80, 10)
    assert found.std(axis=0).max() == pytest.approx(1, abs=1e-3)
    guessed = found @ np.linalg.lstsq(found, factors, rcond=None)[0]
    assert guessed == pytest.approx(factors - factors.mean(axis=0), abs=0.1)


@pytest.mark.parametrize("n_components", [None, 7])
def test_a_file_holds_the_same_numbers(n_components, monkeypatch):
    monkeypatch.setattr(columns, "PIECE_BYTES", 1000)
    x = np.random.default_rng(0).normal(size=(90, 20)).astype(np.float32)
    memory, file = (columns.features(x, n_components, 0, on_disk) for on_disk in (False, True))
    rows = np.array([3, 88, 0, 3])
    assert (file[rows] == memory[rows]).all()
    assert isinstance(file, np.memmap)
    assert file.shape == memory.shape == (90, columns.columns_of(x, n_components))


def test_a_full_disk(monkeypatch):
    def allocate(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(columns.os, "posix_fallocate", allocate, raising=False)
    with pytest.raises(InputError, match=r"expected room for 0\.0 GiB of features.*got No space left.*; .*TMPDIR"):
        columns.features(np.ones((10, 2)), None, 0, on_disk=True)
