"""Checks of the options of ``train``, ``capture``, ``prospect`` and ``Monitor``, before any work."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pidkd.audits.auditing import audit
from pidkd.audits.options import AuditOptions
from pidkd.constraints import FLAG, SEED, TEXT, Constraint, OfType, OrNone, Whole, With
from pidkd.distill.training.recipe import Recipe
from pidkd.errors import Argument, InputError, Parameter, UnknownNameError
from pidkd.parameters import parameter_names
from pidkd.runs.output import as_path

FUNCTION = OrNone(With("__call__", "a function"))

OPTIONS: Mapping[str, Constraint] = {
    "seed": SEED,
    "device": TEXT,
    "batch_size": Whole(1, 2**31),
    "recipe": OrNone(OfType(Recipe, "a Recipe")),
    "processes": OrNone(Whole(1)),
    "note": OrNone(OfType(Mapping, "a mapping")),
    "layout": OrNone(OfType((Mapping, list, tuple), "a mapping, or a list with a pair for each layer pair")),
    "remarks": OfType((list, tuple), "a list of lines"),
    **dict.fromkeys(("strict", "resume", "dry_run", "tensorboard"), FLAG),
    **dict.fromkeys(("forward", "collate", "before", "after_epoch", "progress"), FUNCTION),
}


def check_arguments(call: str, **values: Any) -> None:
    """Refuse options of a call that are of another type, or out of range.

    Raises
    ------
    InputError
        The message names the option.
    """
    for name, value in values.items():
        if name == "out":
            if value is not None:
                as_path(Argument(call, name), value)
            continue
        OPTIONS[name].check(Argument(call, name), value)


def check_audit_options(owner: str, options: Mapping[str, Any]) -> None:
    """Refuse options that ``audit`` does not have, or that it would refuse, before the first audit.

    Raises
    ------
    UnknownNameError
        When there is no such option.
    InputError
        When a value cannot be used.
    """
    known = [name for name in parameter_names(audit) if name not in ("teacher", "student", "y", "pairs", "resume")]
    for name in options:
        if name not in known:
            raise UnknownNameError(Parameter(owner, name), "an option of audit", name, known)
    own = {field.name for field in dataclasses.fields(AuditOptions)} - {"images"}
    try:
        AuditOptions(**{name: value for name, value in options.items() if name in own})
    except InputError as error:
        raise error.at(Parameter(owner, error.where.name) if isinstance(error.where, Argument) else owner) from None
