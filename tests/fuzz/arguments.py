"""Wrong arguments to what is public: each call with one or two values that it was not made for."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pidkd
from pidkd.registry import get_estimator, list_estimators

Y, T, S = (np.arange(40) * k % 3 for k in (1, 2, 5))
FLOATS = np.random.default_rng(0).normal(size=(40, 2)) + Y[:, None]


class Odd:
    """An object that is nothing in particular."""

    def __repr__(self) -> str:
        return "line\n" * 100


def bad(rng: random.Random) -> Any:
    """A value that few arguments are made for."""
    return rng.choice(BAD)()


BAD: tuple[Callable[[], Any], ...] = (
    lambda: None,
    lambda: -1,
    lambda: 0,
    lambda: 1.5,
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: True,
    lambda: "x",
    lambda: "",
    lambda: "\x1b[31m\nred",
    lambda: "\ud800",
    lambda: b"x",
    list,
    dict,
    lambda: (1, 2),
    lambda: {"a": 1},
    lambda: [None],
    lambda: [[1, 2], [3]],
    lambda: 10**400,
    lambda: -(10**30),
    lambda: 1j,
    Odd,
    lambda: int,
    lambda: len,
    lambda: np.zeros((3, 0)),
    lambda: np.full((40, 2), np.nan),
    lambda: np.arange(41),
    lambda: np.array(["a", None], dtype=object),
    lambda: np.zeros((2, 2, 2, 2)),
    lambda: np.float32(0.5),
    lambda: np.datetime64("2020-01-01"),
    lambda: Path("nowhere"),
    lambda: iter([1, 2]),
    lambda: {1, 2},
    lambda: range(3),
)

CODES = {"y": Y, "t": T, "s": S}


def _decompose(**changes: Any) -> Any:
    arguments = {**CODES, **changes}
    y, t, s = (arguments.pop(name) for name in ("y", "t", "s"))
    return pidkd.decompose(y, t, s, **arguments)


def _information(**changes: Any) -> Any:
    arguments = {"x": T, "y": Y, **changes}
    x, y = arguments.pop("x"), arguments.pop("y")
    return pidkd.mutual_information(x, y, **arguments)


def _audit(**changes: Any) -> Any:
    arguments = {"teacher": {"h": T}, "student": {"h": S}, "y": Y, "shuffles": 0, "uncertainty": None, **changes}
    teacher, student, y = (arguments.pop(name) for name in ("teacher", "student", "y"))
    return pidkd.audit(teacher, student, y, **arguments)


def _estimator(rng: random.Random) -> Any:
    kind = rng.choice(("pid", "mi"))
    cls = get_estimator(rng.choice(list_estimators(kind)), kind)
    names = list(cls().get_params())
    if names:
        cls().with_params(**{rng.choice(names): bad(rng)}).check_params()


RESULT = pidkd.decompose(Y, T, S).to_dict()
REPORT = _audit().to_dict()


def _quantize(**changes: Any) -> Any:
    return pidkd.Quantizer(**{"n_components": 2, "n_clusters": 3, **changes}).fit_transform(FLOATS)


CALLS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "decompose": (_decompose, ("y", "t", "s", "estimator", "units", "seed", "uncertainty", "keep", "device")),
    "mutual_information": (_information, ("x", "y", "estimator", "units", "seed", "device")),
    "audit": (
        _audit,
        (
            *("teacher", "student", "y", "pairs", "checkpoints", "baseline", "estimator", "quantize", "fit_on", "pool"),
            *("shuffles", "uncertainty", "local", "max_memory", "device", "n_jobs", "seed", "units", "resume"),
        ),
    ),
    "Codes": (lambda **c: pidkd.Codes(**{**CODES, **c}), ("y", "t", "s")),
    "Activations": (lambda **c: pidkd.Activations(**{"y": Y, "t": FLOATS, "s": FLOATS, **c}), ("y", "t", "s")),
    "Pmf": (lambda **c: pidkd.Pmf(**{"p": np.full((2, 2, 2), 1 / 8), **c}), ("p",)),
    "Gaussian": (lambda **c: pidkd.Gaussian(**{"cov": np.eye(3), "dims": (1, 1, 1), **c}), ("cov", "dims")),
    "Quantizer": (_quantize, ("n_components", "n_clusters", "n_init", "seed", "max_memory")),
    "union_information": (
        lambda **c: pidkd.union_information(c.pop("y", Y), c.pop("sources", {"a": T, "b": S}), **c),
        ("y", "sources", "estimator", "units", "seed"),
    ),
    "decompose_lattice": (
        lambda **c: pidkd.decompose_lattice(c.pop("y", Y), c.pop("sources", {"a": T, "b": S}), **c),
        ("y", "sources", "measure", "units"),
    ),
    "from_dict": (lambda **c: pidkd.PIDResult.from_dict(RESULT | c), tuple(RESULT)),
    "report": (lambda **c: str(pidkd.AuditReport.from_dict(REPORT | c)), tuple(REPORT)),
    "Bootstrap": (lambda **c: _decompose(uncertainty=pidkd.Bootstrap(**{"n": 5, **c})), ("n", "level", "bias")),
    "Permutation": (lambda **c: _decompose(uncertainty=pidkd.Permutation(**{"n": 5, **c})), ("n", "of")),
}


def _distill(rng: random.Random) -> Any:
    from pidkd.distill import ImageData, get_method, list_methods, load_config
    from pidkd.distill.training.recipe import Recipe

    way = rng.choice(("method", "recipe", "data", "config", "options"))
    if way == "options":
        from pidkd.distill.training.arguments import OPTIONS, check_arguments, check_audit_options

        check_arguments("train", **{rng.choice(list(OPTIONS)): bad(rng)})
        return check_audit_options("Monitor", {rng.choice(("shuffles", "seed", "units", "pool", "x")): bad(rng)})
    if way == "method":
        cls = get_method(rng.choice(list_methods()))
        names = list(cls().get_params())
        return cls(**{rng.choice(names): bad(rng)}) if names else None
    if way == "recipe":
        return Recipe(**{rng.choice(list(Recipe().to_dict())): bad(rng)})
    if way == "data":
        whole = {"images": np.zeros((6, 4, 4, 1), np.uint8), "labels": np.arange(6) % 3, "n_classes": 3}
        if rng.random() < 0.5:
            return ImageData(**{**whole, rng.choice((*whole, "mean", "std", "ids")): bad(rng)})
        return getattr(ImageData(**whole), rng.choice(("split", "per_class", "with_label_noise")))(bad(rng))
    keys = ("seed", "teacher.noise", "audit.shuffles", "data.mean", "taps", "recipe.epochs", "methods", "student.model")
    return load_config("digits-rid", [f"{rng.choice(keys)}={rng.choice(TEXTS)}"])


TEXTS = ("-1", ".nan", ".inf", "[.nan]", "x", "[]", "{}", "~", "1e999", "2001-13-45", "!!int x", "[[1]]", "'\\x1b'")


def attempt(rng: random.Random, folder: Path) -> str:
    """Call with wrong values; an answer is as good as one line."""
    way = rng.randrange(10)
    if way == 0:
        _estimator(rng)
    elif way in (1, 2):
        _distill(rng)
    else:
        call, names = CALLS[rng.choice(list(CALLS))]
        call(**{name: bad(rng) for name in rng.sample(names, min(len(names), rng.choice((1, 1, 2))))})
    return "right"
