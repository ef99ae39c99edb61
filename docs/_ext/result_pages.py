"""Tables of distillation, written from the record of runs in ``benchmarks/results/distillation.jsonl``.

``distillation-gains NAME`` has what each method adds with each teacher of an experiment, ``distillation-runs NAME
TEACHER`` accuracy, atoms and balance with one teacher, and ``distillation-sizes PREFIX`` gains by student and number of
labels, in the experiments whose names begin so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from estimator_pages import Written
from registry_pages import table
from sphinx.application import Sphinx

from pidkd.benchmarks.distillation import read_lines, rows_of, settings_of
from pidkd.distill.experiments.pairing import BASELINE, paired_differences
from pidkd.result import HEADINGS

RECORD = Path(__file__).parents[2] / "benchmarks/results/distillation.jsonl"


def gains(name: str) -> list[str]:
    """A table with a method a row and a teacher a column: difference to the baseline, in points of accuracy."""
    rows = rows_of(read_lines(RECORD), name)
    teachers, methods = _names(rows, "teacher"), _names(rows, "method")
    by_case = {(entry["method"], entry["teacher"]): entry for entry in paired_differences(rows)}
    alone = [row["accuracy"] for row in rows if (row["method"], row["teacher"]) == (BASELINE, teachers[0])]
    cells = [[f"`{BASELINE}`", f"{100 * fmean(alone):.1f} ± {_deviation(alone)} per cent", *("" for _ in teachers[1:])]]
    for method in methods:
        if method != BASELINE:
            cells.append([f"`{method}`", *(_gain(by_case.get((method, teacher))) for teacher in teachers)])
    return table(["", *(f"`{teacher}`" for teacher in teachers)], cells)


def runs(name: str, teacher: str) -> list[str]:
    """A table with a method a row: accuracy, gain, atoms, balance and CPU time, means over seeds."""
    rows = [row for row in rows_of(read_lines(RECORD), name) if row["teacher"] == teacher]
    entries = {entry["method"]: entry for entry in paired_differences(rows)}
    header = ["", "seeds", "accuracy", "gain", "trained to", *HEADINGS.values(), "change of Red", "factor", "CPU s"]
    cells = []
    for method in _names(rows, "method"):
        those = [row for row in rows if row["method"] == method]
        accuracies = [row["accuracy"] for row in those]
        entry = entries.get(method)
        change = "" if entry is None or "redundant" not in entry else _difference(entry, "redundant", 1, 2)
        cells.append(
            [
                f"`{method}`",
                str(len(those)),
                f"{100 * fmean(accuracies):.1f} ± {_deviation(accuracies)}",
                "" if entry is None else _difference(entry, "accuracy", 100, 1),
                _mean(those, "train_accuracy", ".1f", 100),
                *(_mean(those, key, ".2f") for key in HEADINGS),
                change,
                _mean(those, "factor", ".2g"),
                _mean(those, "cpu_seconds", ".0f"),
            ]
        )
    return table(header, cells)


def sizes(prefix: str) -> list[str]:
    """A table with a student and a number of labels a row: the baseline, and gains with the trained teacher."""
    lines = read_lines(RECORD)
    names = [name for name in _names(lines, "experiment") if name.startswith(prefix)]
    settings = {name: settings_of(lines, name) for name in names}
    plain = {name: one for name, one in settings.items() if one["monitor"] is None}
    order = sorted(plain, key=lambda name: (plain[name]["student"]["options"]["widths"], _labels(plain[name])))
    differences = {name: paired_differences(rows_of(lines, name)) for name in order}
    taught = {name: {e["method"]: e for e in differences[name] if e["teacher"] == "trained"} for name in order}
    methods = list(dict.fromkeys(method for name in order for method in taught[name]))
    cells = []
    for name in order:
        alone = [row for row in rows_of(lines, name) if (row["method"], row["teacher"]) == (BASELINE, "trained")]
        cells.append(
            [
                "-".join(map(str, plain[name]["student"]["options"]["widths"])),
                f"{_labels(plain[name]):,}",
                f"{_mean(alone, 'accuracy', '.1f', 100)} ({_mean(alone, 'train_accuracy', '.1f', 100)})",
                *(_gain(taught[name].get(method)) for method in methods),
            ]
        )
    header = ["student", "labels of each class", f"`{BASELINE}` (trained to)", *(f"`{method}`" for method in methods)]
    return table(header, cells)


def _labels(settings: Mapping[str, Any]) -> int:
    return int(settings["data"]["samples_per_class"])


def _names(rows: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """Values of a key, the baseline first."""
    return sorted(dict.fromkeys(row[key] for row in rows), key=lambda name: name != BASELINE)


def _gain(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return ""
    return f"{_difference(entry, 'accuracy', 100, 1)}; {entry['above']} of {entry['n']}"


def _difference(entry: Mapping[str, Any], key: str, scale: float, digits: int) -> str:
    error = entry[f"{key}_se"]
    return f"{scale * entry[key]:+.{digits}f}" + ("" if error is None else f" ({scale * error:.{digits}f})")


def _mean(rows: Sequence[Mapping[str, Any]], key: str, form: str, scale: float = 1) -> str:
    values = [row[key] for row in rows if row.get(key) is not None]
    return f"{scale * fmean(values):{form}}" if values else ""


def _deviation(values: Sequence[float]) -> str:
    return f"{100 * stdev(values):.1f}" if len(values) > 1 else "?"


class Table(Written):
    """A table of an experiment, and where it needs one, of a teacher."""

    optional_arguments = 2


def setup(app: Sphinx) -> dict[str, bool]:
    """Register one directive for each table; pages with one follow the record."""
    for name, write in {"distillation-gains": gains, "distillation-runs": runs, "distillation-sizes": sizes}.items():
        app.add_directive(name, type("Directive", (Table,), {"write": staticmethod(write)}))
    return {"parallel_read_safe": True}
