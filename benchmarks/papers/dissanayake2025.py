"""The paper of Redundant Information Distillation: its examples, and what of its figures a CPU can say.

The three examples are exact. Accuracies and the atoms of figure 5 are of networks that take an accelerator for hours;
they stand here as published, and without an answer of ours. As printed, RID ends below distillation by mutual
information where the teacher is good and above it where the teacher is untrained, and on CIFAR-100 it ends with less
measured redundancy than a student without a teacher. The printed learning rates are not those of the official code,
which sets the square where a scheduler is used; both are presets of pidkd.

The settings *at small scale* ask the same questions of small networks, read from the record of {doc}`results`: digits
(300 images, CNN of 16-32-64 channels to 8-16-32), Fashion-MNIST (1,000 images, the same networks, also under a gate,
which the paper does not have) and CIFAR-10 (1,000 images, a published ResNet-56 to a CNN of 16-32-64), each 60
epochs. A value is the mean over seeds of a difference paired by seed, with Student's 95 % interval. The note says on
which data of the paper its difference, in parentheses, has the same sign; *undecided* is where our interval holds
zero. I(Y;T) of a frozen teacher does not change, so that its unique information falls by what the redundant gains.
Untrained teachers are calibrated, or raw, with the statistics of a fresh network, as in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pidkd import decompose
from pidkd.benchmarks.distillation import read_lines, rows_of
from pidkd.benchmarks.papers import CERTIFIED, CLOSED_FORM, Number, Paper, Setting
from pidkd.benchmarks.papers._tables import Masses, entropy, of_rule, pmf

P_SIGNAL = Fraction(1, 5)
"""P(U1 = 1) of the second example."""


def _second(of_s: Callable[[int, int], int]) -> Masses:
    """Y = U1, T = (U1, U2), and S of one bit."""
    return {(u, (u, v), of_s(u, v)): (P_SIGNAL if u else 1 - P_SIGNAL) / 2 for u in (0, 1) for v in (0, 1)}


def uninformative() -> Iterator[Number]:
    """Example 1: Y = S, and T an independent bit."""
    result = decompose(pmf(of_rule(lambda u, v: (u, v, u), 2)))
    for atom in ("redundant", "unique_t"):
        yield Number(atom, getattr(result, atom), "0", 0.0, CLOSED_FORM, result.bounds(atom))


def complex_teacher() -> Iterator[Number]:
    """Example 2: the student of one bit that shares most with T is not the one that shares most of the task."""
    signal, nuisance = (decompose(pmf(_second(rule))) for rule in (lambda u, v: u, lambda u, v: v))
    h = entropy(float(P_SIGNAL), 1 - float(P_SIGNAL))
    yield Number("I(T;U1)", h, "0.72", h, CLOSED_FORM)
    yield Number("I(T;U2)", 1.0, "1", 1.0, CLOSED_FORM)
    yield Number("redundant, S = U1", signal.redundant, None, h, CLOSED_FORM, signal.bounds("redundant"))
    yield Number("redundant, S = U2", nuisance.redundant, None, 0.0, CLOSED_FORM, nuisance.bounds("redundant"))


def synergy() -> Iterator[Number]:
    """Example 3: Y = U1, T = U1 xor U2, S = U2."""
    result = decompose(pmf(of_rule(lambda u, v: (u, u ^ v, v), 2)))
    yield Number("I(Y;T|S)", result.unique_t + result.synergistic, "1", 1.0, CLOSED_FORM)
    yield Number("I(Y;T)", result.mi_t, "0", 0.0, CLOSED_FORM)
    yield Number("I(Y;S)", result.mi_s, "0", 0.0, CLOSED_FORM)
    for atom in ("redundant", "unique_t"):
        yield Number(atom, getattr(result, atom), "0", 0.0, CERTIFIED, result.bounds(atom))


ACCURACIES = {
    "figure 4, CIFAR-10": {"RID": ("0.80", "0.65"), "VID": ("0.81", "0.37"), "no teacher": ("0.73", "0.73")},
    "table 2, CIFAR-100": {"RID": ("0.50", "0.41"), "VID": ("0.67", "0.20"), "no teacher": ("0.43", "0.43")},
    "table 3, ImageNet to CUB-200": {"RID": ("0.65", "0.33"), "VID": ("0.70", "0.11"), "no teacher": ("0.36", "0.36")},
}
"""Accuracy of the student of each method, with a trained and with an untrained teacher."""

FIGURE_5 = {
    "figure 5, CIFAR-10": {
        "no teacher": ("0.15", "1.10"),
        "VID, trained teacher": ("0.16", "1.05"),
        "RID, trained teacher": ("0.05", "1.20"),
        "VID, untrained teacher": ("0.02", "0.05"),
        "RID, untrained teacher": ("0.01", "0.05"),
    },
    "figure 5, CIFAR-100": {
        "no teacher": ("0.41", "0.19"),
        "VID, trained teacher": ("0.21", "0.38"),
        "RID, trained teacher": ("0.43", "0.08"),
        "VID, untrained teacher": ("0.03", "0.07"),
        "RID, untrained teacher": ("0.09", "0.02"),
    },
}
"""Unique information of the teacher and redundant information at the end of training, in nats."""

BY_EYE = "read off the figure by eye"
ACCELERATOR = "needs an accelerator"


def accuracies(printed: Mapping[str, tuple[str, str]]) -> Iterator[Number]:
    """Accuracies as printed."""
    for method, pair in printed.items():
        for teacher, accuracy in zip(("trained", "untrained"), pair, strict=True):
            yield Number(f"accuracy, {method}, {teacher} teacher", None, accuracy, units="share", note=ACCELERATOR)


def curves(read: Mapping[str, tuple[str, str]]) -> Iterator[Number]:
    """Ends of the curves of figure 5."""
    for method, pair in read.items():
        for atom, value in zip(("unique_t", "redundant"), pair, strict=True):
            yield Number(f"{atom}, {method}", None, value, units="nats", note=ACCELERATOR)


RECORD = Path(__file__).parents[1] / "results/distillation.jsonl"

METHODS = {"RID": "rid", "VID": "vid", "no teacher": "none"}
"""Names in the paper, and names of methods."""

COMPARED = (("RID", "no teacher"), ("VID", "no teacher"), ("RID", "VID"))

SMALL = {
    "digits": (("digits",), "trained"),
    "Fashion-MNIST": (("fmnist",), "trained"),
    "Fashion-MNIST, under a gate": (("fmnist-gate", "fmnist-gate-trained"), "trained"),
    "CIFAR-10, weight of RID 10": (("cifar",), "resnet56-4bfd9763"),
    "CIFAR-10, weight of RID 30": (("cifar-student",), "resnet56-4bfd9763"),
}
"""Experiments of the record, and their trained teacher."""


def at_small_scale(experiments: Sequence[str], trained: str) -> Iterator[Number]:
    """Differences of accuracy and of atoms between methods, by teacher."""
    lines = read_lines(RECORD)
    rows = [row for name in experiments for row in rows_of(lines, name)]
    teachers = {trained: "trained", "untrained": "untrained", "untrained-raw": "raw untrained"}
    for teacher, called in teachers.items():
        column = int(called != "trained")
        for a, b in COMPARED:
            printed = {
                name.partition(", ")[2]: 100 * (float(values[a][column]) - float(values[b][column]))
                for name, values in ACCURACIES.items()
            }
            of_pair = f"{a} less {b}, {called} teacher"
            yield from _difference(rows, teacher, (a, b), "accuracy", f"accuracy, {of_pair}", printed)
            printed = {
                name.partition(", ")[2]: _red(values, a, called) - _red(values, b, called)
                for name, values in FIGURE_5.items()
                if called == "trained" or b != "no teacher"
            }
            yield from _difference(rows, teacher, (a, b), "redundant", f"redundant, {of_pair}", printed)


def _red(curves_of: Mapping[str, tuple[str, str]], method: str, teacher: str) -> float:
    """Redundant information at the end of a curve, in bits; without a teacher, that with the trained one."""
    name = method if method == "no teacher" else f"{method}, {teacher.partition(' ')[2] or teacher} teacher"
    return float(curves_of[name][1]) / math.log(2)


def _difference(
    rows: Sequence[Mapping[str, Any]],
    teacher: str,
    pair: tuple[str, str],
    key: str,
    quantity: str,
    printed: Mapping[str, float],
) -> Iterator[Number]:
    """Mean difference of two methods over seeds; none where the record has no pair of runs."""
    a, b = (
        {
            row["seed"]: row[key]
            for row in rows
            if (row["method"], row["teacher"]) == (METHODS[name], teacher) and key in row
        }
        for name in pair
    )
    scale, units = (100, "points") if key == "accuracy" else (1, "bits")
    values = [scale * (a[seed] - b[seed]) for seed in a if seed in b]
    if values:
        interval = _interval(values)
        count = f"{len(values)} seeds" if len(values) > 1 else "one seed"
        note = f"{count}{_beside(printed, interval, units)}"
        yield Number(quantity, fmean(values), interval=interval, units=units, note=note)


def _beside(printed: Mapping[str, float], interval: tuple[float, float] | None, units: str) -> str:
    """Where the paper's differences have the sign of ours."""
    digits = 0 if units == "points" else 2
    listed = {name: f"{name} ({value:+.{digits}f})" for name, value in printed.items()}
    if not printed:
        return "; not in the paper"
    if interval is None or interval[0] <= 0 <= interval[1]:
        return f"; undecided; {', '.join(listed.values())}"
    alike = [name for name, value in printed.items() if value * interval[0] > 0]
    unlike = [name for name in printed if name not in alike]
    parts = {"sign as on": alike, "not as on": unlike}
    return "".join(f"; {words} {', '.join(listed[name] for name in names)}" for words, names in parts.items() if names)


def _interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's t interval at 95 %."""
    from scipy.stats import t

    if len(values) < 2:
        return None
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


PAPER = Paper(
    [
        Setting("example 1, an uninformative teacher", "tiny", uninformative, "section 3"),
        Setting("example 2, a teacher with nuisance", "tiny", complex_teacher, "section 3"),
        Setting("example 3, synergy", "tiny", synergy, "section 3"),
        *(
            Setting(name, "tiny", partial(accuracies, printed), BY_EYE if "figure" in name else "as named")
            for name, printed in ACCURACIES.items()
        ),
        *(Setting(name, "tiny", partial(curves, read), BY_EYE) for name, read in FIGURE_5.items()),
        *(
            Setting(f"at small scale, {name}", "tiny", partial(at_small_scale, experiments, trained))
            for name, (experiments, trained) in SMALL.items()
        ),
    ]
)
