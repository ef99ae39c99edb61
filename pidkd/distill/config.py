"""The configuration of an experiment: plain values, to and from YAML. Nothing here needs torch.

``load_config("digits-rid", ["recipe.epochs=5"])`` reads a preset or a file and changes single values. What is unknown
or of another type is an error that names the key as it was written.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pidkd.distill.method import get_method, list_methods
from pidkd.distill.recipe import Recipe
from pidkd.errors import InputError, UnknownNameError, import_extra
from pidkd.layers import faults

PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class DataConfig:
    """Which data, and what of it the student learns from. The teacher learns from all of it unless its own part says.

    Parameters
    ----------
    name : str
        A reader, one of ``pidkd.distill.list_data()``.
    path : str, optional
        Where the files are.
    options : mapping
        Those of the reader.
    mean, std : tuple of float, optional
        What a pixel is normalised by after division by 255; the moments of the training set unless given.
    samples_per_class : int, optional
        As many of each class, drawn by ``seed``; all unless given.
    label_noise : float
        The part of the student's training labels that is replaced by another class, drawn by ``seed``.
    seed : int
        The same for every run, so that all students see the same samples.
    """

    name: str
    path: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    samples_per_class: int | None = None
    label_noise: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class StudentConfig:
    """A network.

    Parameters
    ----------
    model : str
        A family, one of ``pidkd.distill.list_models()``, or ``package.module:callable``, of which the code is run.
    options : mapping
        Those of the family, or the arguments of the callable.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TeacherConfig(StudentConfig):
    """A network with weights.

    Parameters
    ----------
    model, options
        As for a student.
    weights : str
        "trained" by this command, "untrained", or a file of weights: a state dictionary, as ``torch.save`` writes it.
    n_classes : int, optional
        Classes of the teacher, where they are not those of the data.
    samples_per_class : int, optional
        What it is trained on; all unless given.
    recipe : mapping
        Where training it differs from the student's recipe.
    corrupted : float
        The part of its features, the first rows of each batch, that get noise: N(0, ``noise``).
    noise : float
        Standard deviation.
    """

    weights: str = "trained"
    n_classes: int | None = None
    samples_per_class: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    corrupted: float = 0.0
    noise: float = 1.0


@dataclass(frozen=True)
class AuditConfig:
    """What is audited, on the test set.

    Parameters
    ----------
    layers : {"last", "all", "none"}
        Which layer pairs.
    quantize : str
        How activations become codes, as ``pidkd.Quantizer.from_text`` reads it.
    shuffles : int
        Audits with shuffled labels.
    """

    layers: Literal["last", "all", "none"] = "last"
    quantize: str = "pca=10,kmeans=10"
    shuffles: int = 5


