"""Columns of tables: what is a heading, what is a number, and cells that a spreadsheet would run."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pidkd.errors import InputError
from pidkd.files.reading import read_array, read_labels
from pidkd.files.tables import guarded, read_column, unguarded


def column(tmp_path, text, names=()):
    (tmp_path / "y.csv").write_text(text)
    return read_column(tmp_path / "y.csv", names)


def complaint(tmp_path, text, names=()) -> str:
    with pytest.raises(InputError) as caught:
        column(tmp_path, text, names)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_ids_of_nineteen_digits_are_different_labels(tmp_path):
    ids = [9007199254740993 + i for i in range(3)] + [2**63 - 1, -(2**63)]
    assert column(tmp_path, "label\n" + "\n".join(map(str, ids))).tolist() == ids
    ids = [2**64 - 1, 2**64 - 2, 0]
    assert column(tmp_path, "label\n" + "\n".join(map(str, ids))).tolist() == ids
    ids = [10**30 + 1, 10**30 + 2]
    assert column(tmp_path, "label\n" + "\n".join(map(str, ids))).tolist() == list(map(str, ids))


def test_zeros_in_front_are_part_of_a_name(tmp_path):
    assert column(tmp_path, "label\n007\n7\n08\n").tolist() == ["007", "7", "08"]


@pytest.mark.parametrize("cell", ["1_000", "１", "0x10", "+5", "--5"])
def test_what_only_python_calls_a_number_is_text(tmp_path, cell):
    assert column(tmp_path, f"label\n{cell}\n5\n").tolist() == [cell, "5"]


def test_whole_numbers_that_floats_cannot_hold(tmp_path):
    assert "expected whole numbers below 2^53" in complaint(tmp_path, "label\n9007199254740993.0\n1.0\n")


TABLE = "y,t,s\n0,a,10\n1,b,20\n"


def test_the_name_of_an_option_chooses_the_column(tmp_path):
    assert column(tmp_path, TABLE, ("y", "labels")).tolist() == [0, 1]
    assert column(tmp_path, TABLE, ("t", "teacher")).tolist() == ["a", "b"]
    assert column(tmp_path, TABLE, ("s", "student")).tolist() == [10, 20]
    assert "expected one column, or one named x, got columns y, t, s" in complaint(tmp_path, TABLE, ("x",))


def test_an_earlier_name_wins(tmp_path):
    assert column(tmp_path, "label,y\n5,0\n6,1\n", ("y", "labels")).tolist() == [0, 1]


def test_two_columns_of_one_name(tmp_path):
    assert "expected one column named y" in complaint(tmp_path, "y,Y\n1,2\n", ("y",))


def test_a_first_line_of_text_is_never_guessed_at(tmp_path):
    assert "'species' in the first line; give the column a heading" in complaint(tmp_path, "species\ncat\ndog\ncat\n")
    assert column(tmp_path, "cat\ndog\ncat\n").tolist() == ["cat", "dog", "cat"]


def test_a_heading_alone(tmp_path):
    assert "got a heading alone" in complaint(tmp_path, "label\n")


def test_a_line_without_an_end(tmp_path):
    assert "a line of more than" in complaint(tmp_path, "x" * 2**23)
    (tmp_path / "zeros.csv").write_bytes(bytes(2**23))
    with pytest.raises(InputError):
        read_labels(tmp_path / "zeros.csv", "")


def test_one_long_cell_among_many(tmp_path):
    (tmp_path / "y.csv").write_text("label\n" + "x" * 100_000 + "\n" + "y\n" * 10_000)
    with pytest.raises(InputError, match="bytes in memory"):
        read_array(tmp_path / "y.csv", (), 2**24)


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "+cmd", "-cmd|calc", "\tx", "\rx", "'=x", "''"])
def test_cells_that_a_spreadsheet_would_run(tmp_path, cell):
    assert guarded(cell).startswith("'")
    with (tmp_path / "y.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["label"], [guarded(cell)], ["other"]])
    assert read_column(tmp_path / "y.csv").tolist() == [cell.strip() if cell.isspace() else cell, "other"]


@pytest.mark.parametrize("cell", ["-0.5", "+1", "-inf", "3", "cat", "", "it's"])
def test_cells_that_stay(cell):
    assert guarded(cell) == cell


@given(st.text())
def test_what_is_guarded_is_read_back(cell):
    assert unguarded(guarded(cell)) == cell


def test_labels_of_a_few_lines(tmp_path):
    np.testing.assert_array_equal(column(tmp_path, "3\n"), [3])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"y\n1\nNA\n2\n", "a number in every line, got 'NA' in line 3; leave out"),
        (b"y\n1\n?\n2\n", "a number in every line, got '?' in line 3"),
        (b"y;t\n1;2\n", "columns separated by commas, got columns separated by semicolons"),
        (b"id\ty\n1\t2\n", "columns separated by commas, got columns separated by tabs"),
        ("y\né\n".encode("latin-1"), "comma-separated text in UTF-8"),
        ("y\n1\n".encode("utf-16"), "comma-separated text in UTF-8"),
    ],
)
def test_tables_of_other_tools_are_told_apart(tmp_path, content, words):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_column(tmp_path / "a.csv", ("y",))
    assert words in str(caught.value)
    (tmp_path / "a.csv").write_bytes(b"y\nNA\nyes\nno\n")  # text among text is a label
    assert read_column(tmp_path / "a.csv", ("y",)).tolist() == ["NA", "yes", "no"]
