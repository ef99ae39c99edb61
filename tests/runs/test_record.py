"""Finished pieces are known by what they hold, and by what they were made from."""

import json
import pickle

import numpy as np
import pytest

from pidkd.errors import InputError
from pidkd.runs.record import check_record, content_key, differences, resumed

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "words": np.array(["x", "yz"])}


def work():
    return {"x": 1.5}, dict(ARRAYS)


def never():
    raise AssertionError("done before")


def test_a_finished_piece_is_read(tmp_path):
    resumed(tmp_path, "key", work)
    record, arrays = resumed(tmp_path, "key", never)
    assert record == {"x": 1.5}
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], values)


def hurt(path, content: bytes):
    if content == b"flip":
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 3] ^= 4
        path.write_bytes(whole)
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("content", [b"", b"x", b"flip", b"PK\x03\x04"])
def test_a_damaged_piece_is_done_again(tmp_path, content):
    resumed(tmp_path, "key", work)
    hurt(tmp_path / "key.npz", content)
    assert resumed(tmp_path, "key", work)[0] == {"x": 1.5}
    assert resumed(tmp_path, "key", never)[0] == {"x": 1.5}


@pytest.mark.parametrize("record", ["[]", "null", "{}", "1", '"x"'])
def test_a_piece_that_somebody_else_wrote_is_done_again(tmp_path, record):
    np.savez(tmp_path / "key.npz", record=np.array(record), **ARRAYS)
    assert resumed(tmp_path, "key", work)[0] == {"x": 1.5}


def test_a_piece_under_another_name_is_done_again(tmp_path):
    resumed(tmp_path, "key", work)
    (tmp_path / "key.npz").rename(tmp_path / "other.npz")
    with pytest.raises(AssertionError):
        resumed(tmp_path, "other", never)


def test_keys_are_of_content_and_options():
    values = np.arange(5.0)
    assert content_key({"a": 1}, values) == content_key({"a": 1}, values.copy())
    assert len({content_key({"a": a}, v) for a in (1, 2) for v in (values, values + 1, values.astype("f4"))}) == 6


def test_differences_are_named():
    before = {"data": {"train": "a", "test": "b"}, "noise": 0.6}
    now = {"data": {"train": "c", "test": "b"}, "noise": 52.7}
    assert differences(before, now) == ["data.train 'c' instead of 'a'", "noise 52.7 instead of 0.6"]
    with pytest.raises(InputError, match=r"data.train 'c' instead of 'a'; noise 52.7 instead of 0.6; take another"):
        check_record("out", before, now, "take another folder")
    check_record("out", json.loads(json.dumps(now)), {**now, "noise": 52.7}, "")


@pytest.mark.parametrize("record", [None, [], 3, "x"])
def test_a_record_that_is_none(record):
    with pytest.raises(InputError, match="expected the record of what is here"):
        check_record("out", record, {}, "take another folder")


def test_a_piece_is_carried_by_its_name(tmp_path):
    _, kept = resumed(tmp_path, "key", work, by_name=True)
    sent = pickle.dumps(kept)
    assert len(sent) < 500
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(pickle.loads(sent)[name], values)
    hurt(tmp_path / "key.npz", b"flip")
    with pytest.raises(InputError, match="expected a finished piece of this run, got none that is whole"):
        pickle.loads(sent)["a"]
