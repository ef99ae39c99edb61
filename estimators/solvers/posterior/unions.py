"""Held-out unions of any sources: posteriors calibrated once, potentials for each subset that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from pidkd.arrays import FloatArray, IntArray
from pidkd.estimators.solvers.posterior.held_out import (
    COMPARED,
    Fitted,
    FoldLogs,
    Logs,
    calibrated,
    of_labels,
)
from pidkd.estimators.solvers.posterior.mixtures import Mixtures
from pidkd.estimators.solvers.posterior.nested import Nested
from pidkd.estimators.solvers.posterior.thresholds import Thresholds

Subset: TypeAlias = tuple[str, ...]


@dataclass
class _Fold:
    """Calibrated posteriors of one fold, and what each subset earned on rows that its potentials were not fitted to."""

    fitted_to: Mapping[str, FloatArray]
    compared: Mapping[str, FloatArray]
    compared_y: IntArray
    scored: Mapping[str, FloatArray]
    scored_y: IntArray
    rows: IntArray
    prior: FloatArray
    earned: dict[Subset, tuple[float, FloatArray]] = field(default_factory=dict)
    """The mean on compared rows, and the potentials of the label of each scored row."""

    def union(self, subset: Subset) -> FloatArray:
        """Potentials of the labels of the scored rows: fitted ones, or those of a smaller subset that earned more.

        What fewer sources say is feasible for more of them, so unions do not fall as sources are added.
        """
        if subset in self.earned:
            return self.earned[subset][1]
        if len(subset) == 1:
            before, after = (
                np.log(part[subset[0]][np.arange(len(y)), y])
                for part, y in ((self.compared, self.compared_y), (self.scored, self.scored_y))
            )
        else:
            fitted = self._fit(subset)
            before, after = (
                of_labels(fitted, [part[name] for name in subset], y)
                for part, y in ((self.compared, self.compared_y), (self.scored, self.scored_y))
            )
        own = float(before.mean()), after
        smaller = [self.earned[other] for other in self.earned if set(other) < set(subset)]
        self.earned[subset] = max([own, *smaller], key=lambda pair: pair[0])
        return self.earned[subset][1]

    def _fit(self, subset: Subset) -> Fitted:
        posteriors = [self.fitted_to[name] for name in subset]
        if len(self.prior) == 2:
            return Thresholds.fit(posteriors, self.prior)
        return (Mixtures if len(subset) == 2 else Nested).fit(posteriors, self.prior)


class HeldOutUnions:
    """Local union information of rows, by what was fitted to other rows.

    Parameters
    ----------
    y : array of int, shape (n,)
        Every class from 0 to n_classes - 1 occurs.
    fold : array of int, shape (n,)
    logs : mapping from name to Logs
    seed : int
    scaling : bool
        Whether the pools also have the posteriors scaled by a matrix, for those that nothing here was trained to.
    groups : array of int, shape (n,), optional
        Rows that are together in one fold, and in one half of what potentials are fitted to.
    """

    def __init__(
        self,
        y: IntArray,
        fold: IntArray,
        logs: Mapping[str, Logs],
        seed: int,
        scaling: bool,
        groups: IntArray | None = None,
    ) -> None:
        self.groups = groups
        self.y, self.prior = y, np.bincount(y) / len(y)
        self.folds = [self._fold(f, fold, logs, seed, scaling) for f in range(int(fold.max()) + 1)]

    def _fold(self, f: int, fold: IntArray, logs: Mapping[str, Logs], seed: int, scaling: bool) -> _Fold:
        one = FoldLogs.of(f, self.y, fold, logs, seed, self.groups, scaling)
        fit, score = one.fit, one.score
        pairs = {name: calibrated([part], self.y[fit], self.prior) for name, part in one.logs.items()}
        half = len(fit) // 2
        seen = slice(half, half + COMPARED)
        return _Fold(
            {name: p[:half] for name, (p, _) in pairs.items()},
            {name: p[seen] for name, (p, _) in pairs.items()},
            self.y[fit[seen]],
            {name: q for name, (_, q) in pairs.items()},
            self.y[score],
            score,
            self.prior,
        )

    def local(self, subset: Subset) -> FloatArray:
        """The sum of the potentials of each row's label, less log p(y), shape (n,); its mean is a lower bound."""
        values = np.empty(len(self.y))
        for one in self.folds:
            values[one.rows] = one.union(subset)
        local: FloatArray = values - np.log(self.prior)[self.y]
        return local
