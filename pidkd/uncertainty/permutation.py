"""Null levels from shuffled labels or sources."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from pidkd.inputs import Input
from pidkd.parameters import Level, Parameterised, Whole
from pidkd.uncertainty.method import QUANTITIES, Values
from pidkd.uncertainty.sample import Sample


@dataclass(frozen=True)
class Permutation(Parameterised):
    r"""The level that an atom keeps under independence: a quantile over ``n`` random shuffles.

    ``of="y"`` shuffles the labels, which leaves :math:`(T,S)` as it is and makes every true atom zero. ``of="t"`` and
    ``of="s"`` shuffle that source within each class, which leaves :math:`(Y,T)` and :math:`(Y,S)` as they are and makes
    T and S independent given Y. For a measure that sees only those two pairs, as BROJA, this moves the synergy and
    I(Y;T,S) alone, and it is these two that get a level; a synergy below it may be all due to sources that are
    independent within the classes, and to bias. On a table the two choices are the same in law.

    Parameters
    ----------
    n : int, default 100
    of : {"y", "t", "s"}
    level : float, default 0.95
        The quantile of the shuffled values that becomes ``PIDResult.null``; their mean and the p-values, the share of
        shuffles (the data among them) that reach the estimate, are in ``provenance["uncertainty"]``.

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> y, t, s = np.random.default_rng(0).integers(4, size=(3, 5000))  # independent: all there is, is bias
    >>> result = pidkd.decompose(y, t, s, uncertainty=pidkd.Permutation())
    >>> bool(0.003 < result.mi < 2 * result.null["mi"])
    True
    """

    n: Annotated[int, Whole(1, 1_000_000)] = 100
    of: Literal["y", "t", "s"] = "y"
    level: Annotated[float, Level()] = 0.95

    fills: ClassVar[str] = "null"

    def __post_init__(self) -> None:
        self.check_params()

    def too_few(self) -> str | None:
        """A note where the quantile is the largest of all shuffles, as it is of fewer than 1 / (1 - level) - 1."""
        enough = math.ceil(1 / (1 - self.level) - 1 - 1e-9)
        if self.n >= enough:
            return None
        return (
            f"the {self.level:.4g} quantile of {self.n} shuffles is no more than their largest; take at least {enough}"
        )

    def check(self, sample: Sample) -> None:
        """Refuse a shuffle within classes where there are none."""
        sample.check_shuffle(self.of)

    def count(self, sample: Sample) -> int:
        """Number of shuffles."""
        return self.n

    def resamples(self, sample: Sample, rng: np.random.Generator) -> Iterator[Input]:
        """The shuffled samples."""
        for _ in range(self.n):
            yield sample.shuffled(self.of, rng)

    def summarise(self, point: Mapping[str, float], values: Values, sample: Sample) -> dict[str, Any]:
        """The level under independence, and for the record mean and p-value."""
        return self.levels(point, values)

    def levels(self, point: Mapping[str, float], values: Values) -> dict[str, Any]:
        """Null, mean and p-value by quantity, from the estimate and its values under shuffles."""
        names = QUANTITIES if self.of == "y" else ("synergistic", "mi")
        null, mean, p_value = {}, {}, {}
        for name in names:
            shuffled = values[name][np.isfinite(values[name])]
            null[name] = float(np.quantile(shuffled, self.level)) if len(shuffled) else math.nan
            mean[name] = float(shuffled.mean()) if len(shuffled) else math.nan
            # What a solver leaves open must not decide between equal values.
            reached = int((shuffled >= point[name] - 1e-9).sum())
            p_value[name] = (1 + reached) / (1 + len(shuffled))
        return {"null": null, "mean": mean, "p_value": p_value}
