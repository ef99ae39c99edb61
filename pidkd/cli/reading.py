"""Input of the commands that decompose: a table, or samples in files of their own."""

from __future__ import annotations

from pathlib import Path

import pidkd
from pidkd.errors import InputError, Keyword
from pidkd.files.reading import GROUPS, read_array, read_samples
from pidkd.inputs import Input, as_input
from pidkd.inputs.activations import Target
from pidkd.inputs.dispatch import check_two_sources


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
    names = {"--y": ("y", "labels"), "--t": ("t", "teacher"), "--s": ("s", "student")}
    files = [(path, names[name]) for name, path in samples.items() if path is not None]
    held = read_samples([*files, *([(groups, GROUPS)] if groups is not None else [])])
    return as_input(*held[:3], groups=held[3] if groups is not None else None, target=target)
