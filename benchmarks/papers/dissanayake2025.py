"""The paper of Redundant Information Distillation: its examples, and the accuracies of its tables.

The three examples are exact. Accuracies and the atoms of figure 5 are of networks that take an accelerator for hours;
they stand here as published, and without an answer of ours. As printed, RID ends below distillation by mutual
information where the teacher is good and above it where the teacher is untrained, and on CIFAR-100 it ends with less
measured redundancy than a student without a teacher. The printed learning rates are not those of the official code,
which sets the square where a scheduler is used; both are presets of pidkd.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial

from pidkd import decompose
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
    "table 2, CIFAR-100": {"RID": ("0.50", "0.41"), "VID": ("0.67", "0.20"), "no teacher": ("0.43", "0.43")},
    "table 3, ImageNet to CUB-200": {"RID": ("0.65", "0.33"), "VID": ("0.70", "0.11"), "no teacher": ("0.36", "0.36")},
}
"""Accuracy of the student of each method, with a trained and with an untrained teacher."""


def accuracies(printed: dict[str, tuple[str, str]]) -> Iterator[Number]:
    """Accuracies as printed."""
    for method, pair in printed.items():
        for teacher, accuracy in zip(("trained", "untrained"), pair, strict=True):
            note = "needs an accelerator"
            yield Number(f"accuracy, {method}, {teacher} teacher", None, accuracy, units="share", note=note)


FIGURE_5 = {
    "CIFAR-10": {
        "no teacher": ("0.15", "1.10"),
        "VID, trained teacher": ("0.16", "1.05"),
        "RID, trained teacher": ("0.05", "1.20"),
    },
    "CIFAR-100": {
        "no teacher": ("0.41", "0.19"),
        "VID, trained teacher": ("0.21", "0.38"),
        "RID, trained teacher": ("0.43", "0.08"),
    },
}
"""Uni_T and Red at the end of training, in nats, read off the figure by eye."""


def curves(read: dict[str, tuple[str, str]]) -> Iterator[Number]:
    """Ends of the curves."""
    for method, pair in read.items():
        for atom, value in zip(("unique_t", "redundant"), pair, strict=True):
            yield Number(f"{atom}, {method}", None, value, units="nats", note="needs an accelerator")


PAPER = Paper(
    [
        Setting("example 1, an uninformative teacher", "tiny", uninformative, "section 3"),
        Setting("example 2, a teacher with nuisance", "tiny", complex_teacher, "section 3"),
        Setting("example 3, synergy", "tiny", synergy, "section 3"),
        *(Setting(name, "tiny", partial(accuracies, rows), "as named") for name, rows in ACCURACIES.items()),
        *(
            Setting(f"figure 5, {name}", "tiny", partial(curves, rows), "read off the figure by eye")
            for name, rows in FIGURE_5.items()
        ),
    ]
)
