"""Sentences of an artificial language, generated: nothing to download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np

from pidkd.distill.text_data import PADDING, TextData
from pidkd.errors import InputError, quote
from pidkd.parameters import SEED, Whole

NOT = PADDING + 1
"""Token that negates the next one."""

FILLERS = range(NOT + 1, NOT + 41)
"""Tokens that say nothing of the topic."""

WORDS = 80
"""Words of a topic, the k-th of which is drawn with a probability in proportion to 1 / k."""

LENGTH = 24


def read(
    path: Path | None,
    n_train: Annotated[int, Whole(1, 1_000_000)] = 6_000,
    n_test: Annotated[int, Whole(1, 1_000_000)] = 2_000,
    topics: Annotated[int, Whole(2, 100)] = 6,
    seed: Annotated[int, SEED] = 0,
) -> tuple[TextData, TextData]:
    """Sentences of 7 to 24 words of an artificial language, labelled by the topic of the words that are not negated.

    Two to four words of the topic stand among as many words of others, each of which a word for *not* precedes, and
    among words that say nothing. Which words belong to a topic has to be learned, and most of them are rare.
    """
    if path is not None:
        raise InputError("data.path", "none, for the sentences are generated", quote(str(path)))
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, WORDS + 1)
    share /= share.sum()
    n_tokens = FILLERS.stop + topics * WORDS
    sets = []
    for part, n in (("train", n_train), ("test", n_test)):
        labels = rng.permutation(np.arange(n) % topics)
        tokens = np.full((n, LENGTH), PADDING)
        for row, topic in zip(tokens, labels, strict=True):
            own, others = rng.integers(2, 5, 2)
            of_topic = np.append(np.full(own, topic), (topic + rng.integers(1, topics, others)) % topics)
            words = FILLERS.stop + of_topic * WORDS + rng.choice(WORDS, own + others, p=share)
            phrases = [[word] for word in words[:own]] + [[NOT, word] for word in words[own:]]
            phrases += [[word] for word in rng.choice(FILLERS, rng.integers(1, 9))]
            sentence = [word for i in rng.permutation(len(phrases)) for word in phrases[i]]
            row[: len(sentence)] = sentence
        sets.append(TextData(tokens, labels, topics, n_tokens, name=f"sentences, {part}"))
    return sets[0], sets[1]
