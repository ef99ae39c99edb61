"""The contract of the engines of an audit, each a way from two layers to atoms.

To add an engine, write ``pidkd/audits/engines/<name>.py`` with one subclass of ``AuditEngine``, or name the class by an
entry point in the group ``pidkd.engines``; no list is edited.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pidkd.arrays import Array
from pidkd.audits.options import AuditOptions
from pidkd.audits.plan import AuditPlan
from pidkd.audits.probes import centred_gram, linear_probe, probe_rows, read_rows
from pidkd.decomposition import AUTO
from pidkd.ensemble import UnionSession
from pidkd.errors import IncompatibleInputError, InputError, Keyword, PidkdError, import_extra, quote
from pidkd.estimator import Context
from pidkd.files.layer import Layer
from pidkd.pid import PIDEstimator
from pidkd.registry import ESTIMATORS, Registry, get_estimator, list_estimators
from pidkd.result import PIDResult
from pidkd.runs.record import Kept

MAX_MEMORY = 2**31
"""Bytes that the rows of a probe may take, where nothing else is asked for."""


@dataclass(frozen=True)
class Reading:
    """Form of a layer that pairs are measured from, computed once for all pairs.

    Parameters
    ----------
    where : str
        The layer as messages call it.
    layer : Layer or None
        None where ``codes`` are all that pairs need.
    record : mapping
        How codes or posteriors were made, for the provenance.
    arrays : mapping from name to array
        What the engine made of the layer, such as its codes; ``gram``, the centred Gram matrix, for the likeness to
        other layers.
    probe : float or None
        Share of held-out samples that a linear probe classifies rightly.
    values : array, optional
        What a pair is measured from: codes, or the values of the layer; there only while it is.
    """

    where: str
    layer: Layer | None
    record: Mapping[str, Any]
    arrays: Mapping[str, Array] = dataclasses.field(default_factory=dict)
    probe: float | None = None
    values: Any = None

    @property
    def gram(self) -> Array | None:
        """Centred Gram matrix of some rows, where layers have one."""
        return self.arrays.get("gram")

    @property
    def codes(self) -> Array | None:
        """Codes of the counted samples, where the engine quantises."""
        return self.arrays.get("codes")


class AuditEngine(abc.ABC):
    """Protocol of the ways from layers to atoms.

    ``audit`` makes the engine that serves the estimator, lets it refuse options by ``check`` and take what all layers
    share by ``prepare``, then calls ``read`` once a layer and ``measure`` once a pair, in any process: an engine is
    pickled, and holds no layer.

    Parameters
    ----------
    estimator : PIDEstimator
        As the user named it.
    options : AuditOptions
    """

    name: ClassVar[str]
    """The module's name."""
    last: ClassVar[bool] = False
    """Whether it serves only estimators that no other engine serves."""
    in_torch: ClassVar[bool] = False
    """Whether work may be done in torch, whose threads are then held to one, too."""
    shuffles: ClassVar[int] = 0
    """Shuffles of the labels unless another number is asked for."""

    def __init__(self, estimator: PIDEstimator, options: AuditOptions) -> None:
        self.estimator, self.options = estimator, options
        self.n_shuffles = self.shuffles if options.shuffles is None else options.shuffles

    @classmethod
    @abc.abstractmethod
    def serves(cls, estimator: PIDEstimator, continuous: bool) -> bool:
        """Whether it audits by this estimator, for a target of this kind."""

    @abc.abstractmethod
    def check(self, options: AuditOptions) -> None:
        """Refuse options that this engine has no use for.

        Raises
        ------
        InputError
            The message names the option.
        """

    def prepare(self, plan: AuditPlan) -> None:
        """Take from the plan what every layer and pair needs: the target, and the rows of probes."""
        self.target, self.file, self.where = plan.target, plan.files["labels"], plan.where
        self.counted, self.groups, self.by = plan.target, plan.groups, plan.by
        self.rows = probe_rows(len(plan.target), plan.widest, self.options.seed, self.probe_memory)

    @property
    def probe_memory(self) -> int:
        """Bytes that the rows of a probe may take."""
        return self.options.max_memory or MAX_MEMORY

    def reading_bytes(self, n_layers: int) -> int:
        """Bytes of the arrays that so many layers leave for pairs; beyond the memory allowed they lie in files."""
        return 0

    @abc.abstractmethod
    def read(self, layer: Layer, values: Any) -> Reading:
        """Reading of a layer, whose checked values are ``values``."""

    @abc.abstractmethod
    def measure(self, t: Reading, s: Reading) -> PIDResult:
        """Atoms of one pair with null and intervals, in bits or nats; warnings are in the result."""

    def values(self, reading: Reading) -> Any:
        """Values of the layer, read again, for the measurement of a pair."""
        if reading.layer is None:
            raise RuntimeError(f"{reading.where}: expected a layer that can be read again, got none")
        return reading.layer.read(self.options.pool)

    def for_pairs(self, reading: Reading) -> Reading:
        """The part of a reading that ``measure`` needs, to be sent to a worker."""
        if isinstance(reading.arrays, Kept):  # sent by name
            return reading
        return dataclasses.replace(reading, arrays={k: v for k, v in reading.arrays.items() if k != "gram"})

    def answers(self, reading: Reading) -> Array | None:
        """Label that the engine reads from a layer for each sample, where it reads any."""
        return None

    @abc.abstractmethod
    def describe(self) -> dict[str, Any]:
        """Settings of the measurement, for the provenance."""

    def unions(self, readings: Mapping[str, Reading]) -> UnionSession | None:
        """Unions of several layers about the target, by name; None where the engine has none."""
        return None

    def layer_key(self) -> tuple[list[Any], list[Array]]:
        """Options and arrays that a reading depends on besides the layer, by which finished work is known."""
        options = self.options
        settings = [self.name, self.estimator.name, self.params, options.seed, options.device]
        return settings, [self.target, self.rows, *self.grouping]

    def pair_key(self) -> tuple[list[Any], list[Array]]:
        """Options and arrays that a result depends on besides what ``values`` gives, likewise."""
        options = self.options
        drawn = [self.n_shuffles, repr(options.uncertainty), options.local, self.by is not None]
        settings = [self.name, self.estimator.name, self.params, options.seed, options.units, options.device]
        return [*settings, *drawn], [self.counted, *self.grouping, *([] if self.by is None else [self.by])]

    @property
    def grouping(self) -> list[Array]:
        """The groups of the rows, where there are any."""
        return [] if self.groups is None else [self.groups]

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the estimator that change an answer."""
        return {
            name: value for name, value in self.estimator.get_params().items() if name not in self.estimator.resources
        }

    def probed(self, values: Any, **arrays: Array) -> dict[str, Any]:
        """Probe and arrays of a layer of activations, its Gram matrix among them, as fields of a ``Reading``."""
        x = read_rows(values, self.rows)
        groups = None if self.groups is None else self.groups[self.rows]
        probe = linear_probe(x, self.target[self.rows], self.options.seed, groups)
        gram = {"gram": centred_gram(x, self.options.seed)} if len(x) >= 4 else {}
        return {"probe": probe, "arrays": {**arrays, **gram}}

    # What several engines refuse

    def refuse(self, option: str, expected: str, got: str, hint: str | None = None) -> InputError:
        """The error for an option that this engine has no use for."""
        return InputError(Keyword("audit", option), expected, got, hint)

    def refuse_cells(self, why: str) -> None:
        """Refuse a quantizer, and samples to fit it on."""
        options = self.options
        if options.quantize is not None:
            raise self.refuse("quantize", f"None {why}", f"a {type(options.quantize).__name__}")
        if not options.fits_on_all:
            got = quote(options.fit_on) if isinstance(options.fit_on, str | float) else "rows"
            raise self.refuse("fit_on", f"'all' {why}", got)

    def refuse_local(self) -> None:
        """Refuse to keep or to show single samples."""
        if self.options.local:
            raise self.refuse("local", *self._without_local())
        if self.options.images:
            expected, *rest = self._without_local()
            raise self.refuse("images", f"images only with {expected}", *rest)

    def _without_local(self) -> tuple[str, str, str]:
        got = f"estimator {self.estimator.name!r}, which gives none here"
        return "atoms of single samples", got, "audit activations with labels by 'posterior'"

    def refuse_accelerator(self) -> None:
        """Refuse another device than the CPU."""
        if self.options.device == "cuda":
            got = f"'cuda' with estimator {self.estimator.name!r}, which runs on the CPU in audits"
            raise self.refuse("device", "'cpu' or 'auto'", got)
        self.options = dataclasses.replace(self.options, device="cpu")

    def settle_device(self) -> None:
        """Settle where the estimator runs, or refuse a device that it does not know or that is not there."""
        try:
            device = self.estimator.prepared(Context(device=self.options.device)).device
        except InputError as error:
            raise error.at(Keyword("audit", "device")) from None
        self.options = dataclasses.replace(self.options, device=device)

    def use_max_memory(self) -> None:
        """Hand ``max_memory`` to the estimator, or refuse it where the estimator has no such parameter."""
        if self.options.max_memory is None:
            return
        if "max_memory" not in self.estimator.get_params():
            got = f"estimator {self.estimator.name!r}, which has no such parameter"
            raise self.refuse("max_memory", "an estimator that reads layers in pieces", got)
        self.estimator = self.estimator.with_params(max_memory=self.options.max_memory)


def named_estimator(estimator: Any) -> PIDEstimator | None:
    """The estimator that the user named or made, installed and with usable parameters; None for "auto".

    Raises
    ------
    InputError
        When it is none, or has parameters that cannot be used.
    MissingDependencyError
        When it needs a package that is not installed.
    """
    if isinstance(estimator, str):
        if estimator == "auto":
            return None
        estimator = ESTIMATORS["pid"].get(estimator, Keyword("audit", "estimator"))()
    if not isinstance(estimator, PIDEstimator):
        raise InputError(Keyword("audit", "estimator"), "a name or a PIDEstimator", type(estimator).__name__)
    for module, extra in estimator.requires.items():
        import_extra(module, extra, needed_by=f"estimator {estimator.name!r}")
    estimator.check_params()
    return estimator


def engine_for(estimator: PIDEstimator | None, plan: AuditPlan, options: AuditOptions) -> AuditEngine:
    """The engine that serves this estimator for this target; where none is named, that of the kind of data.

    Raises
    ------
    IncompatibleInputError
        When no engine serves it; the message lists the estimators that fit.
    """
    if estimator is None:
        of_codes = options.quantize is not None or plan.of_codes
        kind = "Gaussian" if plan.continuous else "Codes" if of_codes else "Activations"
        estimator = get_estimator(AUTO[kind])()
    for engine in list_engines():
        if engine.serves(estimator, plan.continuous):
            return engine(estimator, options)
    kinds = " or ".join(sorted(estimator.accepted_kinds()))
    of_target = f" with a {estimator.target} target" if estimator.target != "any" else ""
    expected = "an estimator of codes, or of activations with labels"
    if plan.continuous:
        expected = "an estimator of Gaussian variables, or of activations with a continuous target, for y is continuous"
    hint = f"estimators that fit: {', '.join(fitting_estimators(plan.continuous))}"
    got = f"{estimator.name!r}, which decomposes {kinds}{of_target}"
    raise IncompatibleInputError(Keyword("audit", "estimator"), expected, got, hint)


def fitting_estimators(continuous: bool) -> list[str]:
    """Names of the estimators that some engine serves, for labels or for a continuous target."""
    names = []
    for name in list_estimators():
        try:
            estimator = get_estimator(name)()
        except PidkdError:  # a plug-in that cannot be loaded is no choice; asked for by name, it says why
            continue
        if any(engine.serves(estimator, continuous) for engine in list_engines()):
            names.append(name)
    return names


def _is_engine(cls: Any, name: str) -> bool:
    return issubclass(cls, AuditEngine) and getattr(cls, "name", None) == name


ENGINES = Registry(
    "an audit engine",
    "pidkd.audits.engines",
    "pidkd.engines",
    "a subclass of AuditEngine with name = {name!r}",
    fits=_is_engine,
)


def list_engines() -> list[type[AuditEngine]]:
    """Engines, built in and from other packages, in the order in which they are asked."""
    return sorted(map(ENGINES.get, ENGINES.names()), key=lambda engine: (engine.last, engine.name))


def one_hot(layer: Layer, values: Any) -> Any:
    """Activations as they are; codes as a column for each."""
    if not layer.is_codes:
        return values
    known, codes = np.unique(values, return_inverse=True)
    return np.eye(len(known), dtype=np.float32)[codes]
