"""The plan of an audit: files opened, rows, ids and labels checked, pairs of layers named, before any work is done."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from pidkd._version import __version__
from pidkd.arrays import (
    Array,
    IntArray,
    as_array,
    as_labels,
    as_target,
    check_equal_lengths,
    check_not_codes,
    check_same_rows,
    describe,
)
from pidkd.audits.pair import meet_all
from pidkd.errors import Argument, InputError, Keyword, UnknownNameError, printable, quote
from pidkd.files.layer import Layer, by_index, rows, wrong_dtype
from pidkd.files.opening import MAX_MEMORY
from pidkd.files.reading import (
    BY,
    GROUPS,
    LABELS,
    check_ids,
    first_difference,
    open_array,
    open_layers,
    read_about,
    read_array,
    stored,
)
from pidkd.groups import as_groups, joined, repeats, told
from pidkd.inputs.activations import Target

Pairs: TypeAlias = Sequence[tuple[str, str]] | Literal["all"] | None

LayerKey: TypeAlias = tuple[Literal["teacher", "student"], str | None, str]
"""Network, stage of the student, name of the layer."""

PairKey: TypeAlias = tuple[str | None, str, str]
"""Stage of the student, teacher layer, student layer."""

READING = 2**26
"""Bytes that reading may take, however few a layer may: labels and single chunks of files have to fit."""

BASELINE = "baseline"
"""Stage of a student that was not distilled."""


@dataclass(frozen=True)
class AuditPlan:
    """Plan of an audit: pairs of layers at every stage of the student, and the target.

    Parameters
    ----------
    target : array, shape (n_samples,) of labels, or (n_samples,) or (n_samples, d_y) of floats
    continuous : bool
        Whether the target is continuous.
    where : str
        The labels as messages call them: a file, or the argument.
    pairs : sequence of (teacher layer, student layer)
    teacher : mapping from name to Layer
    students : mapping from stage to mapping from name to Layer
        Stages in their order: the baseline, the checkpoints, and the student itself as None.
    files : mapping
        Paths of teacher, student, labels, baseline and checkpoints as the user wrote them; None for arrays.
    captures : mapping
        What captures of teacher and student say of themselves, by network: position, normalisation, accuracy.
    network_of : mapping from teacher layer to network
        Of several teachers, the one that has the layer; of one teacher, no name.
    groups : array of int, shape (n_samples,), optional
        The number of the group of each row; only groups are independent of each other.
    notes : tuple of str
        What every result is to say of the rows.
    by : array of labels, shape (n_samples,), optional
        Labels by which atoms are told apart.
    """

    target: Array
    continuous: bool
    where: str
    pairs: Sequence[tuple[str, str]]
    teacher: Mapping[str, Layer]
    students: Mapping[str | None, Mapping[str, Layer]]
    files: Mapping[str, Any]
    captures: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    network_of: Mapping[str, str] = dataclasses.field(default_factory=dict)
    by: Array | None = None
    groups: IntArray | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        teacher: Any,
        student: Any,
        y: Any,
        pairs: Pairs,
        checkpoints: Mapping[str, Any] | None,
        baseline: Any,
        max_memory: int | None = None,
        groups: Any = None,
        target: Target = "auto",
    ) -> AuditPlan:
        """The plan for the arguments of ``audit``: shapes are compared before labels are read.

        Raises
        ------
        InputError
            When files, labels, layers or pairs cannot be used together.
        """
        sources = _stages(student, checkpoints, baseline)
        stages = {f"student at {stage}" if stage else "student": source for stage, (source, _) in sources.items()}
        _check_indexes(y, groups, {"teacher": teacher} | stages)
        budget = MAX_MEMORY if max_memory is None else max(max_memory, READING)
        networks = _networks(teacher, Argument("audit", "teacher"))
        layers_t, network_of = _all_opened(networks, budget)
        students = {stage: _opened("student", source, where, budget) for stage, (source, where) in sources.items()}
        where = file_of(y) or Argument("audit", "y")
        names = _pairs(pairs, layers_t, students[None], network_of)
        for stage, layers in students.items():
            for _, s in names:
                if s not in layers:
                    raise UnknownNameError(sources[stage][1], "the layers of the student", s, layers)
        files = {
            "teacher": {name: file_of(one) for name, (one, _) in networks.items()} if network_of else file_of(teacher),
            "student": file_of(student),
            "labels": file_of(y),
            "baseline": file_of(baseline),
            "checkpoints": {name: file_of(source) for name, source in (checkpoints or {}).items()},
        }
        used = [layers_t[t] for t, _ in names] + [layers[s] for layers in students.values() for _, s in names]
        held, continuous = _target(y, where, used, budget, target)
        named = None if groups is None else _groups(groups, len(held))
        ids = _check_rows(held, where, y, [*networks.values(), *sources.values()])
        about = {name or "teacher": read_about(one) for name, (one, _) in networks.items()}
        about["student"] = read_about(student)
        captures = {network: record for network, record in about.items() if record}
        plan = cls(held, continuous, where, names, layers_t, students, files, captures, network_of, groups=named)
        return plan if ids is None else plan._with_ids(ids)

    def _with_ids(self, ids: Array) -> AuditPlan:
        """The plan with rows of one id in one group, where ids repeat."""
        values, number = np.unique(ids, return_inverse=True)
        if not 1 < len(values) < len(ids):
            return self
        note = f"ids repeat, {len(values)} of {len(ids)} are different: samples of one id are a group"
        groups = joined(self.groups, number.astype(np.int64))
        return dataclasses.replace(self, groups=groups, notes=(*self.notes, note))

    def with_repeats(self) -> AuditPlan:
        """The plan with samples in one group that repeat each other exactly in all layers of both networks."""
        layers = [layer for (_, stage, _), layer in self.layers.items() if stage is None]
        floats = [layer for layer in layers if not layer.is_codes and layer.dtype.kind in "iubf"]
        if not floats or any(0 in layer.shape for layer in floats):
            return self
        floats.sort(key=lambda layer: math.prod(layer.shape[1:]))
        repeated = repeats(*(rows(layer.load()) for layer in floats))
        if repeated is None:
            return self
        groups = joined(self.groups, repeated)
        if groups is None or groups.max() == 0 or (self.groups is not None and groups.max() == self.groups.max()):
            return self
        return dataclasses.replace(self, groups=groups, notes=(*self.notes, told(repeated)))

    def check_not_codes(self) -> None:
        """Refuse layers of one column that holds whole numbers: codes as other programs write them, or counts.

        Raises
        ------
        InputError
            The message names the layer and both ways out.
        """
        for layer in self.layers.values():
            if (
                not layer.is_codes
                and layer.dtype.kind in "iubf"
                and math.prod(layer.shape[1:]) == 1
                and 0 not in layer.shape
            ):
                check_not_codes(layer.where, layer.read(), "name the estimator, such as 'posterior'")

    def with_by(self, by: Any) -> AuditPlan:
        """The plan with labels, from a file or an array, by which atoms are told apart beside the pairs.

        Raises
        ------
        InputError
            When they are no label for each sample, or the target is continuous.
        """
        if by is None:
            return self
        if self.continuous:
            hint = "moments have no local atoms; audit labels"
            raise InputError(Keyword("audit", "by"), "None with a continuous target", describe(by), hint)
        path = file_of(by)
        where = path or Keyword("audit", "by")
        labels = as_labels(where, by if path is None else read_array(path, BY))
        check_equal_lengths(where, samples=len(self.target), by=len(labels))
        return dataclasses.replace(self, by=labels)

    @property
    def layers(self) -> dict[LayerKey, Layer]:
        """Layers of the teacher, then of each stage of the student, that some pair needs."""
        layers: dict[LayerKey, Layer] = {("teacher", None, t): self.teacher[t] for t, _ in self.pairs}
        for stage, named in self.students.items():
            layers |= {("student", stage, s): named[s] for _, s in self.pairs}
        return layers

    @property
    def comparisons(self) -> list[PairKey]:
        """Every pair at every stage."""
        return [(stage, t, s) for stage in self.students for t, s in self.pairs]

    @property
    def all_pairs(self) -> bool:
        """Whether every teacher layer meets every one of several student layers."""
        return meet_all(self.pairs)

    @property
    def of_codes(self) -> bool:
        """Whether every layer is of codes."""
        return all(layer.is_codes for layer in self.layers.values())

    @property
    def widest(self) -> int:
        """Largest number of columns of a layer."""
        return max(math.prod(layer.shape[1:]) for layer in self.layers.values())

    def describe(self) -> dict[str, Any]:
        """Version, files and layers, for the provenance."""
        return {
            "pidkd": __version__,
            **self.files,
            **({"captures": self.captures} if self.captures else {}),
            "teachers": list(dict.fromkeys(t for t, _ in self.pairs)),
            "students": list(dict.fromkeys(s for _, s in self.pairs)),
        }


def file_of(source: Any) -> str | None:
    """The path as the user wrote it; None for arrays."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else None


