"""Declaration of the quantities that an audit stores beside the atoms of a pair: value, column, words on the page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pidkd.arrays import Array


class LayerReading(Protocol):
    """The part of a layer's reading that quantities are computed from."""

    @property
    def codes(self) -> Array | None:
        """Codes of the counted samples."""

    @property
    def probe(self) -> float | None:
        """Held-out accuracy of a linear probe."""

    @property
    def gram(self) -> Array | None:
        """Centred Gram matrix."""


@dataclass(frozen=True)
class Measured:
    """Readings of the two layers of a pair, and the accuracies of their networks."""

    t: LayerReading
    s: LayerReading
    accuracies: tuple[float | None, float | None]


@dataclass(frozen=True)
class Stored:
    """A stored quantity: a field of ``AuditedPair`` that computes itself, and is a column of its own.

    Parameters
    ----------
    of : callable
        Its value for a pair; None where it is not known.
    heading, meaning : str
        Of its column on the page; without a heading it is a column of CSV and data frame only.
    fact : str
        Its name in the facts about a network.
    sentence : str
        Sentence beside the headline on it, {0}, and its counterpart of the student, {1}, where both are known.
    """

    of: Callable[[Measured], Any]
    heading: str = ""
    meaning: str = ""
    fact: str = ""
    sentence: str = ""


def stored(of: Callable[[Measured], Any], default: Any = None, **words: str) -> Any:
    """Field of ``AuditedPair`` that is a stored quantity, as ``Stored`` describes it."""
    return dataclasses.field(default=default, metadata={"stored": Stored(of, **words)})


def stored_in(record: Any) -> dict[str, Stored]:
    """Stored quantities of a dataclass, or of its class, by the name of their field."""
    return {field.name: field.metadata["stored"] for field in dataclasses.fields(record) if "stored" in field.metadata}
