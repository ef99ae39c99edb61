"""Who takes part, by name: ``ksg``, ``kmeans(n_clusters=20)``, ``broja@cuda``, ``dit-cone``, ``mine:Mine``."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any

from pidkd.benchmarks.peers import find_peer, list_peers
from pidkd.benchmarks.problems import kind_of
from pidkd.decomposition import AUTO
from pidkd.errors import InputError, UnknownNameError
from pidkd.estimator import Estimator
from pidkd.registry import ESTIMATORS, get_estimator, list_estimators

OPTION = "bench --estimator"
SPELLING = re.compile(r"(?P<name>[^(@]+)(\((?P<params>.*)\))?(@(?P<device>\w+))?")


def parse(text: str) -> tuple[str, dict[str, Any], str]:
    """Name, parameters and device; a bare word is a text.

    Raises
    ------
    InputError
        When it is spelt otherwise.

    Examples
    --------
    >>> parse("gaussian(debias=none)@cuda")
    ('gaussian', {'debias': 'none'}, 'cuda')
    """
    spelt = SPELLING.fullmatch(text)
    try:
        if spelt is None:
            raise ValueError(text)
        call: Any = ast.parse(f"_({spelt['params'] or ''})", mode="eval").body
        if call.args:
            raise ValueError(text)
        params = {given.arg: _value(given.value) for given in call.keywords}
    except (ValueError, SyntaxError) as error:
        raise InputError(OPTION, "NAME, NAME(PARAMETER=VALUE, ...) or either with @DEVICE", repr(text)) from error
    return spelt["name"], params, spelt["device"] or "cpu"


def _value(node: ast.expr) -> Any:
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)


def get_contestant(text: str, kind: str, like: Any = None) -> Estimator:
    """An estimator of pidkd or of a peer, or ``package.module:Class``, which imports, and so runs, that module.

    ``auto`` is the one that ``decompose`` would take for data ``like`` these.

    Raises
    ------
    UnknownNameError
        When there is none; the message lists those there are.
    """
    name, params, _ = parse(text)
    if name == "auto":
        name = AUTO[type(like).__name__]
    found: Estimator | None
    if ":" in name:
        module, _, attribute = name.partition(":")
        found = getattr(importlib.import_module(module), attribute)()
    elif name in list_estimators(kind):
        found = get_estimator(name, kind)()
    else:
        found = find_peer(name)
    if found is None:
        raise UnknownNameError(OPTION, "an estimator or a peer", name, [*list_estimators(kind), *list_peers()])
    return found.with_params(**params)


def list_own(family: ModuleType) -> list[str]:
    """What of pidkd can take part in a family."""
    kind = kind_of(family)
    return list(family.ESTIMATORS) if kind == "timing" else list_estimators(kind)


def choose(family: ModuleType, patterns: Sequence[str] | None, peers: bool, device: str) -> list[str]:
    """Names that match, in the order of the patterns; unless asked for by name, what the family is meant for.

    On a device other than the CPU those that know it take part once more.
    """
    if patterns is None:
        chosen = _meant(family)
        chosen += [name for pattern in family.PEERS for name in matches(pattern, list_peers())] if peers else []
    else:
        known = list_own(family)
        if not all(matches(pattern, known) for pattern in patterns):
            known += list_peers()
        chosen = [name for pattern in patterns for name in matches(pattern, known)]
        _check_params(chosen, kind_of(family))
    if device != "cpu":
        chosen += [f"{name}@{device}" for name in chosen if "@" not in name and _knows(name, kind_of(family), device)]
    return list(dict.fromkeys(chosen))


def _meant(family: ModuleType) -> list[str]:
    """What a family names, and what other packages bring, as far as it takes such an input."""
    kind = kind_of(family)
    if kind == "timing":
        return list_own(family)
    fits = [name for name in list_estimators(kind) if issubclass(family.INPUT, get_estimator(name, kind).accepts)]
    return [name for pattern in (*family.ESTIMATORS, *ESTIMATORS[kind].plugins()) for name in matches(pattern, fits)]


def matches(pattern: str, names: Iterable[str]) -> list[str]:
    """Those that a pattern means, each with the pattern's parameters and device; some names need no list."""
    name, rest = re.fullmatch(r"([^(@]*)(.*)", pattern, re.DOTALL).groups()  # type: ignore[union-attr]
    return [pattern] if ":" in name or name == "auto" else [one + rest for one in names if fnmatchcase(one, name)]


def _check_params(names: Sequence[str], kind: str) -> None:
    """Refuse a parameter that an estimator of pidkd does not have, before anything runs."""
    for text in names:
        name, params, _ = parse(text)
        if params and kind != "timing" and name in list_estimators(kind):
            get_contestant(text, kind)


def _knows(text: str, kind: str, device: str) -> bool:
    """Whether an estimator runs on a device; what is no estimator of pidkd by name must say so itself."""
    name, _, _ = parse(text)
    if kind == "timing" or name not in list_estimators(kind):
        return name not in list_peers()
    return device in get_estimator(name, kind).devices
