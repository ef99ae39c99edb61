"""Selection of estimators and peers.

By name (``ksg``, ``kmeans(n_clusters=20)``, ``broja@cuda``, ``dit-cone``, ``mine:Mine``), or by what a family asks.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pidkd.benchmarks.peers import find_peer, list_peers, peer_estimators
from pidkd.benchmarks.problems import Family
from pidkd.decomposition import AUTO
from pidkd.errors import InputError, PidkdError, UnknownNameError, quote
from pidkd.estimator import Estimator
from pidkd.registry import get_estimator, list_estimators

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
        raise InputError(OPTION, "NAME, NAME(PARAMETER=VALUE, ...) or either with @DEVICE", quote(text)) from error
    return spelt["name"], params, spelt["device"] or "cpu"


def _value(node: ast.expr) -> Any:
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)


def find_estimator(text: str, kind: str, like: Any = None) -> Estimator:
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
    entrant: Estimator | None
    if ":" in name:
        module, _, attribute = name.partition(":")
        entrant = getattr(importlib.import_module(module), attribute)()
    elif name in list_estimators(kind):
        entrant = get_estimator(name, kind)()
    else:
        entrant = find_peer(name)
    if entrant is None:
        raise UnknownNameError(OPTION, "an estimator or a peer", name, [*list_estimators(kind), *list_peers()])
    return entrant.with_params(**params)


def list_own(family: Family) -> list[str]:
    """Names of what pidkd and other packages have for a family."""
    return list(family.names) if family.kind == "timing" else list_estimators(family.kind)


def select(family: Family, patterns: Sequence[str] | None, peers: bool, device: str) -> list[str]:
    """Names that match, in the order of the patterns; without patterns, of all that solve what the family asks.

    On a device other than the CPU those that know it take part once more.
    """
    if patterns is None:
        selected = [*family.names, *_own_by_measure(family)]
        selected += _peers_by_measure(family) if peers else []
    else:
        known = list_own(family)
        if not all(matches(pattern, known) for pattern in patterns):
            known += list_peers()
        selected = [name for pattern in patterns for name in matches(pattern, known)]
        _check_params(selected, family.kind)
    if device != "cpu":
        selected += [f"{name}@{device}" for name in selected if "@" not in name and _knows(name, family.kind, device)]
    return list(dict.fromkeys(selected))


def _own_by_measure(family: Family) -> list[str]:
    """Estimators, pidkd's and of other packages, that solve what the family asks, each with the family's settings."""
    if family.asks is None:
        return []
    suited = {name: cls for name, cls in _classes(family).items() if family.asks.suits(cls)}
    return [name + settings for name, cls in suited.items() for settings in _settings(cls, family)]


def _classes(family: Family) -> dict[str, type[Estimator]]:
    """Estimators by name. One of another package that cannot be loaded is left out; asked for by name, it says why."""
    classes = {}
    for name in list_estimators(family.kind):
        with contextlib.suppress(PidkdError):
            classes[name] = get_estimator(name, family.kind)
    return classes


def _settings(cls: type[Estimator], family: Family) -> list[str]:
    """The family's settings that an estimator has parameters for, as they are written behind its name."""
    known = {field.name for field in dataclasses.fields(cls)}
    fitting = [setting for setting in family.settings if known.issuperset(setting)]
    return [_written(setting) for setting in fitting] or [""]


def _written(setting: Mapping[str, Any]) -> str:
    params = ", ".join(f"{name}={value if isinstance(value, str) else repr(value)}" for name, value in setting.items())
    return f"({params})" if params else ""


def _peers_by_measure(family: Family) -> list[str]:
    """Estimators of peers that solve what the family asks, and are no variants of another."""
    asks = family.asks
    if asks is None or not asks.peers:
        return []
    own = {cls.measure for cls in _classes(family).values()}
    return [
        name
        for name, solves in ((name, estimator.solves) for name, estimator in peer_estimators().items())
        if issubclass(asks.input, solves.inputs)
        and not solves.variant
        and (solves.measure == asks.measure if asks.measure else solves.measure not in own)
    ]


def matches(pattern: str, names: Iterable[str]) -> list[str]:
    """Names that match a pattern, each with the pattern's parameters and device; some names need no list."""
    name, rest = re.fullmatch(r"([^(@]*)(.*)", pattern, re.DOTALL).groups()  # type: ignore[union-attr]
    return [pattern] if ":" in name or name == "auto" else [one + rest for one in names if fnmatchcase(one, name)]


def _check_params(names: Sequence[str], kind: str) -> None:
    """Refuse a parameter that an estimator of pidkd does not have, before anything runs."""
    for text in names:
        name, params, _ = parse(text)
        if params and kind != "timing" and name in list_estimators(kind):
            find_estimator(text, kind)


def _knows(text: str, kind: str, device: str) -> bool:
    """Whether an estimator runs on a device; what is no estimator of pidkd by name must say so itself."""
    name, _, _ = parse(text)
    if kind == "timing" or name not in list_estimators(kind):
        return name not in list_peers()
    return device in get_estimator(name, kind).devices
