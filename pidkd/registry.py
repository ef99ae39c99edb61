"""The registry: whatever has a name is found by it, in a folder of pidkd or by an entry point of another package.

Estimators, distillation methods, data sets, models, file formats, audit engines, benchmark peers and benchmark problems
are found alike. Nothing is imported to list them, and no list is edited to add one.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from types import ModuleType
from typing import Any

from pidkd.errors import Argument, PidkdError, PidkdWarning, UnknownNameError


def _is_any(member: Any, name: str) -> bool:
    return True


@dataclass(frozen=True)
class Registry:
    """Members found by name: one module each in a folder, and entry points of other packages.

    Parameters
    ----------
    noun : str
        What is found, with its article: ``"a data set"``.
    package : str
        The folder, by its import name. Modules whose names begin with an underscore are passed over.
    group : str
        The group of entry points. An entry point names the member itself, or a module that holds it.
    expected : str
        What a module must hold, for messages; ``{name}`` stands for the name.
    attribute : str, optional
        The name by which a module holds it. Otherwise it is the class of the module that fits.
    fits : callable
        Takes a member and its name, and returns whether it is one of this kind.

    Examples
    --------
    >>> data = Registry("a data set", "pidkd.distill.data", "pidkd.data", "a function read", "read")
    >>> "digits" in data.names()
    True
    >>> data.get("digits").__name__
    'read'
    """

    noun: str
    package: str
    group: str
    expected: str
    attribute: str | None = None
    fits: Callable[[Any, str], bool] = _is_any

    def names(self) -> list[str]:
        """All names, built in and from other packages, in alphabetic order."""
        return sorted({*self._modules, *self._entry_points()})

    def plugins(self) -> list[str]:
        """Names that other packages bring, in alphabetic order."""
        return sorted(self._entry_points())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._modules or name in self._entry_points())

    def summary(self, name: str) -> str:
        """First line of what a member's documentation says, or that of its module where it is an object."""
        member = self.get(name)
        if inspect.isclass(member) or inspect.isroutine(member):
            text = inspect.getdoc(member)
        else:
            point = self._entry_points().get(name)
            text = importlib.import_module(point.module if point else f"{self.package}.{name}").__doc__
        return (text or "").strip().partition("\n\n")[0].replace("\n", " ")

    def get(self, name: object, where: str | None = None) -> Any:
        """The member of this name: a class, a function or an object, as the kind has it.

        Parameters
        ----------
        name : str
        where : str, optional
            The argument that names it, for messages.

        Raises
        ------
        UnknownNameError
            When there is none; the message lists those there are.
        PidkdError
            When its module, or that of another package, cannot be loaded or holds none.
        """
        if isinstance(name, str) and name in self._modules:
            if name not in self._built_in:
                module = importlib.import_module(f"{self.package}.{name}")
                self._built_in[name] = self._checked(module, name, f"module {module.__name__}", "none")
            return self._built_in[name]
        points = self._entry_points()
        if isinstance(name, str) and name in points:
            return self._load(points[name])
        raise UnknownNameError(where or self._bare, self.noun, name, [*self._modules, *points])

    @property
    def _bare(self) -> str:
        return self.noun.partition(" ")[2]

    @cached_property
    def _built_in(self) -> dict[str, Any]:
        """Members of the folder that were asked for, by name."""
        return {}

    @cached_property
    def _modules(self) -> Collection[str]:
        """Names of the modules of the folder, found without importing any of them."""
        folder = importlib.import_module(self.package).__path__
        return [module.name for module in pkgutil.iter_modules(folder) if not module.name.startswith("_")]

    def _entry_points(self) -> dict[str, metadata.EntryPoint]:
        """Entry points by name. A name that is taken already is left out, with a warning."""
        points: dict[str, metadata.EntryPoint] = {}
        for point in metadata.entry_points(group=self.group):
            if point.name in points or point.name in self._modules:
                owner = "pidkd" if point.name in self._modules else _owner(points[point.name])
                text = f"package {_owner(point)}: expected a new name, got the {self._bare} {point.name!r} of {owner}"
                warnings.warn(f"{text}, which is used instead", PidkdWarning, stacklevel=3)
            else:
                points[point.name] = point
        return points

    def _load(self, point: metadata.EntryPoint) -> Any:
        where = f"{self._bare} {point.name!r} of package {_owner(point)}"
        try:
            loaded = point.load()
        except Exception as error:  # whatever the import of somebody else's module may raise
            expected = self.expected.format(name=point.name)
            raise PidkdError(f"{where}: expected {expected}, got {type(error).__name__}: {error}") from error
        return self._checked(loaded, point.name, where, f"{loaded!r} at {point.value}")

    def _checked(self, holder: Any, name: str, where: str, got: str) -> Any:
        """The member that a module holds, or ``holder`` itself, once it is known to fit."""
        for member in self._members(holder) if isinstance(holder, ModuleType) else [holder]:
            if self._is_member(member, name):
                return member
        raise PidkdError(f"{where}: expected {self.expected.format(name=name)}, got {got}")

    def _members(self, module: ModuleType) -> list[Any]:
        if self.attribute is not None:
            return [getattr(module, self.attribute)] if hasattr(module, self.attribute) else []
        own = [cls for cls in vars(module).values() if inspect.isclass(cls)]
        return [cls for cls in own if cls.__module__ == module.__name__]

    def _is_member(self, member: Any, name: str) -> bool:
        """A class where classes are asked for, and one that fits."""
        return (self.attribute is not None or inspect.isclass(member)) and self.fits(member, name)


def _owner(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"


# Estimators


def _estimators(kind: str) -> Registry:
    def fits(cls: Any, name: str) -> bool:
        """Whether a class is an estimator of this kind and name; what else it must be, the contract tests say."""
        return getattr(cls, "kind", None) == kind and getattr(cls, "name", None) == name

    expected = "a subclass of Estimator with name = {name!r}"
    return Registry("an estimator", f"pidkd.estimators.{kind}", f"pidkd.estimators.{kind}", expected, fits=fits)


ESTIMATORS = {kind: _estimators(kind) for kind in ("pid", "mi", "union")}
"""What can be estimated: a folder of ``estimators/`` and a group of entry points each."""


def list_estimators(kind: str = "pid") -> list[str]:
    """Names of the estimators of one kind, built in and from other packages, in alphabetic order.

    Examples
    --------
    >>> "broja" in list_estimators()
    True
    """
    return _of_kind(kind).names()


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
    cls: type[Any] = _of_kind(kind).get(name, Argument("get_estimator", "name"))
    return cls


def estimator_classes() -> dict[str, type[Any]]:
    """Classes of all estimators that can be loaded, by the names of the classes.

    Examples
    --------
    >>> estimator_classes()["BROJA"].name
    'broja'
    """
    classes: dict[str, type[Any]] = {}
    for registry in ESTIMATORS.values():
        for name in registry.names():
            with contextlib.suppress(PidkdError):  # one of another package, which says why when asked for by name
                cls = registry.get(name)
                classes.setdefault(cls.__name__, cls)
    return classes


def _of_kind(kind: object) -> Registry:
    if not (isinstance(kind, str) and kind in ESTIMATORS):
        raise UnknownNameError(Argument("list_estimators", "kind"), "a kind of estimator", kind, ESTIMATORS)
    return ESTIMATORS[kind]
