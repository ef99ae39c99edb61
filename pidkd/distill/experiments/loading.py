"""Configurations from YAML: presets, files, one to begin with, and changed values. Nothing here needs torch.

``load_config("digits-rid", ["recipe.epochs=5"])`` reads a preset or a file and changes single values.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pidkd.distill.experiments.config import Config
from pidkd.errors import Argument, InputError, UnknownNameError, import_extra, quote, reason
from pidkd.files.opening import read_text
from pidkd.runs.output import PathLike, write_text

PRESETS = Path(__file__).parent / "presets"

OWN = Path(__file__).parent / "own.yaml"
"""The configuration that ``pidkd init`` writes; its recipe is that of no preset but what is so by default."""

MAX_CONFIG = 2**23
"""Bytes that reading a configuration may take; its text may have an eighth of that."""

MAX_VALUES = 100_000
"""Values of the largest configuration, where an alias counts as all that it stands for."""


def list_presets() -> list[str]:
    """Names of the configurations that come with pidkd, in alphabetic order.

    Examples
    --------
    >>> "digits-rid" in list_presets()
    True
    """
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_config(source: str | Path, overrides: Sequence[str] = ()) -> Config:
    """A preset by name, or a file, with single values changed.

    Parameters
    ----------
    source : str or path
        One of ``list_presets()``, or a file in ``.yaml`` or ``.yml``.
    overrides : sequence of str
        ``key=value``, the key with dots and the value as YAML: ``recipe.epochs=5``, ``methods.rid.q=10``.

    Raises
    ------
    UnknownNameError
        When there is no such preset or key.
    InputError
        When the file is damaged, or a value cannot be used.
    MissingDependencyError
        When PyYAML is not installed.
    """
    yaml = import_extra("yaml", "train", needed_by="a configuration")
    text = str(source)
    path = Path(source) if text.endswith((".yaml", ".yml")) else PRESETS / f"{text}.yaml"
    if path.parent == PRESETS and path.stem not in list_presets():
        raise UnknownNameError(Argument("load_config", "config"), "a file in .yaml, or a preset", text, list_presets())
    values = _parsed(yaml, read_text(path, MAX_CONFIG), str(path))
    if not isinstance(values, dict):
        raise InputError(str(path), "keys with values", type(values).__name__)
    _forget(values, overrides)
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not all(key.split(".")):
            raise InputError(Argument("load_config", "overrides"), "key=value", quote(override))
        _set(values, key.split("."), _parsed(yaml, value, key), key)
    return Config.from_dict(values)


def write_own_config(path: PathLike, *, force: bool = False) -> str:
    """Write a commented configuration for own data and networks, and return the command that trains it.

    Raises
    ------
    InputError
        When the file is none in .yaml, exists and ``force`` is not given, or cannot be written.
    """
    if not os.fspath(path).endswith((".yaml", ".yml")):
        raise InputError(Argument("init", "file"), "the name of a new file in .yaml", quote(os.fspath(path)))
    name = shlex.quote(os.fspath(path))
    text = OWN.read_text(encoding="utf-8").replace("FILE", name if name.isprintable() else "FILE")
    write_text(path, text, force)
    return f"pidkd train {name}"


def with_value(config: Config, key: str, value: Any) -> Config:
    """A configuration with one value changed, by its key with dots.

    Raises
    ------
    InputError
        When there is no such key, or the value cannot be used.
    """
    values = config.to_dict()
    _set(values, key.split("."), value, key)
    return Config.from_dict(values)


def parse_value(text: str, where: str) -> Any:
    """A value written as YAML."""
    return _parsed(import_extra("yaml", "train", needed_by="a configuration"), text, where)


def _forget(values: dict[str, Any], overrides: Sequence[str]) -> None:
    """Leave out what a configuration says of a network that another takes the place of: its options and layers."""
    for side in ("teacher", "student"):
        models = [model for key, _, model in (o.partition("=") for o in overrides) if key == f"{side}.model"]
        network = values.get(side)
        if models and isinstance(network, dict) and models[-1] != network.get("model"):
            network.pop("options", None)
            values.pop("taps", None)


def _parsed(yaml: Any, text: str, where: str) -> Any:
    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """A loader whose every fault has a line: PyYAML itself makes dates and numbers without watching."""

        def construct_object(self, node: Any, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep)
            except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
                raise yaml.constructor.ConstructorError(None, None, reason(error), node.start_mark) from error

    try:
        values = yaml.load(text, Loader)
    except RecursionError as error:
        raise InputError(where, "YAML of plain values", "values that lie too deep in others") from error
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise InputError(where, "YAML of plain values", " ".join(str(error).split())) from error
    _check_size(values, where)
    return values


def _check_size(values: Any, where: str) -> None:
    """Refuse values that their aliases multiply, or that contain themselves."""
    waiting, count = [values], 0
    while waiting:
        value = waiting.pop()
        count += 1
        if count > MAX_VALUES:
            hint = "an alias stands for many values, or for one that contains it"
            raise InputError(where, f"at most {MAX_VALUES:,} values", "more", hint)
        if isinstance(value, Mapping):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value


def _set(values: dict[str, Any], keys: Sequence[str], value: Any, where: str) -> None:
    for key in keys[:-1]:
        if values.get(key) is None:
            values[key] = {}
        values = values[key]
        if not isinstance(values, dict):
            raise InputError(where, f"a key of values, which {key!r} does not have", "it")
    values[keys[-1]] = value
