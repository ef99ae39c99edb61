"""The contract of a distillation method, and the registry that finds methods. Nothing here needs torch.

A method is a frozen dataclass of parameters in a module of its own name. To add one, write
``pidkd/distill/methods/<name>.py`` with one subclass of ``Method`` in it, or name the class by an entry point in the
group ``pidkd.methods``. No list is edited anywhere.
"""

from __future__ import annotations

import abc
import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pidkd.errors import Argument, InputError, import_extra
from pidkd.parameters import NonNegative, Parameterised, Positive
from pidkd.registry import Registry

if TYPE_CHECKING:
    from pidkd.distill.features import Outputs
    from pidkd.distill.loss import DistillationLoss
    from pidkd.distill.training.recipe import Recipe


Weight: TypeAlias = Annotated[float, NonNegative()]
PositiveNumber: TypeAlias = Annotated[float, Positive()]
LayerWeights: TypeAlias = tuple[Weight, ...] | None


@dataclass(frozen=True)
class Phase:
    """Parameters trained at a time; all others are frozen: in eval mode, without gradient, bit for bit unchanged.

    Parameters
    ----------
    student : {"frozen", "guided", "whole"}
        Which parameters of the student are trained: none, those before its tapped layers, or all.
    parts : tuple of str
        The parts of the loss that are trained, by name: filters, heads, variances.
    """

    student: Literal["frozen", "guided", "whole"]
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Method(Parameterised, abc.ABC):
    """A named bag of parameters that makes a loss and says what is trained when.

    The constructor stores and checks; it needs no torch beyond the import of its module. What a parameter may be is
    said next to it (``pidkd.parameters``).
    """

    name: ClassVar[str]
    """The module's name."""
    reference: ClassVar[str]
    """Key in pidkd/references.bib."""
    matches: ClassVar[str]
    """What of the teacher the student is asked to match, in words."""
    needs_taps: ClassVar[bool]
    """Whether it matches features, and so needs layer pairs."""
    needs_teacher: ClassVar[bool] = True
    """Whether it asks anything of the teacher, which otherwise need not be run."""

    def __post_init__(self) -> None:
        self.check_params()
        weights = getattr(self, "layer_weights", None)
        self._check("layer_weights", "numbers >= 0, not all of them 0", weights is None or any(weights))

    @property
    @abc.abstractmethod
    def phases(self) -> Mapping[str, Phase]:
        """Trained parameters of each phase, by the name of the phase."""

    @abc.abstractmethod
    def schedule(self, epochs: int) -> tuple[str, ...]:
        """The phase of every epoch, by name."""

    def epochs_of(self, recipe: Recipe) -> tuple[str, ...]:
        """The phase of every epoch of a recipe: as many as it counts, or as give the student as many as it counts.

        Raises
        ------
        InputError
            When fewer than half of them train the student.
        """
        phases = self.schedule(recipe.epochs)
        if recipe.count == "student":
            while 0 < (n := sum(map(self.trains_student, phases))) < recipe.epochs:
                phases = self.schedule(len(phases) + recipe.epochs - n)
            last = [epoch for epoch, phase in enumerate(phases) if self.trains_student(phase)][: recipe.epochs]
            phases = phases[: last[-1] + 1 if last else None]
        n = sum(self.phases[phase].student != "frozen" for phase in phases)
        if 2 * n < len(phases):
            counts = {phase: phases.count(phase) for phase in dict.fromkeys(phases)}
            got = f"{n} of {len(phases)} ({', '.join(f'{name} {k}' for name, k in counts.items())})"
            hint = "have more epochs, or other phases by the parameters of the method"
            raise InputError(
                Argument("train", "method", self.name), "at least half of the epochs to train the student", got, hint
            )
        return phases

    def trains_student(self, phase: str) -> bool:
        """Whether a phase trains the whole student."""
        return self.phases[phase].student == "whole"

    @abc.abstractmethod
    def loss(self, teacher: Outputs, student: Outputs) -> DistillationLoss:
        """The loss, with its own filters, for networks that put out what one batch shows.

        Parameters
        ----------
        teacher, student : (logits, features)
            As ``FeatureTap`` returns them; only their shapes and device are used. The features are in order: the k-th
            of the teacher and the k-th of the student are a layer pair.
        """

    def get_params(self) -> dict[str, Any]:
        """The parameters by name."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def with_params(self, **params: Any) -> Self:
        """A copy with some parameters changed.

        Raises
        ------
        UnknownNameError
            When there is no such parameter.
        """
        return dataclasses.replace(self, **params)


@dataclass(frozen=True)
class SinglePhaseMethod(Method):
    """A method that trains the student, and whatever helps it, from the first epoch to the last."""

    parts: ClassVar[tuple[str, ...]] = ()
    """Parts of its loss that are trained together with the student."""

    @property
    def phases(self) -> Mapping[str, Phase]:
        """One phase, ``student``."""
        return {"student": Phase("whole", self.parts)}

    def schedule(self, epochs: int) -> tuple[str, ...]:
        """``student`` in every epoch."""
        return ("student",) * epochs


def _is_method(cls: Any, name: str) -> bool:
    return inspect.isclass(cls) and issubclass(cls, Method) and cls.name == name


METHODS = Registry(
    "a distillation method", "pidkd.distill.methods", "pidkd.methods", "a Method with name = {name!r}", fits=_is_method
)


def list_methods() -> list[str]:
    """Names of the distillation methods, built in and from other packages, in alphabetic order.

    Examples
    --------
    >>> "rid" in list_methods()
    True
    """
    return METHODS.names()


def get_method(name: str) -> type[Any]:
    """The class of a distillation method, by name.

    Raises
    ------
    UnknownNameError
        When there is none; the message lists those there are.
    MissingDependencyError
        When torch is not installed.
    PidkdError
        When that of another package cannot be loaded, or is none.

    Examples
    --------
    >>> get_method("rid")(q=10, r=0.2).schedule(4)
    ('filters', 'filters', 'student', 'student')
    """
    if isinstance(name, str) and name in METHODS:
        import_extra("torch", "train", needed_by=f"distillation method {name!r}")
    cls: type[Any] = METHODS.get(name, "method=")
    return cls
