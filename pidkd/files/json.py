"""JSON files without NaN and Infinity literals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from pidkd.errors import InputError, reason
from pidkd.files.opening import read_text
from pidkd.runs.output import PathLike, write_text


def to_json(data: Any) -> str:
    """JSON without NaN and Infinity literals."""
    return json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: PathLike, data: Mapping[str, Any], force: bool = False) -> None:
    """Write JSON to a file that is whole or not there.

    Raises
    ------
    InputError
        When the file exists and ``force`` is not given, or cannot be written.
    """
    write_text(path, to_json(data), force)


def read_json(path: PathLike) -> Any:
    """Read JSON.

    Raises
    ------
    InputError
        When the file is missing, damaged, or holds a NaN or Infinity literal.
    """

    def refuse(literal: str) -> NoReturn:
        raise ValueError(f"the literal {literal}")

    try:
        return json.loads(read_text(path), parse_constant=refuse)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), "JSON", f"something else ({reason(error)})") from error
