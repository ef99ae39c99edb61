"""The configuration of an experiment, as plain values. Nothing here needs torch.

What is unknown or of another type is an error that names the key as it was written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pidkd.codec import changed, from_plain, key_of, plain
from pidkd.distill.method import get_method, list_methods
from pidkd.distill.training.recipe import Recipe
from pidkd.errors import InputError, UnknownNameError, import_extra, quote
from pidkd.parameters import SEED, Fraction, NonNegative, Number, Parameterised, Positive, Whole

Seed: TypeAlias = Annotated[int, SEED]


@dataclass(frozen=True)
class DataConfig(Parameterised):
    """Data set, and the part of it that the student is trained on; the teacher gets all of it by default.

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
    validation : float
        The part of the training set that takes the place of the test set, and that no network is trained on: to choose
        values by, without a look at the test set.
    seed : int
        The same for every run, so that all students see the same samples.
    """

    name: str
    path: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    mean: tuple[Annotated[float, Number()], ...] = ()
    std: tuple[Annotated[float, Positive()], ...] = ()
    samples_per_class: Annotated[int, Whole(1)] | None = None
    label_noise: Annotated[float, Fraction()] = 0.0
    validation: Annotated[float, Fraction()] = 0.0
    seed: Seed = 0

    def __post_init__(self) -> None:
        self.check_params()


@dataclass(frozen=True)
class StudentConfig(Parameterised):
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

    def __post_init__(self) -> None:
        self.check_params()


@dataclass(frozen=True)
class TeacherConfig(StudentConfig):
    """A network with weights.

    Parameters
    ----------
    model, options
        As for a student.
    weights : str
        "trained" by this command; "untrained", with running statistics of BatchNorm set by one pass over the teacher's
        training data; "untrained-raw", as it was made, statistics and all, as in the paper; or a file of weights: a
        state dictionary, as ``torch.save`` writes it.
    n_classes : int, optional
        Classes of the teacher, where they are not those of the data.
    samples_per_class : int, optional
        What it is trained on; all unless given.
    classes : tuple of int, optional
        Of these the classes that it is trained on; all unless given.
    part : (int, int), optional
        (k, n): of these every n-th sample, the k-th of each n.
    recipe : mapping
        Where training it differs from the student's recipe.
    corrupted : float
        The part of its features, the first rows of each batch, that get noise: N(0, ``noise``).
    noise : float
        Standard deviation.
    """

    weights: str = "trained"
    n_classes: Annotated[int, Whole(2)] | None = None
    samples_per_class: Annotated[int, Whole(1)] | None = None
    classes: tuple[Annotated[int, Whole(0)], ...] | None = None
    part: tuple[Annotated[int, Whole(1)], Annotated[int, Whole(1)]] | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    corrupted: Annotated[float, Fraction()] = 0.0
    noise: Annotated[float, NonNegative()] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.part is not None and self.part[0] > self.part[1]:
            raise InputError("teacher.part", f"a part from 1 to {self.part[1]}", str(self.part[0]))


@dataclass(frozen=True)
class AuditConfig(Parameterised):
    """Audits of an experiment, on the test set.

    Parameters
    ----------
    layers : {"last", "all", "none"}
        Which layer pairs.
    quantize : str
        How activations become codes, as ``pidkd.Quantizer.from_text`` reads it.
    shuffles : int
        Audits with shuffled labels.
    every : int, optional
        Audit the student as it was made, and after every so many epochs, too.
    """

    layers: Literal["last", "all", "none"] = "last"
    quantize: str = "pca=10,kmeans=10"
    shuffles: Annotated[int, Whole(0, 100_000)] = 5
    every: Annotated[int, Whole(1)] | None = None

    def __post_init__(self) -> None:
        self.check_params()


@dataclass(frozen=True)
class MonitorConfig(Parameterised):
    """Audits of the audited layer pairs while a student is distilled, as ``pidkd.distill.Monitor`` makes them.

    Parameters
    ----------
    every : int
        Epochs from one audit to the next.
    held_out : float
        The part of the student's training set that is audited, and not trained on by any method.
    gate : {"unique", "information"}, optional
        What the weight of the distillation is multiplied by, from the last audit.
    """

    every: Annotated[int, Whole(1)] = 10
    held_out: Annotated[float, Fraction(ends="()")] = 0.2
    gate: Literal["unique", "information"] | None = None

    def __post_init__(self) -> None:
        self.check_params()


@dataclass(frozen=True)
class Config(Parameterised):
    """An experiment: one data set, a teacher and a student, the layers that are matched, a method and a recipe.

    Parameters
    ----------
    data : DataConfig
    teacher : TeacherConfig
    teachers : mapping
        Where each of several teachers differs from ``teacher``, by its name. They teach as one: layers are those of
        each, ``NAME.layer``, and softened classes the mean over all.
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
    monitor : MonitorConfig, optional
    gate : {"unique", "information"}, optional
        That of the monitor; where there is no monitor, one with an audit every fifteenth of the epochs.
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
    >>> from pidkd.distill import load_config
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
    teachers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    audit: AuditConfig = field(default_factory=AuditConfig)
    monitor: MonitorConfig | None = None
    gate: Literal["unique", "information"] | None = None
    seed: Seed = 0
    teacher_seed: Seed = 0
    device: str = "cpu"
    strict: bool = False
    chosen: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.check_params()
        named = {"method": [self.method], "methods": self.methods, "recipes": self.recipes}
        for key, names in (named | {"starts": [*self.starts, *self.starts.values()]}).items():
            for name in names:
                if name not in list_methods():
                    raise UnknownNameError(key, "a distillation method", name, list_methods())
        for name, first in self.starts.items():
            if first in self.starts:
                raise InputError(f"starts.{name}", "a method whose student starts from nothing", quote(first))
        for name, changes in self.recipes.items():
            changed(self.recipe, changes, f"recipes.{name}")
        for name, config in self.members().items():
            changed(self.recipe, config.teacher.recipe, f"teachers.{name}.recipe" if name else "teacher.recipe")
        if len(self.teachers) == 1 or "student" in self.teachers:
            got = ", ".join(self.teachers)
            raise InputError("teachers", "two teachers or more, or none beside teacher; none called student", got)
        if self.gate is not None:
            monitor = self.monitor or MonitorConfig(every=max(1, self.recipe.epochs // 15))
            if monitor.gate not in (None, self.gate):
                raise InputError("gate", f"that of monitor.gate, {monitor.gate}, or null", self.gate)
            object.__setattr__(self, "monitor", dataclasses.replace(monitor, gate=self.gate))
        if self.monitor is not None and (self.audit.layers == "none" or not self.taps):
            raise InputError(
                "monitor", "layer pairs that are audited", f"audit.layers {self.audit.layers}, taps {self.taps}"
            )

    def members(self) -> dict[str, Config]:
        """For each of several teachers a configuration with it alone, by name; under "" the only one."""
        if not self.teachers:
            return {"": self}
        members = {name: changed(self.teacher, what, f"teachers.{name}") for name, what in self.teachers.items()}
        return {name: dataclasses.replace(self, teacher=one, teachers={}) for name, one in members.items()}

    def make_method(self) -> Any:
        """The method with its parameters."""
        where = f"methods.{self.method}"
        try:
            defaults = get_method(self.method)()
            return changed(defaults, self.methods.get(self.method, {}), where)
        except InputError as error:
            raise error.at(key_of(error.where, where)) from error

    @property
    def student_recipe(self) -> Recipe:
        """The recipe, as it differs for the method."""
        recipe: Recipe = changed(self.recipe, self.recipes.get(self.method, {}), f"recipes.{self.method}")
        return recipe

    @property
    def teacher_recipe(self) -> Recipe:
        """The recipe, as it differs for the teacher, whose loss has no parts."""
        without_parts: dict[str, Any] = {"part_lr": {}, "part_weight_decay": {}}
        recipe: Recipe = changed(self.recipe, {**without_parts, **self.teacher.recipe}, "teacher.recipe")
        return recipe

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as YAML holds them."""
        held: dict[str, Any] = plain(self)
        return held

    def to_yaml(self) -> str:
        """YAML text that ``load_config`` reads."""
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
        made: Config = from_plain(cls, values, "")
        return made
