"""Warnings about an epoch: each for its fault, and none for a run that gains."""

from typing import Any

import pytest

from pidkd.distill.training.advice import advice_on


def advice(ratio: float, cosine: float, factor: float = 1.0, *, is_capped: bool = False, **row: Any) -> set[str]:
    balance = {"ratio": ratio, "factor": factor, "cosine": cosine}
    return set(advice_on({"epoch": 3, "balance": balance} | row, "kd", is_capped=is_capped))


@pytest.mark.parametrize(
    ("balance", "kinds"),
    [
        ((57.0, 0.1), {"heavy"}),
        ((57.0, 0.1, 0.05), set()),  # 2.9 after the cap
        ((40.0, 0.7), set()),  # a good teacher's logits
        ((0.9, -0.85), {"opposed"}),  # an untrained teacher's
        ((57.0, -0.85), {"heavy", "opposed"}),
        ((0.1, -0.85), set()),  # pushes against the task, but with no say
        ((3.0, 0.0), set()),
    ],
)
def test_how_hard_matching_pushes_and_where(balance: tuple[float, ...], kinds: set[str]) -> None:
    assert advice(*balance) == kinds


def test_what_a_cap_leaves_is_on_logits_and_judged_by_its_direction() -> None:
    assert advice(40.0, 0.1, is_capped=True) == set()
    assert advice(40.0, -0.8, is_capped=True) == {"opposed"}


def test_matching_has_no_say_once_all_labels_are_fitted() -> None:
    assert advice(0.1, 0.1, train_accuracy=1.0) == {"light"}
    assert advice(0.1, 0.1, train_accuracy=0.9) == set()


def test_a_clipped_student_and_one_without_room_are_named() -> None:
    assert set(advice_on({"epoch": 0, "clip": {"student": 0.1, "mu": 0.01}}, "vid")) == {"clipped"}
    full = {"epoch": 9, "train_accuracy": 0.863, "valid_accuracy": 0.837}
    assert set(advice_on(full, "rid", is_last=True)) == {"room"}
    assert not advice_on(full, "none", is_last=True)
    assert not advice_on(full | {"train_accuracy": 1.0, "valid_accuracy": 0.79}, "rid", is_last=True)