def _opened(network: str, source: Any, where: str, max_memory: int) -> dict[str, Layer]:
    """Layers of a network; a bare array is a layer of the network's name, one of a list has an index."""
    layers = open_layers(source, where, max_memory)
    if file_of(source) is not None or isinstance(source, Mapping) or by_index(source):
        return layers
    [layer] = layers.values()
    return {network: dataclasses.replace(layer, name=network)}


def _networks(source: Any, where: str) -> dict[str, tuple[Any, str]]:
    """Networks by name, each with its name in messages; a single one has no name.

    Several networks are a mapping from name to files, or to mappings of layers; a mapping from name to arrays is one
    network with these layers.
    """
    if not isinstance(source, Mapping) or not any(_is_network(one) for one in source.values()):
        return {"": (source, file_of(source) or where)}
    networks = {}
    for name, one in source.items():
        if not isinstance(name, str) or not name or "/" in name:
            raise InputError(where, "names of networks that are text without '/'", quote(name))
        networks[printable(name)] = (one, file_of(one) or f"{where}[{quote(name)}]")
    return networks


def _is_network(one: Any) -> bool:
    return isinstance(one, Mapping) or file_of(one) is not None


def _all_opened(networks: Mapping[str, tuple[Any, str]], budget: int) -> tuple[dict[str, Layer], dict[str, str]]:
    """Layers of all networks, and the network of each where there are several: layers are ``network/layer``."""
    layers: dict[str, Layer] = {}
    network_of: dict[str, str] = {}
    for network, (source, where) in networks.items():
        for layer in _opened(network or "teacher", source, where, budget).values():
            name = layer.name if layer.name == (network or layer.name) else f"{network}/{layer.name}"
            layers[name] = dataclasses.replace(layer, name=name)
            if network:
                network_of[name] = network
    return layers, network_of


