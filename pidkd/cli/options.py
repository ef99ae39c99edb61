"""Options that several commands have, and how their texts are read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

import pidkd
from pidkd.errors import Argument, InputError, quote

if TYPE_CHECKING:
    from pidkd.pid import PIDEstimator


class UnitsOption(StrEnum):
    """Units, as an option."""

    BITS = "bits"
    NATS = "nats"


class TargetOption(StrEnum):
    """Kinds of target, as an option."""

    AUTO = "auto"
    DISCRETE = "discrete"
    CONTINUOUS = "continuous"


class DeviceOption(StrEnum):
    """Training device, as an option."""

    CPU = "cpu"
    CUDA = "cuda"
    AUTO = "auto"


Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
Jobs = Annotated[int | None, typer.Option("--jobs", help="Processes; -1 for all cores. The result is the same.")]
ClusterAddress = Annotated[
    str | None,
    typer.Option("--cluster", metavar="ADDRESS", help="A dask scheduler, as in tcp://host:8786, whose workers do it."),
]
Seed = Annotated[int, typer.Option("--seed", min=0)]
Units = Annotated[UnitsOption, typer.Option("--units")]
Estimator = Annotated[str, typer.Option("--estimator", help="One of 'pidkd list'; auto goes by the kind of data.")]
Target = Annotated[TargetOption, typer.Option("--target", help="Kind of the target y; auto goes by its type.")]
Groups = Annotated[
    Path | None, typer.Option("--groups", help="A label for each row; views of one image, say, are a group.")
]
By = Annotated[
    Path | None, typer.Option("--by", help="A label for each row, such as its class or domain: atoms by label.")
]
Given = Annotated[
    Path | None, typer.Option("--given", help="A label for each row, such as its prompt: the mean over its strata.")
]
Device = Annotated[DeviceOption, typer.Option("--device", help="Where classifiers and critics are trained.")]
Param = Annotated[
    list[str] | None, typer.Option("--param", metavar="KEY=VALUE", help="A parameter of the estimator; repeatable.")
]
Uncertainty = Annotated[
    list[str] | None,
    typer.Option(
        "--uncertainty",
        metavar="METHOD",
        help="bootstrap[=N], jackknife, permutation[=N], or none: what sampling may have changed; repeatable.",
    ),
]


@contextmanager
def option(name: str) -> Iterator[None]:
    """Context in which errors of bad input name this option of the command, and the parameter that it sets."""
    try:
        yield
    except InputError as error:
        raise error.at(f"{name} {error.where.name}" if isinstance(error.where, Argument) else name) from error


def named_estimator(name: str, params: Sequence[str] | None) -> str | PIDEstimator:
    """The estimator with its parameters."""
    if not params:
        return name
    if name == "auto":  # which goes by the layers: some are codes, others activations
        raise InputError("--param", "--estimator NAME beside it", "none")
    return cast("PIDEstimator", pidkd.get_estimator(name)().with_params(**parameters(params)))


def uncertainty_methods(texts: Sequence[str], counted: bool = True) -> list[Any] | None:
    """Methods of uncertainty from their texts; a bootstrap corrects for bias, of counts by shuffles."""
    if list(texts) == ["none"]:
        return None
    methods: list[Any] = []
    for text in texts:
        spelling = re.fullmatch(r"(bootstrap|permutation)(?:=(\d+))?|jackknife", text)
        if spelling is None:
            raise InputError("--uncertainty", "bootstrap[=N], jackknife, permutation[=N], or none alone", quote(text))
        options: dict[str, Any] = {"n": int(spelling[2])} if spelling[2] else {}
        with option("--uncertainty"):
            if spelling[1] == "bootstrap":
                methods.append(pidkd.Bootstrap(**options, bias="shuffle" if counted else "extrapolation"))
            else:
                methods.append(pidkd.Permutation(**options) if spelling[1] else pidkd.Jackknife())
    return methods or None


def parameters(params: Sequence[str] | None) -> dict[str, Any]:
    """Parameters by name, each value read as a Python literal or else as text."""
    from pidkd.estimator import RESERVED

    values: dict[str, Any] = {}
    for text in params or ():
        key, equals, value = text.partition("=")
        if not key.isidentifier() or not equals:
            raise InputError("--param", "KEY=VALUE", quote(text))
        if key in (*RESERVED, "x"):
            raise InputError("--param", "a parameter of the estimator", key)
        try:
            values[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            values[key] = value
    return values


def number_of_bytes(option: str, text: str) -> int:
    """A number of bytes from text such as 500MB or 2GiB."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kMGT]?)(i?)B?", text.strip())
    if match is None or float(match[1]) == 0:
        raise InputError(option, "a number of bytes such as 500MB or 2GiB", quote(text))
    return int(float(match[1]) * (1024 if match[3] else 1000) ** " kMGT".index(match[2] or " "))
