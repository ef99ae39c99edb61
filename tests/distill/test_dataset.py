"""Labelled images: checks, subsets, noise, fingerprint."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pidkd.distill.dataset import ImageData, load_data
from pidkd.errors import InputError


@pytest.fixture
def data() -> ImageData:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(4), 25))
    return ImageData(rng.integers(0, 256, (100, 5, 6, 3), dtype=np.uint8), labels, 4, name="noise")


def test_moments_are_those_of_the_pixels(data: ImageData) -> None:
    pixels = data.images.reshape(-1, 3) / 255
    np.testing.assert_allclose(data.mean, pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(data.std, pixels.std(axis=0), rtol=1e-12)


def test_subset_has_as_many_of_each_class_and_keeps_moments_and_ids(data: ImageData) -> None:
    part = data.per_class(7, seed=3)
    assert np.bincount(part.labels).tolist() == [7] * 4
    assert (part.mean, part.std) == (data.mean, data.std)
    np.testing.assert_array_equal(part.images, data.images[part.ids])
    np.testing.assert_array_equal(part.labels, data.labels[part.ids])
    assert (np.diff(part.ids) > 0).all()
    np.testing.assert_array_equal(part.ids, data.per_class(7, seed=3).ids)
    assert set(part.ids) != set(data.per_class(7, seed=4).ids)


def test_split_parts_are_disjoint_and_complete_and_alike_in_classes(data: ImageData) -> None:
    rest, held_out = data.split(0.2)
    assert sorted([*rest.ids, *held_out.ids]) == list(range(100))
    assert np.bincount(held_out.labels).tolist() == [5] * 4


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_label_noise_changes_just_that_part(data: ImageData, fraction: float) -> None:
    noisy = data.with_label_noise(fraction)
    assert (noisy.labels != data.labels).sum() == round(100 * fraction)
    np.testing.assert_array_equal(noisy.images, data.images)


def test_label_noise_goes_to_all_other_classes_alike() -> None:
    data = ImageData(np.zeros((3000, 1, 1, 1), np.uint8), np.zeros(3000, int), 4, std=(1.0,), mean=(0.0,))
    counts = np.bincount(data.with_label_noise(1.0).labels, minlength=4)
    assert counts[0] == 0
    # Within five standard deviations of a third of 3,000.
    assert (np.abs(counts[1:] - 1000) < 5 * np.sqrt(3000 * 2 / 9)).all()


def test_fingerprint_tells_content_apart_and_nothing_else(data: ImageData) -> None:
    assert dataclasses.replace(data, name="other", ids=data.ids[::-1]).fingerprint == data.fingerprint
    assert data.with_label_noise(0.01).fingerprint != data.fingerprint
    assert data.take(range(99)).fingerprint != data.fingerprint
    images = data.images.copy()
    images[50, 2, 2, 1] ^= 1
    assert dataclasses.replace(data, images=images).fingerprint != data.fingerprint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": np.zeros((100, 5, 6, 3))}, "uint8"),
        ({"images": np.zeros((100, 5, 6), np.uint8)}, "shape"),
        ({"labels": np.zeros(99, int)}, "100 integers"),
        ({"labels": np.full(100, 4)}, "classes from 0 to 3, got 4 in row 0"),
        ({"ids": np.arange(3)}, "100 of them"),
        ({"mean": (0.5,), "std": (1.0,)}, "3 of each"),
    ],
)
def test_refuses_what_does_not_agree(data: ImageData, change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        dataclasses.replace(data, **change)


def test_refuses_more_than_there_is(data: ImageData) -> None:
    with pytest.raises(InputError, match="from 1 to 25"):
        data.per_class(26)
    with pytest.raises(InputError, match="both sides"):
        data.split(0.001)
    with pytest.raises(InputError, match=r"in \[0, 1\]"):
        data.with_label_noise(1.5)


@pytest.mark.parametrize("value", ["x", None, True, float("nan"), [1]])
def test_values_of_other_types_are_refused_in_one_line(value):
    data = load_data("digits")[0]
    for method, parameter in ((data.per_class, "samples_per_class"), (data.split, "held_out")):
        with pytest.raises(InputError, match=f"{parameter}: expected"):
            method(value)
    with pytest.raises(InputError, match="label_noise: expected"):
        data.with_label_noise(value)
    with pytest.raises(InputError, match="seed: expected"):
        data.split(0.5, seed=value)
