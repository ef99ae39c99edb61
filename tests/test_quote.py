"""Values in messages: one line of at most 80 letters, however large, nested, cyclic or ill-behaved."""

from dataclasses import dataclass

import numpy as np
import pytest

from pidkd.errors import quote

CYCLE: list[object] = [1]
CYCLE.append(CYCLE)
NESTED: object = "x"
for _ in range(60):  # as YAML with anchors makes it: 10^60 letters, if all of it were written
    NESTED = [NESTED] * 10


@dataclass
class Holder:
    values: object


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("hot", "'hot'"),
        (2.5, "2.5"),
        (None, "None"),
        ((1,), "(1,)"),
        ({}, "{}"),
        ({"a": [1, "b"]}, "{'a': [1, 'b']}"),
        (np.zeros((2, 3)), "ndarray of float64, shape (2, 3)"),
        pytest.param(10**5000, "an integer of 16,610 bits", id="huge"),
        ("a\nb\x1b[31m", r"'a\nb\x1b[31m'"),
        (Hostile(), "a Hostile"),
        (Holder([1]), "Holder(values=[1])"),
    ],
)
def test_a_value_is_quoted(value: object, text: str) -> None:
    assert quote(value) == text


@pytest.mark.parametrize(
    "value", [CYCLE, NESTED, ["x" * 10**6] * 10**6, dict.fromkeys(range(100), CYCLE), Holder(NESTED)]
)
def test_no_more_is_built_than_is_shown(value: object) -> None:
    text = quote(value)
    assert len(text) == 80
    assert text.endswith("...")
    assert "\n" not in text
