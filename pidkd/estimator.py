"""The contract that all estimators share: parameters, accepted kinds of input, devices, seeds."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import (
    Argument,
    IncompatibleInputError,
    InputError,
    Keyword,
    MissingDependencyError,
    PidkdError,
    UnknownNameError,
    import_extra,
    quote,
)
from pidkd.inputs import Activations, Codes, Input, Pmf
from pidkd.inputs.dispatch import check_two_sources
from pidkd.parameters import SEED, Choice, Parameterised
from pidkd.registry import ESTIMATORS, get_estimator, list_estimators

KEEPABLE = ("plan", "potentials", "local")
"""What a result carries only when it is asked for by ``keep=``."""

RESERVED = (
    *("y", "t", "s", "dims", "estimator", "units", "seed", "device", "keep", "progress", "uncertainty"),
    *("groups", "target", "given", "by"),
)
"""Keywords of ``decompose``, which no estimator may use as the name of a parameter."""


@dataclass(frozen=True)
class Context:
    """Settings of one run of an estimator: seed, device, what to keep, progress, labels of means."""

    seed: int = 0
    device: str = "cpu"
    keep: tuple[str, ...] = ()
    progress: Callable[[float], None] | None = None
    by: Array | None = None
    """Labels by which a cross-fitted estimator also averages the atoms of the rows, shape (n_samples,)."""

    @classmethod
    def of_call(
        cls,
        call: str,
        seed: int,
        device: str,
        keep: Sequence[str] = (),
        progress: Callable[[float], None] | None = None,
    ) -> Context:
        """From the options of a call such as ``decompose``, checked.

        Raises
        ------
        InputError
            The message names the call and the option.
        """
        names = (keep,) if isinstance(keep, str) or not isinstance(keep, Iterable) else tuple(keep)
        for name in names:
            if not isinstance(name, str) or name not in KEEPABLE:
                raise UnknownNameError(Keyword(call, "keep"), "what a result can carry", name, KEEPABLE)
        SEED.check(Keyword(call, "seed"), seed)
        Choice(("cpu", "cuda", "auto")).check(Keyword(call, "device"), device)
        if not (progress is None or callable(progress)):
            raise InputError(Keyword(call, "progress"), "a function of the fraction done, or None", quote(progress))
        return cls(int(seed), device, names, progress)

    @cached_property
    def generator(self) -> np.random.Generator:
        """The only source of randomness."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Estimator(Parameterised, abc.ABC):
    """A named bag of parameters that estimates one thing.

    The constructor stores them, and nothing else; ``check_params``, called before each run, refuses what their
    constraints do not accept.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    """The module's name."""
    measure: ClassVar[str]
    """What is computed, in words."""
    reference: ClassVar[str]
    """Key in pidkd/references.bib."""
    accepts: ClassVar[tuple[type, ...]]
    """Kinds of input. An estimator of tables (Pmf) also receives Codes, as their empirical table."""
    exactness: ClassVar[Literal["exact", "sampled"]] = "exact"
    """Whether a second seed gives the same answer."""
    requires: ClassVar[Mapping[str, str]] = {}
    """Optional modules that it needs, each with the extra of pidkd that installs it."""
    resources: ClassVar[frozenset[str]] = frozenset({"max_memory", "compiled"})
    """Parameters that say by which resources an answer is computed, and do not change it."""
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    cross_check: ClassVar[bool] = False
    """Whether it solves what another estimator solves, to check it: benchmarks then pass it over unless it is named."""
    cross_fitted: ClassVar[bool] = False
    """Whether it scores rows by what it fitted to others, so that no row may stand among the data twice.

    It then gives the means by label itself, where the context asks for them.
    """
    target: ClassVar[Literal["any", "discrete", "continuous"]] = "any"
    """Which kind of target it takes of ``Activations``, where it accepts them."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name (scikit-learn's protocol)."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    @classmethod
    def accepted_kinds(cls) -> set[str]:
        """Names of the inputs that can be given to it, conversions included."""
        names = {kind.__name__ for kind in cls.accepts}
        return names | {Codes.__name__} if Pmf in cls.accepts else names

    @classmethod
    def takes(cls, data: Input) -> bool:
        """Whether it can be given this input: its kind, and of activations the kind of target."""
        if type(data).__name__ not in cls.accepted_kinds():
            return False
        if not isinstance(data, Activations) or cls.target == "any":
            return True
        return data.discrete_target == (cls.target == "discrete")

    @classmethod
    def from_name(
        cls, call: str, estimator: str | Self, params: Mapping[str, Any], automatic: Callable[[], type[Self]]
    ) -> Self:
        """The estimator that a call names or gives, with its parameters; "auto" is decided by ``automatic``.

        Raises
        ------
        InputError
            When it is no estimator of this kind, or has no such parameter.
        """
        if isinstance(estimator, cls):
            return estimator.with_params(**params)
        if not isinstance(estimator, str):
            got, hint = type(estimator).__name__, None
            if isinstance(estimator, type):
                got, hint = "a class", f"make one: {estimator.__name__}()"
            raise InputError(Keyword(call, "estimator"), "a name or an estimator", got, hint)
        kind: type[Self] = (
            automatic() if estimator == "auto" else ESTIMATORS[cls.kind].get(estimator, Keyword(call, "estimator"))
        )
        return kind().with_params(**params)

    def with_params(self, **params: Any) -> Self:
        """A copy with some parameters changed.

        Raises
        ------
        UnknownNameError
            When there is no such parameter.
        """
        return dataclasses.replace(self, **params) if params else self

    @classmethod
    def _called(cls) -> str:
        return getattr(cls, "name", cls.__name__)

    def prepared(self, ctx: Context) -> Context:
        """The context with the device settled, after a check of device, installed packages and parameters.

        Raises
        ------
        InputError
            When the device is not known to the estimator or not there, or a parameter cannot be used.
        MissingDependencyError
            When a package is not installed.
        """
        if ctx.device == "auto":
            ctx = dataclasses.replace(ctx, device="cuda" if "cuda" in self.devices and cuda_is_there() else "cpu")
        call = {"mi": "mutual_information", "union": "union_information"}.get(self.kind, "decompose")
        if ctx.device not in self.devices:
            got = f"{ctx.device!r} with estimator {self.name!r}"
            raise InputError(Keyword(call, "device"), " or ".join(map(repr, self.devices)), got)
        if ctx.device == "cuda" and not cuda_is_there():
            import_extra("torch", "torch", needed_by=f"{call}(..., device='cuda')")
            raise InputError(Keyword(call, "device"), "'cpu', or a machine with CUDA", "'cuda', and torch finds none")
        for module, extra in self.requires.items():
            import_extra(module, extra, needed_by=f"estimator {self.name!r}")
        self.check_params()
        return ctx

    def _accept(self, data: Input) -> Input:
        """Convert where a conversion loses nothing, refuse the rest."""
        check_two_sources(Argument("decompose", "data"), data)
        if self.takes(data):
            return data.pmf() if isinstance(data, Codes) and Codes not in self.accepts else data
        expected, got = " or ".join(sorted(self.accepted_kinds())), type(data).__name__
        if isinstance(data, Activations) and Activations in self.accepts:
            expected = f"Activations with a {self.target} target"
            got = f"labels of dtype {data.y.dtype}" if data.discrete_target else "a continuous one"
        where = Keyword("decompose", "estimator", self.name)
        raise IncompatibleInputError(where, expected, got, choices(data, self.kind))


def cuda_is_there() -> bool:
    """Whether torch is installed and finds an accelerator."""
    try:
        torch = import_extra("torch", "torch", needed_by="device='cuda'")
    except MissingDependencyError:
        return False
    return bool(torch.cuda.is_available())


def choices(data: Input, kind: str = "pid") -> str:
    """Estimators that accept this input, as advice in an error message."""
    fits = []
    for name in list_estimators(kind):
        # A plug-in that cannot be loaded is no choice; asked for by name, it says why.
        with contextlib.suppress(PidkdError):
            if get_estimator(name, kind).takes(data):
                fits.append(name)
    kind_of_data = type(data).__name__
    hints = [f"estimators that accept {kind_of_data}: {', '.join(fits)}"] if fits else []
    if isinstance(data, Activations) and kind == "pid":
        hints.append("quantise the activations with pidkd.Quantizer, as pidkd.audit does")
    return "; ".join(hints) or f"no estimator accepts {kind_of_data} yet"
