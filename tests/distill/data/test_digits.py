"""The digits of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from pidkd.distill.dataset import load_data
from pidkd.errors import InputError


def test_all_digits_are_in_one_part_at_their_brightness() -> None:
    train, test = load_data("digits")
    assert sorted([*train.ids, *test.ids]) == list(range(1797))
    original = load_digits().images[train.ids]
    np.testing.assert_array_equal(np.round(train.images[..., 0] * (16 / 255)), original)


def test_needs_no_path() -> None:
    with pytest.raises(InputError, match="scikit-learn"):
        load_data("digits", "somewhere")
    with pytest.raises(InputError, match=r"data\.path: expected the name of a file or folder, got an empty one"):
        load_data("digits", "")
