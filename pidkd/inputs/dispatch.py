"""The kind of input that the arguments of a call are."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, TypeAlias

from pidkd.arrays import (
    TARGETS,
    as_array,
    as_target,
    check_not_codes,
    check_same_rows,
    describe,
    dtype_name,
    is_array,
    is_float,
    is_whole,
)
from pidkd.errors import Argument, InputError, Keyword, of_call
from pidkd.inputs.activations import Activations, Target
from pidkd.inputs.codes import Codes
from pidkd.inputs.gaussian import Gaussian
from pidkd.inputs.pmf import Pmf
from pidkd.inputs.posteriors import Posteriors
from pidkd.inputs.tables import is_dit
from pidkd.parameters import check_choice

Input: TypeAlias = Pmf | Codes | Activations | Gaussian | Posteriors


def as_input(*data: Any, groups: Any = None, target: Target = "auto") -> Input:
    """Turn the positional arguments of ``decompose`` into one of the five kinds.

    One argument must already be an ``Input``, or a distribution of dit. Of three, T and S choose the kind: both
    integer, bool or string give ``Codes``; both float give ``Activations``; anything mixed is refused.

    Parameters
    ----------
    *data : one input, or the three arrays y, t, s
    groups, target
        As for ``decompose``.

    Raises
    ------
    InputError
        When the arguments are of no kind, or of two.
    """
    check_choice(Keyword("decompose", "target"), target, TARGETS)
    if len(data) == 1:
        return _one_input(data[0], groups, target)
    where = Argument("decompose", "y, t, s")
    given = [type(value).__name__ for value in data if isinstance(value, Input)]
    if len(data) != 3 or given:
        got = f"{len(data)} arguments" + (f", with {given[0]} among them" if given else "")
        raise InputError(where, "three arrays, or one input object alone", got)
    check_same_rows(where, **dict(zip("yts", data, strict=True)), groups=groups)
    y, t, s = (
        value if is_array(value) else as_array(Argument("decompose", name), value)
        for name, value in zip("yts", data, strict=True)
    )
    floats = [is_float(value) for value in (t, s)]
    if any(floats) and not all(floats):
        name, measured = ("t", t) if floats[0] else ("s", s)
        hint = f"make codes of {name} by pidkd.Quantizer, or cast the other one by .astype(float) if it holds numbers"
        if len(measured.shape) and math.prod(map(int, measured.shape[1:])) == 1 and is_whole(measured):
            hint = f"{name} holds whole numbers only: if they are codes, write {name}.astype(int); else {hint}"
        raise InputError(
            where,
            "t and s of one kind, both codes (integers, bools, strings) or both floats",
            f"t of {dtype_name(t)} and s of {dtype_name(s)}",
            hint,
        )
    try:
        if all(floats):
            activations = Activations(y, t, s, groups, target)
            for name, values in (("t", activations.t), ("s", activations.s)):
                check_not_codes(Argument("decompose", name), values, "decompose(pidkd.Activations(y, t, s))")
            return activations
        if target == "continuous":
            got = "'continuous' with codes t and s"
            raise InputError(Keyword("decompose", "target"), "'discrete' or 'auto'", got, "bring t and s as floats")
        return Codes(
            as_target(Argument("decompose", "y"), y, target, "decompose") if target != "auto" else y, t, s, groups
        )
    except InputError as error:
        raise error.at(of_call("decompose", error.where)) from None


def _one_input(data: Any, groups: Any, target: Target) -> Input:
    if is_dit(data):
        data = Pmf.from_dit(data)
    if not isinstance(data, Input):
        raise InputError(
            Argument("decompose", "data"),
            "a Pmf, Codes, Activations, Gaussian or Posteriors",
            f"a bare {describe(data)}",
            "a table of probabilities goes in as decompose(pidkd.Pmf(p)), samples as decompose(y, t, s)",
        )
    check_two_sources(Argument("decompose", "data"), data)
    if groups is not None:
        if isinstance(data, Pmf | Gaussian):
            got = f"a {type(data).__name__}"
            raise InputError(
                Keyword("decompose", "groups"), "samples, one row each", got, "bring the rows of the samples"
            )
        data = replace(data, groups=groups)
    if target != "auto":
        if not isinstance(data, Activations):
            got = f"{target!r} with a {type(data).__name__}"
            raise InputError(Keyword("decompose", "target"), "'auto' where the data are no activations", got)
        data = replace(data, target=target)
    known: Input = data
    return known


def check_two_sources(where: str, data: Input) -> None:
    """Refuse a table or a covariance of one source, or of more than two.

    Raises
    ------
    InputError
        The message names the calls for several sources.
    """
    n = data.n_sources if isinstance(data, Pmf | Gaussian) else 2
    if n > 2:
        hint = "union_information(data) is what they know together, contributions(data) what each of them adds"
        raise InputError(where, "two sources, t and s", f"{n}", hint)
    if n < 2:
        raise InputError(where, "two sources, t and s", "one", "mutual_information(x, y) takes samples of one")