def _stages(student: Any, checkpoints: Mapping[str, Any] | None, baseline: Any) -> dict[str | None, tuple[Any, str]]:
    """Each stage of the student with its name in messages, the student itself as None and last."""
    where = Keyword("audit", "checkpoints")
    stages: dict[str | None, tuple[Any, str]] = {}
    if baseline is not None:
        stages[BASELINE] = (baseline, Keyword("audit", "baseline"))
    if not isinstance(checkpoints, Mapping | None):
        raise InputError(where, "a mapping from name to activations", type(checkpoints).__name__)
    for name, source in (checkpoints or {}).items():
        if not isinstance(name, str) or name in ("", BASELINE):
            raise InputError(where, f"names other than {BASELINE!r}", quote(name))
        stages[printable(name)] = (source, Keyword("audit", f"checkpoints[{quote(name)}]"))
    stages[None] = (student, Argument("audit", "student"))
    return {name: (source, file_of(source) or argument) for name, (source, argument) in stages.items()}


def _check_indexes(y: Any, groups: Any, networks: Mapping[str, Any]) -> None:
    """Refuse arrays of pandas or xarray whose rows have the same names in another order."""
    arrays = {"y": y, "groups": groups}
    for network, source in networks.items():
        layers = source.items() if isinstance(source, Mapping) else [("", source)]
        arrays |= {f"{network}[{quote(name)}]" if name else network: values for name, values in layers}
    check_same_rows(Argument("audit", "teacher, student, y"), **arrays)


