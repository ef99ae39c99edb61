"""Provenance of a run, and the comparison of two records."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pidkd.distill.experiments.config import Config
from pidkd.errors import InputError, quote, reason
from pidkd.files.json import read_json

FREE = ("device", "chosen")
"""Keys of a configuration that do not tell one case from another."""


def check_same(path: Path, where: Sequence[str], config: Mapping[str, Any]) -> dict[str, Any]:
    """The record in a file, whose configuration (under the keys ``where``) is to be ``config``, as far as that goes.

    Raises
    ------
    InputError
        When a value is another, or the record cannot be read.
    """
    try:
        record: dict[str, Any] = read_json(path)
        node: Any = record
        for key in where:
            node = node[key]
        before = _flat({key: node[key] for key in config if key in node})
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(str(path), "the record of a run", f"one that cannot be read ({reason(error)})") from error
    check_alike(path, before, _flat(json.loads(json.dumps(config))))
    return record


def check_alike(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse a file whose settings differ from those asked for now; both by dotted key.

    Raises
    ------
    InputError
        When a value is another.
    """
    other = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if other:
        got = f"{other[0]} {quote(now.get(other[0]))} instead of {quote(before.get(other[0]))}"
        raise InputError(str(path), "the configuration it was made with", got, "take another folder")


def telling(config: Config) -> dict[str, Any]:
    """The values that tell one case from another, by dotted key."""
    return _flat({key: value for key, value in config.to_dict().items() if key not in FREE})


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted key."""
    versions: dict[str, Any] = {}
    for key, value in values.items():
        versions |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return versions


def note(config: Config) -> dict[str, Any]:
    """Fields of the record of a run beside its settings."""
    return {"config": config.to_dict(), "git": git_revision()}


def git_revision() -> str | None:
    """Git revision of the working directory, "dirty" where it differs from its commit; None outside of git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def remarks(config: Config) -> list[str]:
    """The chosen values that matter for the method."""
    values = _flat(config.to_dict())
    lines = []
    for key, why in config.chosen.items():
        part, _, rest = key.partition(".")
        if part not in ("methods", "recipes") or rest.partition(".")[0] == config.method:
            lines.append(f"chosen: {key} {values.get(key, '')}; {why}".replace("  ", " "))
    return lines
