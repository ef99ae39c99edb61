"""The record of distillation: a line for each experiment of ``pidkd train``, and one for each of its runs.

``python -m pidkd.benchmarks.distillation RECORD NAME=FOLDER ...`` puts the experiments in these folders into a record,
in the place of those of the same name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pidkd.errors import InputError
from pidkd.files.json import read_json
from pidkd.files.opening import read_text
from pidkd.runs.output import PathLike, write_text
from pidkd.runs.record import content_key

OF_A_RUN = ("method", "seed", "teacher_seed")
"""Keys of a configuration that tell the runs of an experiment apart, beside the teacher's weights."""


def experiment_lines(name: str, folder: PathLike) -> list[dict[str, Any]]:
    """The line of an experiment, with its settings and their digest, and the lines of its finished runs.

    Raises
    ------
    InputError
        When the folder holds no finished run, or a file of it is damaged.
    """
    lines: list[dict[str, Any]] = []
    for path in sorted(Path(folder, "results").glob("*/result.json")):
        record = read_json(path)
        settings, row = _settings(record["config"]), record["row"]
        digest = content_key(settings)[:12]
        if not lines:
            lines.append({"experiment": name, "config": digest, "settings": settings})
        if digest != lines[0]["config"]:
            raise InputError(str(path), f"the settings of {lines[0]['config']}, as in other runs there", digest)
        run = read_json(Path(folder, "runs", row["run"], "run.json"))
        teacher = {"teacher": Path(row["teacher"]).stem}
        values = {key: _rounded(value) for key, value in row.items() if key != "run"}
        versions = {"versions": run["versions"], "revision": run["note"].get("git")}
        lines.append({"experiment": name, "config": digest, **values, **teacher, **versions})
    if not lines:
        raise InputError(str(folder), "an experiment of pidkd train", "no finished run")
    return lines


def read_lines(path: PathLike) -> list[dict[str, Any]]:
    """All lines of a record.

    Raises
    ------
    InputError
        When it cannot be read, or a line is not JSON.
    """
    text = read_text(path)
    try:
        return [json.loads(line) for line in text.splitlines()]
    except ValueError as error:
        raise InputError(str(path), "JSON in every line", "something else") from error


def settings_of(lines: Iterable[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """The settings of an experiment."""
    return next(dict(line["settings"]) for line in lines if line["experiment"] == name and "settings" in line)


def rows_of(lines: Iterable[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    """The runs of an experiment, as ``paired_differences`` takes them.

    Raises
    ------
    InputError
        When there are none.
    """
    rows = [dict(line) for line in lines if line["experiment"] == name and "settings" not in line]
    if not rows:
        raise InputError("experiment", "one of the record", name)
    return rows


def update_record(path: PathLike, folders: Mapping[str, PathLike]) -> None:
    """Put experiments into a record, in the place of those of the same name."""
    kept = [line for line in read_lines(path) if line["experiment"] not in folders] if Path(path).exists() else []
    for name, folder in folders.items():
        kept += experiment_lines(name, folder)
    write_text(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in kept), force=True)


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that the runs of an experiment share, without places on a machine."""
    shared = {key: value for key, value in config.items() if key not in OF_A_RUN}
    shared["data"] = {key: value for key, value in config["data"].items() if key != "path"}
    shared["teacher"] = {key: value for key, value in config["teacher"].items() if key != "weights"}
    return shared


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def main(arguments: Sequence[str]) -> None:
    """Update a record from the command line."""
    record, *named = arguments or [""]
    folders = dict(part.partition("=")[::2] for part in named)
    if not folders or not all(folders.values()):
        raise InputError("arguments", "RECORD NAME=FOLDER ...", " ".join(arguments) or "none")
    update_record(record, folders)


if __name__ == "__main__":
    main(sys.argv[1:])