def _groups(source: Any, n_samples: int) -> IntArray:
    """The number of the group of each row, from a file or an array."""
    path, where = file_of(source), Keyword("audit", "groups")
    labels = source if path is None else read_array(path, GROUPS)
    return as_groups(path or where, labels, n_samples)


def _target(source: Any, where: str, layers: Sequence[Layer], max_memory: int, target: Target) -> tuple[Array, bool]:
    """The target, and whether it is continuous: floats of shape (n_samples,) or (n_samples, d_y)."""
    held = as_array(where, source) if file_of(source) is None else open_array(source, LABELS, max_memory)
    if held.dtype.hasobject:
        raise wrong_dtype(where, held.dtype)
    for layer in layers:
        if layer.shape[:1] != held.shape[:1] and held.shape:
            raise InputError(layer.where, f"{held.shape[0]} samples, as in {where}", f"shape {layer.shape}")
    values = (held.array() if held.dtype.kind == "f" else held.held()) if isinstance(held, Layer) else held
    labels = as_array(where, as_target(where, values, target, "audit"))
    if labels.dtype.kind == "f":
        return labels, True
    if len(np.unique(labels)) == 1:
        raise InputError(where, "at least two classes", f"one class only ({labels[0]})")
    return labels, False


def _pairs(
    pairs: Pairs, teacher: Mapping[str, Layer], student: Mapping[str, Layer], network_of: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Pairs of a teacher layer and a student layer."""
    where = Keyword("audit", "pairs")
    if pairs is None:
        if len(teacher) == len(student) == 1:
            return [(next(iter(teacher)), next(iter(student)))]
        if len(student) == 1 and len(teacher) == len(set(network_of.values())):  # one layer of each of several teachers
            return [(name, next(iter(student))) for name in teacher]
        own_names = {name: name.removeprefix(f"{network_of.get(name)}/") for name in teacher}
        if shared := [(name, own) for name, own in own_names.items() if own in student]:
            return shared
        got = f"teacher layers {', '.join(teacher)} and student layers {', '.join(student)}"
        raise InputError(where, "layers of equal name", got, "name the pairs, or ask for all")
    if isinstance(pairs, str):
        if pairs != "all":
            raise InputError(where, "a list of (teacher layer, student layer), 'all' or None", quote(pairs))
        return [(t, s) for t in teacher for s in student]
    names = []
    if not isinstance(pairs, Iterable):
        raise InputError(where, "a list of (teacher layer, student layer), 'all' or None", quote(pairs))
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(name, str) for name in pair):
            raise InputError(where, "pairs (teacher layer, student layer)", quote(pair))
        for name, side, layers in zip(pair, ("teacher", "student"), (teacher, student), strict=True):
            if name not in layers:
                raise UnknownNameError(where, f"a layer of the {side}", name, layers)
        names.append((pair[0], pair[1]))
    if not names:
        raise InputError(where, "at least one pair", "none")
    return list(dict.fromkeys(names))


def _check_rows(target: Array, where: str, y: Any, sources: Sequence[tuple[Any, str]]) -> Array | None:
    """The stored ids; refused are ids that differ from file to file, and stored labels other than those given."""
    for source, place in sources:
        labels = stored(source, place, LABELS)
        if labels is not None and not np.array_equal(labels, target):
            got = f"{len(labels)} labels"
            if len(labels) == len(target):
                got = f"others from row {first_difference(labels, target)}"
            raise InputError(place, f"the labels of {where} beside the layers", got, "the rows may be misaligned")
    beside_labels = [] if file_of(y) is None else [(y, where)]
    return check_ids([*sources, *beside_labels], len(target))
