"""Sentences of an artificial language."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pidkd.distill.data.sentences import FILLERS, NOT, WORDS
from pidkd.distill.dataset import load_data
from pidkd.errors import InputError


def test_the_label_is_the_topic_of_all_words_that_are_not_negated() -> None:
    train, test = load_data("sentences", n_train=60, n_test=30, topics=4)
    assert (len(train), len(test), train.n_classes) == (60, 30, 4)
    for data in (train, test):
        for tokens, label in zip(data.tokens, data.labels, strict=True):
            words = tokens[tokens > 0]
            assert 7 <= len(words) <= 24
            assert (tokens[len(words) :] == 0).all()
            negated = np.append(False, words[:-1] == NOT)
            topics = (words - FILLERS.stop) // WORDS
            of_topic = words >= FILLERS.stop
            assert set(topics[of_topic & ~negated]) == {label}
            assert label not in topics[of_topic & negated]


def test_a_seed_gives_the_same_sentences_again() -> None:
    first, again, other = (load_data("sentences", n_train=20, n_test=5, seed=seed)[0] for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_no_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data.path: expected none, for the sentences are generated"):
        load_data("sentences", tmp_path)
