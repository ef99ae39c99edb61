"""Texts and their labels in columns of comma-separated files."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Annotated

import numpy as np

from pidkd.arrays import IntArray
from pidkd.distill.data._files import required
from pidkd.distill.text_data import PADDING, TextData
from pidkd.errors import InputError, quote
from pidkd.files.tables import read_column
from pidkd.parameters import Fraction, Whole

WORD = re.compile(r"\w+|[^\w\s]")
"""A word, or a sign of punctuation."""

UNKNOWN = PADDING + 1
"""Token of words that are not in the vocabulary."""

FIRST = UNKNOWN + 1
"""Token of the first word of the vocabulary."""


def read(
    path: Path | None,
    text: str = "text",
    label: str = "label",
    length: Annotated[int, Whole(1, 4_096)] = 64,
    words: Annotated[int, Whole(1, 1_000_000)] = 10_000,
    held_out: Annotated[float, Fraction(ends="()")] = 0.2,
) -> tuple[TextData, TextData]:
    """Columns ``text`` and ``label`` of one .csv file, of which a ``held_out`` fraction is the test set.

    In a folder train.csv and test.csv are the two sets. Texts become lower-case words and punctuation, cut after
    ``length`` of them. The vocabulary is the ``words`` most frequent ones of the training set; one token stands for all
    others.
    """
    place = required(path, "a .csv file, or a folder with train.csv and test.csv")
    files = [place / "train.csv", place / "test.csv"] if place.is_dir() else [place]
    texts = [_texts(file, text, length) for file in files]
    names = [[str(name) for name in read_column(file, [label])] for file in files]
    classes, vocabulary = sorted(set(names[0])), sorted({word for of_file in texts for one in of_file for word in one})
    token = {word: number for number, word in enumerate(vocabulary, FIRST)}
    sets = []
    for file, of_file, named in zip(files, texts, names, strict=True):
        unknown = next((name for name in named if name not in classes), None)
        if unknown is not None:
            raise InputError(f"{file}: {label}", f"the classes of {files[0].name}", f"another one, {quote(unknown)}")
        tokens = np.full((len(of_file), length), PADDING)
        for row, one in zip(tokens, of_file, strict=True):
            row[: len(one)] = [token[word] for word in one]
        labels = np.array([classes.index(name) for name in named])
        sets.append(TextData(tokens, labels, len(classes), FIRST + len(vocabulary), name=str(file)))
    train, test = sets if len(sets) == 2 else sets[0].split(held_out)
    kept = _most_frequent(train, words)
    return _renumbered(train, kept), _renumbered(test, kept)


def _texts(file: Path, column: str, length: int) -> list[list[str]]:
    """Words of each text of a column, cut after ``length`` of them."""
    return [WORD.findall(str(text).lower())[:length] for text in read_column(file, [column])]


def _most_frequent(data: TextData, n: int) -> IntArray:
    """Tokens of the ``n`` most frequent words of a data set, the most frequent first."""
    counts = np.bincount(data.tokens.ravel(), minlength=data.n_tokens)
    counts[PADDING] = 0
    order = np.argsort(-counts, kind="stable")[:n]
    kept: IntArray = order[counts[order] > 0]
    return kept


def _renumbered(data: TextData, kept: IntArray) -> TextData:
    """The same with the tokens that are kept in their order, and one token for all others."""
    token = np.full(data.n_tokens, UNKNOWN)
    token[PADDING] = PADDING
    token[kept] = FIRST + np.arange(len(kept))
    return dataclasses.replace(data, tokens=token[data.tokens], n_tokens=FIRST + len(kept))
