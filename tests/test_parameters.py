import math

import numpy as np
import pytest

from pidkd.errors import InputError
from pidkd.parameters import check_choice, check_flag, check_level, check_positive, check_whole


@pytest.mark.parametrize(
    ("check", "options", "good", "bad", "expected"),
    [
        (check_whole, (2,), (2, np.int8(5)), (1, 2.0, True, "2", None, math.nan), "a whole number >= 2"),
        (
            check_positive,
            ("seconds",),
            (1, 0.5, np.float32(2)),
            (0, -1, math.nan, math.inf, True, "1", None),
            "seconds > 0",
        ),
        (check_level, (), (0.95, np.float64(0.5)), (0, 1, 95, math.nan, "0.9", None), "a probability between 0 and 1"),
        (check_flag, (), (True, np.False_), (0, 1, "yes", None), "True or False"),
        (check_choice, (("a", "b"),), ("a",), ("c", 0, None, ["a"]), "one of 'a', 'b'"),
    ],
)
def test_what_is_refused_is_named(check, options, good, bad, expected):
    for value in good:
        check("broja(tol=...)", value, *options)
    for value in bad:
        with pytest.raises(InputError) as caught:
            check("broja(tol=...)", value, *options)
        assert str(caught.value) == f"broja(tol=...): expected {expected}, got {value!r}"
