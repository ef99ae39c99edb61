"""Joint tables of other libraries, whose axes or variables have names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pidkd.arrays import FloatArray, IntArray, as_array, row_names
from pidkd.errors import InputError, quote
from pidkd.parameters import is_integer


def is_dit(values: Any) -> bool:
    """Whether it is a distribution of dit."""
    return type(values).__module__.partition(".")[0] == "dit"


def in_order(where: str, table: Any) -> Any:
    """A table with named axes, or of dit, as an array with axes y, t, s; any other as it is."""
    if is_dit(table):
        return dit_table(where, table, ())
    index = row_names(table)
    if getattr(index, "nlevels", 1) == 3 and getattr(table, "ndim", 0) == 1:  # a series of pandas
        if not index.is_unique:
            raise InputError(where, "each cell once", f"{index[index.duplicated()][0]} several times")
        names, sizes = list(index.names), [len(level) for level in index.levels]
        counts = np.zeros(sizes)
        counts[tuple(np.asarray(codes) for codes in index.codes)] = np.asarray(table, dtype=np.float64)
    elif getattr(table, "dims", None) and len(table.dims) == 3:  # of xarray
        names, counts = list(table.dims), as_array(where, table)
    else:
        return table
    lower = [str(name).lower() for name in names]
    return counts.transpose([lower.index(name) for name in "yts"]) if set(lower) == set("yts") else counts


def dit_table(where: str, distribution: Any, roles: Sequence[Any]) -> FloatArray:
    """Joint table p[y, ...] of variables of a ``dit.Distribution``, of the target first; see ``Pmf.from_dit``.

    Parameters
    ----------
    roles : sequence
        Variables that stand for target and sources, or groups of them; without any, those of all sources.

    Raises
    ------
    InputError
        When a variable is not there, which is which cannot be told, or ``distribution`` is none.
    """
    try:
        linear = distribution.copy(base="linear")
        names, n_variables = tuple(linear.get_rv_names() or ()), linear.outcome_length()
    except (AttributeError, TypeError):
        raise InputError(where, "a dit.Distribution", type(distribution).__name__) from None
    index: list[IntArray] = []
    sizes: list[int] = []
    for group in _roles(where, names, n_variables, roles):
        columns = []
        for variable in (group,) if isinstance(group, str) or is_integer(group) else tuple(group):
            column = names.index(variable) if variable in names else variable
            if not (is_integer(column) and 0 <= column < n_variables):
                expected = f"positions from 0 to {n_variables - 1}" + (f" or names {names}" if names else "")
                raise InputError(where, expected, quote(variable))
            columns.append(column)
        values = [tuple(outcome[column] for column in columns) for outcome in linear.outcomes]
        try:
            known = sorted(set(values))
        except TypeError:  # values of different types
            known = sorted(set(values), key=repr)
        position = {value: i for i, value in enumerate(known)}
        index.append(np.array([position[value] for value in values], dtype=np.int64))
        sizes.append(len(known))
    p = np.zeros(sizes)
    np.add.at(p, tuple(index), np.asarray(linear.pmf, dtype=np.float64))
    return p


def _roles(where: str, names: tuple[Any, ...], n_variables: int, roles: Sequence[Any]) -> Sequence[Any]:
    """Variables that stand for target and sources: those named, or by their names, or the last one first."""
    if any(role is not None for role in roles):
        if None in roles:
            raise _unnamed(where, names, n_variables)
        return roles
    by_name = {str(name).lower(): name for name in names}
    if {"y", "t", "s"} <= set(by_name):
        return by_name["y"], by_name["t"], by_name["s"]
    if roles and n_variables != len(roles):
        raise _unnamed(where, names, n_variables)
    target = names.index(by_name["y"]) if "y" in by_name else n_variables - 1
    return target, *(variable for variable in range(n_variables) if variable != target)


def _unnamed(where: str, names: tuple[Any, ...], n_variables: int) -> InputError:
    got = f"{n_variables} variables" + (f" {names}" if names else "")
    return InputError(where, "y, t and s, positions or names of variables", got, "name all three")
