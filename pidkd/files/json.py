"""JSON files without NaN and Infinity literals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pidkd.errors import InputError
from pidkd.runs.output import PathLike, writing

if TYPE_CHECKING:
    pass


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
    text = to_json(data)
    with writing(path, force) as stream:
        stream.write(text.encode())


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
        return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=refuse)
    except OSError as error:
        raise InputError(str(path), "a file that can be read", error.strerror or "a fault") from error
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), "JSON", f"something else ({error})") from error
