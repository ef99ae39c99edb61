"""Columns of an audit's numbers, each declared once: for CSV and data frame, the page and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pidkd.audits.findings import Findings
from pidkd.audits.pair import AuditedPair
from pidkd.audits.stored import Stored, stored_in
from pidkd.result import ATOMS

if TYPE_CHECKING:
    from rich.text import Text

Getter: TypeAlias = Callable[[Findings, AuditedPair], Any]


@dataclass(frozen=True)
class Column:
    """One stored column.

    Parameters
    ----------
    name : str
        In CSV and data frame.
    get : callable
        The value for a pair at a stage; None where it is not known.
    heading : str
        On the page; empty leaves it out there.
    meaning : str
        Explanation of the heading.
    terminal : str
        Heading on the terminal; empty leaves it out there.
    words : callable, optional
        Styled text of a value, where it is not a number of three decimals.
    """

    name: str
    get: Getter
    heading: str = ""
    meaning: str = ""
    terminal: str = ""
    words: Callable[[AuditedPair], Text] | None = None

    def known(self, findings: Findings, stages: Sequence[AuditedPair]) -> bool:
        """Whether the value is known for some stage."""
        return any(self.get(findings, stage) is not None for stage in stages)

    def text(self, findings: Findings, stage: AuditedPair) -> Text:
        """Text of the value as page and terminal show it."""
        from rich.text import Text

        if self.words is not None:
            return self.words(stage)
        value = self.get(findings, stage)
        return Text("" if value is None else f"{value:z.3f}")


def certified_text(stage: AuditedPair) -> Text:
    """Gap of the certificate in words."""
    from pidkd.display.terminal import certified

    return certified(stage.result)


def _of_atom(field: str, atom: str, end: int | None = None) -> Getter:
    """Entry of a mapping from atom to number, or to (low, high), that a result may lack."""

    def get(findings: Findings, stage: AuditedPair) -> Any:
        value = (getattr(stage.result, field) or {}).get(atom)
        return value if end is None or value is None else value[end]

    return get


def _atom(name: str) -> Column:
    from pidkd.display.atoms import LOOKS

    heading = LOOKS[name].heading
    return Column(name, lambda _, stage: stage.result.atoms[name], heading, LOOKS[name].words, heading)


def _stored(name: str, quantity: Stored) -> Column:
    return Column(name, lambda _, stage: getattr(stage, name), quantity.heading, quantity.meaning)


def _null(name: str) -> Column:
    shown = (
        ("chance", "null level of Uni T: 95 % quantile over shuffled labels", "chance") if name == "unique_t" else ()
    )
    return Column(f"null_{name}", _of_atom("null", name), *shown)


COLUMNS = (
    Column("teacher", lambda _, stage: stage.teacher),
    Column("student", lambda _, stage: stage.student),
    Column("checkpoint", lambda _, stage: stage.checkpoint),
    Column("units", lambda findings, _: findings.units),
    *map(_atom, ATOMS),
    Column(
        "mi_t",
        lambda _, stage: stage.result.mi_t,
        "I(Y;T)",
        "information of the teacher's layer about the label",
        "I(Y;T)",
    ),
    Column(
        "mi_s",
        lambda _, stage: stage.result.mi_s,
        "I(Y;S)",
        "information of the student's layer about the label",
        "I(Y;S)",
    ),
    Column("mi", lambda _, stage: stage.result.mi, "I(Y;T,S)", "information of T and S together about the label"),
    Column(
        "mi_t_given_s",
        lambda _, stage: stage.conditional,
        "I(Y;T|S)",
        "what the teacher's layer adds to the student's",
    ),
    *map(_null, ATOMS),
    *(
        Column(f"{name}_{end}", _of_atom("interval", name, side))
        for name in ATOMS
        for side, end in enumerate(("low", "high"))
    ),
    Column("status", lambda _, stage: stage.result.certificate.status),
    Column(
        "gap",
        lambda _, stage: stage.result.certificate.gap,
        "gap",
        "certified optimality gap of the solver",
        "certified",
        certified_text,
    ),
    Column("entropy", lambda findings, _: findings.entropy),
    Column("ceiling_t", lambda _, stage: stage.ceilings()[0]),
    Column("ceiling_s", lambda _, stage: stage.ceilings()[1]),
    Column("n_samples", lambda findings, _: findings.n_samples),
    *(_stored(name, quantity) for name, quantity in stored_in(AuditedPair).items()),
)
"""Every stored column, in the order of the CSV."""

PAGE = tuple(column for column in COLUMNS if column.heading)
"""Columns of the table of numbers on the page."""

TERMINAL = tuple(column for column in COLUMNS if column.terminal)
"""Columns of the table on the terminal."""
