"""The kind of input that the arguments of a call are."""

from __future__ import annotations

from typing import Any, TypeAlias

from pidkd.arrays import (
    as_array,
    describe,
    dtype_name,
    is_array,
    is_float,
)
from pidkd.errors import Argument, InputError, of_call
from pidkd.inputs.activations import Activations
from pidkd.inputs.codes import Codes
from pidkd.inputs.gaussian import Gaussian
from pidkd.inputs.pmf import Pmf
from pidkd.inputs.posteriors import Posteriors

Input: TypeAlias = Pmf | Codes | Activations | Gaussian | Posteriors


def as_input(*data: Any) -> Input:
    """Turn the positional arguments of ``decompose`` into one of the five kinds.

    One argument must already be an ``Input``. Of three, T and S choose the kind: both integer, bool or string give
    ``Codes``; both float give ``Activations``; anything mixed is refused.

    Raises
    ------
    InputError
        When the arguments are of no kind, or of two.
    """
    if len(data) == 1:
        if isinstance(data[0], Input):
            return data[0]
        raise InputError(
            Argument("decompose", "data"),
            "a Pmf, Codes, Activations, Gaussian or Posteriors",
            f"a bare {describe(data[0])}",
            "a table of probabilities goes in as decompose(pidkd.Pmf(p)), samples as decompose(y, t, s)",
        )
    where = Argument("decompose", "y, t, s")
    given = [type(value).__name__ for value in data if isinstance(value, Input)]
    if len(data) != 3 or given:
        got = f"{len(data)} arguments" + (f", with {given[0]} among them" if given else "")
        raise InputError(where, "three arrays, or one input object alone", got)
    y, t, s = (
        value if is_array(value) else as_array(Argument("decompose", name), value)
        for name, value in zip("yts", data, strict=True)
    )
    floats = [is_float(value) for value in (t, s)]
    if any(floats) and not all(floats):
        raise InputError(
            where,
            "t and s of one kind, both codes (integers, bools, strings) or both floats",
            f"t of {dtype_name(t)} and s of {dtype_name(s)}",
            "quantise the float one with pidkd.Quantizer, or cast the codes",
        )
    kind = Activations if all(floats) else Codes
    try:
        return kind(y, t, s)
    except InputError as error:
        raise error.at(of_call("decompose", error.where)) from None
