"""Scaling of time and memory with the size of a problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pidkd.benchmarks.problems import SAMPLES, TRUE_NATS
from pidkd.benchmarks.record import Row

"""What the name of an axis begins with along which samples grow, or the truth, and not the problem."""

POINTS = 3
"""Largest problems of a line that its exponent is fitted on: small ones cost what a call costs."""


@dataclass(frozen=True)
class Line:
    r"""One estimator along one axis: sizes, CPU seconds and megabytes, and :math:`\alpha` of cost ~ size^alpha."""

    estimator: str
    axis: str
    sizes: tuple[float, ...]
    cpu: tuple[float, ...]
    memory: tuple[float, ...]

    @property
    def time_exponent(self) -> float | None:
        """Fitted on the largest problems; None where there are too few."""
        return exponent(self.sizes, self.cpu)

    @property
    def memory_exponent(self) -> float | None:
        """Of what the problem takes beyond the process itself, where that is over a megabyte."""
        measured = [(size, memory) for size, memory in zip(self.sizes, self.memory, strict=True) if memory > 1.0]
        return exponent([size for size, _ in measured], [memory for _, memory in measured])


def lines(rows: Sequence[Row]) -> list[Line]:
    """The lines of growth of a record, each with at least two points."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.axis is not None and not row.axis[0].startswith((SAMPLES, TRUE_NATS)) and row.cpu is not None:
            grouped.setdefault((row.axis[0], row.estimator), []).append(row)
    fitted = []
    for (axis, estimator), members in grouped.items():
        members.sort(key=lambda row: row.axis[1] if row.axis else 0.0)
        sizes = tuple(row.axis[1] for row in members if row.axis)
        memory = tuple((row.peak or 0.0) - (row.base or 0.0) for row in members)
        if len(set(sizes)) > 1:
            fitted.append(Line(estimator, axis, sizes, tuple(row.cpu or 0.0 for row in members), memory))
    return fitted


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float | None:
    r""":math:`\alpha` of the least squares line :math:`\log c = \alpha \log n + \beta` through the largest sizes.

    Examples
    --------
    >>> round(exponent([1, 2, 4, 8], [5.0, 5.0, 20.0, 80.0]), 6)
    2.0
    """
    if len(sizes) < POINTS:
        return None
    x, y = np.log(sizes[-POINTS:]), np.log(costs[-POINTS:])
    return float(np.polynomial.Polynomial.fit(x, y, 1).convert().coef[1])