@dataclass(frozen=True)
class Config:
    """An experiment: one data set, a teacher and a student, the layers that are matched, a method and a recipe.

    Parameters
    ----------
    data : DataConfig
    teacher : TeacherConfig
    student : StudentConfig
    taps : tuple of (str, str)
        Layer pairs: a path in the teacher and one in the student.
    method : str
        One of ``pidkd.distill.list_methods()``.
    methods : mapping
        Parameters of each method, by its name, where they are not its defaults.
    recipe : Recipe
        For every method alike.
    recipes : mapping
        Where a method's recipe differs, by its name.
    starts : mapping
        For a method the one whose student, of the same seed, its own begins as.
    audit : AuditConfig
    seed : int
        The student's: its first weights, the order of samples, augmentation.
    teacher_seed : int
        The teacher's.
    device : str
        "cpu", "cuda" or "auto".
    strict : bool
        Deterministic, in float32.
    chosen : mapping
        Reasons of values that the source of a preset does not print, by key.

    Raises
    ------
    InputError
        When a value cannot be used.

    Examples
    --------
    >>> config = load_config("digits-rid", ["method=vid", "recipe.epochs=3"])
    >>> config.recipe.epochs, config.method
    (3, 'vid')
    """

    data: DataConfig
    teacher: TeacherConfig
    student: StudentConfig
    taps: tuple[tuple[str, str], ...] = ()
    method: str = "rid"
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipe: Recipe = field(default_factory=Recipe)
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    starts: Mapping[str, str] = field(default_factory=dict)
    audit: AuditConfig = field(default_factory=AuditConfig)
    seed: int = 0
    teacher_seed: int = 0
    device: str = "cpu"
    strict: bool = False
    chosen: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = {"method": [self.method], "methods": self.methods, "recipes": self.recipes}
        for key, names in (named | {"starts": [*self.starts, *self.starts.values()]}).items():
            for name in names:
                if name not in list_methods():
                    raise UnknownNameError(key, "a distillation method", name, list_methods())
        for name, first in self.starts.items():
            if first in self.starts:
                raise InputError(f"starts.{name}", "a method whose student starts from nothing", repr(first))
        for name, changes in self.recipes.items():
            _changed(self.recipe, changes, f"recipes.{name}")
        _changed(self.recipe, self.teacher.recipe, "teacher.recipe")
        for key in ("teacher.corrupted", "data.label_noise"):
            part = getattr(getattr(self, key.partition(".")[0]), key.partition(".")[2])
            if not 0 <= part <= 1:
                raise InputError(key, "a fraction from 0 to 1", str(part))

    def make_method(self) -> Any:
        """The method with its parameters."""
        where = f"methods.{self.method}"
        try:
            defaults = get_method(self.method)()
            return _changed(defaults, self.methods.get(self.method, {}), where)
        except InputError as error:
            raise error.at(_key(error.where, where)) from error

    @property
    def student_recipe(self) -> Recipe:
        """The recipe, as it differs for the method."""
        recipe: Recipe = _changed(self.recipe, self.recipes.get(self.method, {}), f"recipes.{self.method}")
        return recipe

    @property
    def teacher_recipe(self) -> Recipe:
        """The recipe, as it differs for the teacher."""
        recipe: Recipe = _changed(self.recipe, self.teacher.recipe, "teacher.recipe")
        return recipe

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as YAML holds them."""
        held: dict[str, Any] = _plain(self)
        return held

    def to_yaml(self) -> str:
        """As text that ``load_config`` reads."""
        yaml = import_extra("yaml", "train", needed_by="a configuration")
        return str(yaml.safe_dump(self.to_dict(), sort_keys=False, width=110))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """From plain values.

        Raises
        ------
        UnknownNameError
            When a key is unknown.
        InputError
            When a value is of another type, or cannot be used.
        """
        made: Config = _made(cls, values, "")
        return made


def list_presets() -> list[str]:
    """Names of the configurations that come with pidkd, in alphabetic order.

    Examples
    --------
    >>> list_presets()
    ['cifar10-rid-paper', 'cifar10-rid-repo', 'cifar100-rid-paper', 'cub-rid-paper', 'digits-rid', 'fmnist-rid']
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
        raise UnknownNameError("configuration", "a preset, or a file in .yaml,", text, list_presets())
    with faults(str(path)):
        content = path.read_text(encoding="utf-8")
    values = _parsed(yaml, content, str(path))
    if not isinstance(values, dict):
        raise InputError(str(path), "keys with values", type(values).__name__)
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not all(key.split(".")):
            raise InputError("override", "key=value", repr(override))
        _set(values, key.split("."), _parsed(yaml, value, key), key)
    return Config.from_dict(values)


def _parsed(yaml: Any, text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        got = " ".join(str(error).split())
        raise InputError(where, "YAML of plain values", got) from error


def _set(values: dict[str, Any], keys: Sequence[str], value: Any, where: str) -> None:
    for key in keys[:-1]:
        if values.get(key) is None:
            values[key] = {}
        values = values[key]
        if not isinstance(values, dict):
            raise InputError(where, f"a key of values, which {key!r} does not have", "it")
    values[keys[-1]] = value


def _changed(held: Any, changes: Mapping[str, Any], where: str) -> Any:
    """A dataclass with some fields changed; types and names are checked."""
    return _made(type(held), changes, where, {f.name: getattr(held, f.name) for f in dataclasses.fields(held)})


def _made(cls: type[Any], values: Any, where: str, defaults: Mapping[str, Any] | None = None) -> Any:
    """A dataclass from plain values."""
    if not isinstance(values, Mapping):
        raise InputError(where or "configuration", "keys with values", type(values).__name__)
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    held = dict(defaults or {})
    for name, value in values.items():
        key = f"{where}.{name}".lstrip(".")
        if name not in fields:
            raise UnknownNameError(key, "a key", name, fields)
        held[name] = _typed(hints[name], value, key)
    for name, f in fields.items():
        if name not in held and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise InputError(f"{where}.{name}".lstrip("."), "a value", "none")
    try:
        return cls(**held)
    except InputError as error:
        raise error.at(_key(error.where, where)) from error


def _key(where: str, prefix: str) -> str:
    """``Recipe(lr)`` as the key ``recipe.lr``."""
    _, parenthesis, name = where.partition("(")
    return f"{prefix}.{name.rstrip(')')}" if parenthesis and prefix else where


def _typed(hint: Any, value: Any, where: str) -> Any:
    """A value of the type of a field."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        rest = [argument for argument in arguments if argument is not type(None)]
        return _typed(rest[0], value, where)
    if dataclasses.is_dataclass(hint):
        return _made(typing.cast("type[Any]", hint), value, where)
    if origin is Literal:
        if value not in arguments:
            raise InputError(where, " or ".join(map(str, arguments)), repr(value))
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(where, "a list", repr(value))
        if arguments[-1] is not Ellipsis and len(value) != len(arguments):
            raise InputError(where, f"a list of {len(arguments)}", repr(value))
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(
            _typed(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
        )
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise InputError(where, "keys with values", repr(value))
        return {str(key): _typed(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    return value if hint is Any else _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, str):  # YAML reads 5e-4 as text
        try:
            return float(value)
        except ValueError:
            pass
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        raise InputError(where, words[hint], repr(value))
    return value


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
