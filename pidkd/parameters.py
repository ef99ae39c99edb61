"""Parameters, refused in the words of whoever wrote them: ``where`` is a parameter such as ``broja(tol=...)``."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np

from pidkd.errors import InputError


def is_integer(value: object) -> bool:
    """Whether it is a whole number by its type; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether it is a real number; NaN is none."""
    return is_integer(value) or (isinstance(value, float | np.floating) and not math.isnan(value))


def check_whole(where: str, value: object, least: int) -> None:
    """Refuse what is no whole number of at least ``least``."""
    if not (is_integer(value) and value >= least):  # type: ignore[operator]
        raise InputError(where, f"a whole number >= {least}", repr(value))


def check_positive(where: str, value: object, what: str = "a number", most: float = sys.float_info.max) -> None:
    """Refuse what is no number above 0, or infinite unless ``most`` is; ``what`` says what it is a number of."""
    if not (is_number(value) and 0 < value <= most):  # type: ignore[operator]
        raise InputError(where, f"{what} > 0", repr(value))


def check_level(where: str, value: object) -> None:
    """Refuse what is no probability between 0 and 1."""
    if not (is_number(value) and 0 < value < 1):  # type: ignore[operator]
        raise InputError(where, "a probability between 0 and 1", repr(value))


def check_flag(where: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(where, "True or False", repr(value))


def check_choice(where: str, value: object, choices: Sequence[str]) -> None:
    """Refuse what is none of ``choices``."""
    if not (isinstance(value, str) and value in choices):
        raise InputError(where, f"one of {', '.join(map(repr, choices))}", repr(value))
