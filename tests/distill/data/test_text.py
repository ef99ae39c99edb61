"""Texts and labels in columns of comma-separated files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pidkd.distill.dataset import load_data
from pidkd.errors import InputError

TRAIN = 'id,text,label\n1,"Good, good film",yes\n2,A bad film,no\n3,bad bad,no\n'
TEST = 'id,text,label\n7,An unseen GOOD one!,yes\n8,"bad, indeed",no\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.csv").write_text(TRAIN, encoding="utf-8")
    (tmp_path / "test.csv").write_text(TEST, encoding="utf-8")
    return tmp_path


def test_the_vocabulary_is_that_of_the_training_set_by_frequency(folder: Path) -> None:
    train, test = load_data("text", folder, length=4)
    # bad 3 times; film and good twice; a and the comma once: 2 to 6. 1 is any other word, 0 is padding.
    assert train.n_tokens == 7
    assert train.tokens.tolist() == [[4, 5, 4, 3], [6, 2, 3, 0], [2, 2, 0, 0]]
    assert test.tokens.tolist() == [[1, 1, 4, 1], [2, 5, 1, 0]]
    assert (train.labels.tolist(), test.labels.tolist()) == ([1, 0, 0], [1, 0])
    few, _ = load_data("text", folder, length=4, words=2)
    assert few.tokens.tolist() == [[1, 1, 1, 3], [1, 2, 3, 0], [2, 2, 0, 0]]


def test_one_file_is_split_by_class(tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    rows = [f"word{i} {'warm' if i % 2 else 'cold'},{'w' if i % 2 else 'c'}" for i in range(40)]
    file.write_text("\n".join(["review,kind", *rows]), encoding="utf-8")
    train, test = load_data("text", file, text="review", label="kind", held_out=0.25)
    assert (len(train), len(test), test.labels.sum()) == (30, 10, 5)
    assert not set(train.ids) & set(test.ids)
    assert test.n_tokens == train.n_tokens == 2 + 2 + 30
    assert (test.tokens == 1).sum() == 10


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (
            "text,label\ngood,perhaps\n",
            r"test.csv: label: expected the classes of train.csv, got another one, 'perhaps'",
        ),
        ("text,kind\ngood,yes\n", r"test.csv: expected one column, or one named label"),
        ("text,label\n,yes\n", r"test.csv: expected a label in every line, got none in line 2"),
    ],
)
def test_other_contents_are_refused(folder: Path, test: str, words: str) -> None:
    (folder / "test.csv").write_text(test, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        load_data("text", folder)


def test_a_path_is_needed() -> None:
    with pytest.raises(InputError, match=r"data.path: expected a .csv file, or a folder with train.csv and test.csv"):
        load_data("text")
