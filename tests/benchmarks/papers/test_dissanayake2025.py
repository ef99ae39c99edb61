"""The RID paper's questions at small scale: differences from the record of distillation."""

import pytest
from scipy.stats import ttest_rel

from pidkd.benchmarks.distillation import read_lines, rows_of
from pidkd.benchmarks.papers.dissanayake2025 import RECORD, _difference, at_small_scale
from pidkd.distill.experiments.pairing import paired_differences


def rows_with(rid, vid):
    return [
        {"method": method, "teacher": "trained", "seed": seed, "accuracy": accuracy}
        for method, accuracies in (("rid", rid), ("vid", vid))
        for seed, accuracy in enumerate(accuracies)
    ]


def difference(rid, vid, printed):
    rows = rows_with(rid, vid)
    return list(_difference(rows, "trained", ("RID", "VID"), "accuracy", "accuracy", printed))


def test_the_interval_is_that_of_the_paired_t_test():
    rid, vid = [0.80, 0.83, 0.79, 0.85], [0.78, 0.82, 0.80, 0.80]
    [number] = difference(rid, vid, {})
    assert number.ours == pytest.approx(1.75)
    assert number.interval == pytest.approx([100 * end for end in ttest_rel(rid, vid).confidence_interval(0.95)])


@pytest.mark.parametrize(
    ("printed", "note"),
    [
        ({}, "3 seeds; not in the paper"),
        ({"A": 3.0, "B": 40.0}, "3 seeds; sign as on A (+3), B (+40)"),
        ({"A": 3.0, "B": -4.0}, "3 seeds; sign as on A (+3); not as on B (-4)"),
        ({"B": -4.0}, "3 seeds; not as on B (-4)"),
    ],
)
def test_the_note_says_where_the_sign_agrees(printed, note):
    [number] = difference([0.80, 0.81, 0.82], [0.70, 0.71, 0.73], printed)
    assert number.note == note
    assert number.reproduces is None  # other data, other networks


def test_a_sign_is_undecided_from_one_seed_or_where_the_interval_holds_zero():
    for rid, vid in (([0.8], [0.7]), ([0.80, 0.70], [0.70, 0.80])):
        [number] = difference(rid, vid, {"A": 3.0})
        assert number.note.endswith("; undecided; A (+3)")


def test_nothing_is_said_of_methods_that_the_record_does_not_have():
    assert difference([], [0.7], {"A": 3.0}) == []


def test_gains_are_those_of_the_page_of_results():
    entries = {(e["method"], e["teacher"]): e for e in paired_differences(rows_of(read_lines(RECORD), "digits"))}
    gains = {number.quantity: number.ours for number in at_small_scale(["digits"], "trained")}
    for name, method in (("RID", "rid"), ("VID", "vid")):
        for teacher in ("trained", "untrained"):
            gain = 100 * entries[method, teacher]["accuracy"]
            assert gains[f"accuracy, {name} less no teacher, {teacher} teacher"] == pytest.approx(gain)
