"""Input of the commands that decompose: a table, or samples in files of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import pidkd
from pidkd.errors import InputError, Keyword
from pidkd.files.reading import GROUPS, LABELS, read_array, read_layers, read_samples
from pidkd.files.tables import read_headings
from pidkd.inputs import Input, Posteriors, as_input
from pidkd.inputs.activations import Target
from pidkd.inputs.dispatch import check_two_sources

SOURCES = (("t", "s", "ts"), ("v", "l", "vl"), ("1", "2", "12"))
"""Names of two sources and of both together, in a file of posteriors: networks, inputs, or numbers."""

COLUMNS = (("y", "labels"), ("t", "teacher"), ("s", "student"))
"""Names of the arrays or columns of target, teacher and student in a file of samples."""


def read_data(
    command: str,
    file: Path | None,
    y: Path | None,
    t: Path | None,
    s: Path | None,
    groups: Path | None,
    target: Target,
) -> Input:
    """A table, or samples.

    Raises
    ------
    InputError
        When neither or both are given, or a file cannot be used.
    """
    samples = {"--y": y, "--t": t, "--s": s}
    given = [name for name, path in samples.items() if path is not None]
    if (file is None) != (len(given) == 3) or (file is not None and given):
        got = " ".join((["TABLE"] if file is not None else []) + given) or "nothing"
        raise InputError("input", "a TABLE, or all of --y, --t and --s", got)
    if file is not None and file.suffix.lower() == ".csv":
        _check_columns(file)
        y, t, s, file = file, file, file, None
    if file is not None:
        if groups is not None:
            raise InputError(Keyword(command, "groups"), "samples by --y, --t and --s", "a TABLE without rows")
        table = read_array(file, ("p", "counts"))
        try:
            data = pidkd.Pmf(table) if table.dtype.kind == "f" else pidkd.Pmf.from_counts(table)
            check_two_sources("table", data)
        except InputError as error:
            raise error.at(str(file)) from error
        return data
    files = [(path, names) for path, names in zip((y, t, s), COLUMNS, strict=True) if path is not None]
    held = read_samples([*files, *([(groups, GROUPS)] if groups is not None else [])])
    return as_input(*held[:3], groups=held[3] if groups is not None else None, target=target)


def _check_columns(file: Path) -> None:
    """Refuse a table of samples that has not a column for each variable."""
    headings = read_headings(file)
    if not all(set(names) & set(headings) for names in COLUMNS):
        got = f"columns {', '.join(headings)}" if len(headings) > 1 else "one column"
        separated = any(mark in heading for heading in headings for mark in ";\t")
        hint = "separate them by commas" if separated else "name them so"
        raise InputError(str(file), "columns named y, t and s, with a sample in each line", got, hint)


def read_posteriors(file: Path, groups: Path | None) -> Posteriors:
    """Class probabilities p(y|t), p(y|s) and p(y|t,s), or their logits, from a file of named arrays.

    Raises
    ------
    InputError
        When an array is missing, probabilities and logits are mixed, or the values cannot be used.
    """
    arrays = {layer.name: layer for layer in read_layers(file)}
    labels = next((arrays[name] for name in LABELS if name in arrays), None)
    ways = [[f"{kind}_{name}" for name in names] for kind in ("p", "z") for names in SOURCES]
    present = [name for names in ways for name in names if name in arrays]
    if labels is None or present not in [way for names in ways for way in (names, names[:2])]:
        expected = "labels, and p_t, p_s, optionally p_ts (or p_v, p_l, p_vl of inputs; z_t, ... of logits)"
        raise InputError(str(file), expected, f"arrays {', '.join(arrays) or 'none'}")
    rows = next((arrays[name] for name in GROUPS if name in arrays), None)
    of_group = rows.held() if rows is not None else None
    if groups is not None:
        of_group = read_array(groups, GROUPS)
    make = Posteriors if present[0].startswith("p") else Posteriors.from_logits
    p = [arrays[name].held() for name in present]
    try:
        return make(np.asarray(labels.held()), p[0], p[1], p[2] if len(p) > 2 else None, groups=of_group)
    except InputError as error:
        raise error.at(f"{file}, {error.where}") from error
