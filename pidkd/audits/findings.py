"""The numbers of an audit as plain data, read and written in every schema."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pidkd.audits.pair import AuditedPair, meet_all
from pidkd.citing import cite, settings
from pidkd.codec import from_plain, plain
from pidkd.constraints import COUNT, TEXT, NonNegative, OrNone, Several
from pidkd.contribution_result import ContributionResult, Quantity
from pidkd.errors import InputError, quote, reason
from pidkd.result import NATS_PER, PIDResult, Units, check_units

SCHEMA = 2
"""Version of the layout of ``Findings.to_dict``. A change that an old reader would misread raises it."""

READABLE = (1, SCHEMA)
"""Schemas that ``Findings.from_dict`` reads. The first had no checkpoints, baseline, probes or CKA."""


@dataclass(frozen=True)
class Beyond:
    r""":math:`I_\cup(T,S_1,..,S_n)-I_\cup(S_1,..,S_n)`: what no layer of the student has of a teacher layer.

    Parameters
    ----------
    teacher : str
        The teacher layer that has most.
    students : tuple of str
        Layers of the student.
    value : Quantity
    """

    teacher: str
    students: tuple[str, ...]
    value: Quantity


@dataclass(frozen=True)
class Findings:
    r"""Atoms of pairs of layers at every stage of the student, the pair with most left to distill first.

    Parameters
    ----------
    pairs : tuple of AuditedPair
        In the order of falling Uni(Y:T\S).
    units : {"bits", "nats"}
    n_samples, n_classes : int
        No classes, 0, where the target is continuous.
    entropy : float
        H(Y), the ceiling of all information about the label; infinite where the target is continuous.
    seconds : float
        Wall time.
    provenance : mapping
        Version, files, estimator, quantizer, seed.
    ensembles : tuple of ContributionResult
        Of several teachers: for each student layer, as ``given``, what each of them adds.
    beyond : Beyond, optional
        Where every teacher layer met every student layer: what no layer of the student has.
    """

    pairs: tuple[AuditedPair, ...]
    units: Units
    n_samples: Annotated[int, COUNT]
    n_classes: Annotated[int, COUNT]
    entropy: Annotated[float, NonNegative(ends="[]")]
    seconds: Annotated[float, NonNegative()]
    provenance: Mapping[str, Any]
    ensembles: tuple[ContributionResult, ...] = ()
    beyond: Beyond | None = None

    @property
    def results(self) -> dict[tuple[str, str], PIDResult]:
        """The result of each pair (teacher layer, student layer)."""
        return {(pair.teacher, pair.student): pair.result for pair in self.pairs}

    @property
    def scale(self) -> float:
        """Information of a bar of full width: H(Y), and of a continuous target the largest I(Y;T,S)."""
        if self.n_classes:
            return self.entropy
        return max([pair.result.mi for pair in self.pairs if math.isfinite(pair.result.mi)], default=0.0) or 1.0

    @property
    def most_cells(self) -> int:
        """Largest number of pairs of cells; 0 where there are no codes."""
        return max(pair.cells_ts for pair in self.pairs)

    @property
    def leading(self) -> AuditedPair:
        r"""The pair that headline and page speak of: that with most Uni(Y:T\S).

        Where every teacher layer met every one of several student layers, each teacher layer counts by its best
        partner, for what one layer of the student lacks another may have.
        """
        partners: dict[str, list[AuditedPair]] = {}
        for pair in self.pairs:
            partners.setdefault(pair.teacher, []).append(pair)
        if not self.all_pairs:
            return self.pairs[0]
        best = [min(pairs, key=lambda pair: pair.result.unique_t) for pairs in partners.values()]
        return max(best, key=lambda pair: pair.result.unique_t)

    @property
    def all_pairs(self) -> bool:
        """Whether every teacher layer met every one of several student layers."""
        return meet_all([(pair.teacher, pair.student) for pair in self.pairs])

    def by_depth(self) -> list[AuditedPair]:
        """The pairs in the order of their layers in the files."""
        order = {
            side: {name: place for place, name in enumerate(self.provenance.get(side) or ())}
            for side in ("teachers", "students")
        }
        last = len(self.pairs)
        return sorted(
            self.pairs,
            key=lambda pair: (order["teachers"].get(pair.teacher, last), order["students"].get(pair.student, last)),
        )

    def to(self, units: Units) -> Self:
        """The same report in other units."""
        check_units("to(units)", units)
        pairs = tuple(pair.to(units) for pair in self.pairs)
        factor = NATS_PER[self.units] / NATS_PER[units]
        beyond = self.beyond and dataclasses.replace(self.beyond, value=self.beyond.value.scaled(factor))
        ensembles = tuple(ensemble.to(units) for ensemble in self.ensembles)
        entropy = self.entropy * factor
        return dataclasses.replace(self, pairs=pairs, units=units, entropy=entropy, ensembles=ensembles, beyond=beyond)

    def cite(self) -> str:
        """One paragraph for a methods section: layers, samples, estimator and its source, preprocessing, seed."""
        first = self.pairs[0].result
        preprocessing = {key: self.provenance[key] for key in ("pool", "quantizer") if self.provenance.get(key)}
        layers = f"{len(self.pairs)} pair{'s' if len(self.pairs) > 1 else ''} of teacher and student layers"
        return f"Audit of {layers}, seed {self.provenance.get('seed')}{settings(preprocessing)}. {cite(first)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, with the version of its layout."""
        numbers = {name: plain(value) for name, value in vars(self).items() if name != "pairs"}
        return {
            "kind": "pidkd.audit",
            "schema": SCHEMA,
            "pairs": [pair.to_dict() for pair in self.pairs],
            **numbers,
        }

    @classmethod
    def from_dict(cls, data: Any, where: str = "AuditReport.from_dict(data)") -> Self:
        """Rebuild what ``to_dict`` wrote; ``where`` is what messages call it.

        Raises
        ------
        InputError
            When ``data`` is something else, or of another schema.
        """
        kind = data.get("kind") if isinstance(data, Mapping) else None
        if not isinstance(kind, str) or kind != "pidkd.audit":
            raise InputError(where, "an audit written by pidkd", "something else")
        if not any(data.get("schema") is number for number in READABLE):
            got = f"schema {quote(data.get('schema'))}"
            expected = f"schema {' or '.join(map(str, READABLE))}"
            raise InputError(where, expected, got, "read it with the version of pidkd that wrote it")
        values = {key: value for key, value in data.items() if key not in ("kind", "schema", "provenance")}
        try:
            report = from_plain(cls, values, defaults={"provenance": _provenance(data.get("provenance"))})
            if not report.pairs:
                raise InputError("pairs", "at least one pair", "none")
            return report  # type: ignore[no-any-return]
        except InputError as error:
            raise error.at(f"{where}, {error.where}") from error
        except RecursionError:
            raise InputError(where, "what AuditReport.to_dict() writes", "entries that lie too deep") from None


def _provenance(provenance: Any) -> dict[str, Any]:
    """The provenance, once it is plain data whose lists of layers are such."""
    if not isinstance(provenance, Mapping):
        raise InputError("provenance", "a mapping", quote(provenance))
    try:
        json.dumps(provenance)
    except (TypeError, ValueError) as error:
        raise InputError("provenance", "plain data", reason(error)) from error
    for side in ("teachers", "students"):
        OrNone(Several(TEXT)).check(f"provenance.{side}", provenance.get(side))
    return dict(provenance)
