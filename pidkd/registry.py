"""The registry: estimators are found by their modules' names, and by the entry points of other packages.

Nothing is imported to list them, and no list is edited to add one.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Collection
from importlib import metadata
from typing import Any

from pidkd.errors import PidkdError, PidkdWarning, UnknownNameError

KINDS = ("pid", "mi")
"""What can be estimated: the folders of ``estimators/``, and the entry-point groups ``pidkd.estimators.<kind>``."""


def list_estimators(kind: str = "pid") -> list[str]:
    """Names of the estimators of one kind, built in and from other packages, in alphabetic order.

    Examples
    --------
    >>> "broja" in list_estimators()
    True
    """
    return sorted({*_modules(kind), *_entry_points(kind)})


def list_plugins(kind: str = "pid") -> list[str]:
    """Names of those that other packages bring."""
    return sorted(_entry_points(kind))


def get_estimator(name: str, kind: str = "pid") -> type[Any]:
    """The class of an estimator, by name.

    Raises
    ------
    UnknownNameError
        When there is none; the message lists those there are.
    PidkdError
        When that of another package cannot be loaded, or is none.

    Examples
    --------
    >>> get_estimator("broja")().name
    'broja'
    """
    if name in _modules(kind):
        module = importlib.import_module(f"pidkd.estimators.{kind}.{name}")
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ == module.__name__ and _bears(cls, kind, name):
                return cls
        raise TypeError(f"pidkd.estimators.{kind}.{name}: expected an Estimator with name = {name!r} in this module")
    points = _entry_points(kind)
    if name in points:
        return _load(points[name], kind)
    raise UnknownNameError("estimator=", "an estimator", name, list_estimators(kind))


def _modules(kind: str) -> Collection[str]:
    """Modules of the package of this kind, found without importing any of them."""
    if kind not in KINDS:
        raise UnknownNameError("kind=", "a kind of estimator", kind, KINDS)
    return _folder(kind)


@functools.cache
def _folder(kind: str) -> Collection[str]:
    package = importlib.import_module(f"pidkd.estimators.{kind}")
    return [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]


def _entry_points(kind: str) -> dict[str, metadata.EntryPoint]:
    """Estimators of other packages. A name that is taken already is left out, with a warning."""
    points: dict[str, metadata.EntryPoint] = {}
    built_in = _modules(kind)
    for point in metadata.entry_points(group=f"pidkd.estimators.{kind}"):
        if point.name in points or point.name in built_in:
            owner = "pidkd" if point.name in built_in else _package(points[point.name])
            text = f"package {_package(point)}: expected a new name, got the estimator {point.name!r} of {owner}"
            warnings.warn(f"{text}, which is used instead", PidkdWarning, stacklevel=3)
        else:
            points[point.name] = point
    return points


def _load(point: metadata.EntryPoint, kind: str) -> type[Any]:
    where = f"estimator {point.name!r} of package {_package(point)}"
    expected = f"a subclass of Estimator with name = {point.name!r}"
    try:
        cls: Any = point.load()
    except Exception as error:  # whatever the import of somebody else's module may raise
        raise PidkdError(f"{where}: expected {expected}, got {type(error).__name__}: {error}") from error
    if not (inspect.isclass(cls) and _bears(cls, kind, point.name)):
        raise PidkdError(f"{where}: expected {expected}, got {cls!r} at {point.value}")
    loaded: type[Any] = cls
    return loaded


def _bears(cls: type[Any], kind: str, name: str) -> bool:
    """Whether a class is an estimator of this kind and name; what else it must be, the contract tests say."""
    return getattr(cls, "kind", None) == kind and getattr(cls, "name", None) == name


def _package(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"
